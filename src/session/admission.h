/*
 * admission.h - pending connections, for the side that listens: those that have
 * not shown yet that they may have a session.
 *
 * Layer: session.  Uses auth/secure.h, net/, os/cancel.h.
 * Threads: any; it has a lock of its own, inside which has_session() is called.
 * A struct pending belongs to its connection's thread, but for
 * admission_forget().
 *
 * They are few at a time, whoever they are.  Where there are too many, the most
 * suspect one is evicted for the one that comes, so that nobody can keep others
 * out by being many, or by saying nothing.
 */
#ifndef FERRY_SESSION_ADMISSION_H
#define FERRY_SESSION_ADMISSION_H

#include <stdint.h>
#include <sys/socket.h>

struct admission;
struct cancel;
struct pending;
struct secure_mode;

struct admission_config {
	const struct secure_mode *mode; /* borrowed */
	unsigned max; /* pending connections at a time */
	/* Whether there is a session of this source. */
	int (*has_session)(void *ctx, uint64_t source);
	void *ctx;
};

/* cfg is copied.  NULL when out of memory. */
struct admission *admission_new(const struct admission_config *cfg);
void admission_free(struct admission *a); /* NULL is allowed */

/* A connection came from sa.  fd is borrowed, and must stay open until
 * admission_leave().  Evicts another where there are too many.  NULL when out of
 * memory. */
struct pending *admission_enter(struct admission *a, int fd,
				const struct sockaddr_storage *sa);

/* Where it came from.  Addresses that somebody has at his disposal count as one:
 * an IPv4 address, or a /64 network of IPv6. */
uint64_t admission_source(const struct pending *p);

/* The token that ends the connection: it is set where that is evicted, or by
 * admission_close(). */
const struct cancel *admission_cancel(const struct pending *p);

/* It may have a session, and is not evicted any more.  Returns 0, or -1 where it
 * was evicted before. */
int admission_admit(struct admission *a, struct pending *p);

/* It has a session, or has failed: it is pending no more.  The token's
 * descriptor is closed; what waits does not look at it any more. */
void admission_leave(struct admission *a, struct pending *p);

/* Its thread is gone, or was never started: free it. */
void admission_forget(struct admission *a, struct pending *p);

/* Whether so many threads of pending and evicted connections are there that the
 * next has to wait for them. */
int admission_is_full(struct admission *a);

/* Evict one, if there is one. */
void admission_make_room(struct admission *a);

/* End all of them, and those that come later. */
void admission_close(struct admission *a);

#endif
