/*
 * admission.h - pending connections, for the side that listens: those that have
 * not yet shown that they may have a session.
 *
 * Layer: session.
 * Threads: any; it has its own lock, under which has_session() is called.  A
 * struct pending belongs to its connection's thread, except that any thread may
 * call admission_forget() after that thread has ended.
 *
 * Their number is limited.  When a new connection exceeds the limit, the most
 * suspect one is evicted, so that an attacker cannot keep peers out by making
 * many connections or by sending nothing.
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
	unsigned max;                   /* the most pending connections */
	/* Whether there is a session with this source. */
	int (*has_session)(void *ctx, uint64_t source);
	void *ctx;
};

/* cfg is copied.  NULL when out of memory. */
struct admission *admission_new(const struct admission_config *cfg);
void admission_free(struct admission *a); /* NULL is allowed */

/* Add a connection from sa.  fd is borrowed and must stay open until
 * admission_leave().  Evicts another connection where the limit is reached.
 * NULL when out of memory. */
struct pending *admission_enter(struct admission *a, int fd,
				const struct sockaddr_storage *sa);

/* The source of the connection: an IPv4 address or an IPv6 /64 network, as one
 * host can use all addresses of such a network. */
uint64_t admission_source(const struct pending *p);

/* The token that ends the connection: it is set when the connection is evicted
 * and by admission_close().  It may lack a descriptor; then fd is shut down as
 * well, which ends any wait for it. */
const struct cancel *admission_cancel(const struct pending *p);

/* The connection may have a session: from now on it is not evicted.  Returns 0,
 * or -1 where it has been evicted. */
int admission_admit(struct admission *a, struct pending *p);

/* The connection has a session or has failed, and is no longer pending.  Closes
 * the token's descriptor, which the caller must not wait for any more. */
void admission_leave(struct admission *a, struct pending *p);

/* Free it: its thread has ended or was never started. */
void admission_forget(struct admission *a, struct pending *p);

/* Whether pending and evicted connections, whose threads have not ended, are
 * twice the limit: then no more are to be accepted for now. */
int admission_is_full(struct admission *a);

/* Evict the most suspect connection, if there is one. */
void admission_make_room(struct admission *a);

/* End all pending connections, and those that are added later. */
void admission_close(struct admission *a);

#endif
