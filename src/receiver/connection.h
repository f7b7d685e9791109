/*
 * connection.h - the connections of a receiver, each with a thread of its own.
 *
 * Layer: receiver.  Uses admission.h, sessions.h, session.h, dispatch.h.
 * Threads: all functions from one thread, the accept loop's.
 */
#ifndef FERRY_RECEIVER_CONNECTION_H
#define FERRY_RECEIVER_CONNECTION_H

#include <sys/socket.h>

#include "base/err.h"

struct admission;
struct recv_connection_set;
struct recv_setup;
struct sessions;

/* All pointers are borrowed.  NULL when out of memory or descriptors. */
struct recv_connection_set *recv_connection_set_new(struct recv_setup *setup,
						    struct admission *admission,
						    struct sessions *sessions);

/* All threads were reaped.  NULL is allowed. */
void recv_connection_set_free(struct recv_connection_set *set);

/* Begin the thread of a connection, which is pending for now.  Takes over fd,
 * which is closed where that fails. */
void recv_connection_start(struct recv_connection_set *set, int fd,
			   const char *peer,
			   const struct sockaddr_storage *sa);

/*
 * We connect: begin the thread of the first connection, to cfg->connect_to.  If
 * it comes to nothing, that is the receiver's result.  Returns 0 or
 * ERR_RESOURCE.
 */
int recv_connection_connect(struct recv_connection_set *set, struct err *e);

/* Begin those of the further connections that the sender asked for meanwhile. */
void recv_connection_connect_further(struct recv_connection_set *set);

/* Readable when a thread is through, or there are further connections to begin,
 * until that is cleared: to be done before recv_connection_reap(). */
int recv_connection_wake_fd(const struct recv_connection_set *set);
void recv_connection_clear_wake(const struct recv_connection_set *set);

/* Join the threads that are through.  Returns how many others there are. */
unsigned recv_connection_reap(struct recv_connection_set *set);

#endif
