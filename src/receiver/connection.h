/*
 * connection.h - the connections of a receiver, each with a thread of its own.
 *
 * Layer: receiver.
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
struct wake;

/* All pointers are borrowed.  NULL when out of memory or descriptors. */
struct recv_connection_set *recv_connection_set_new(struct recv_setup *setup,
						    struct admission *admission,
						    struct sessions *sessions);

/* To be called when all threads were reaped.  NULL is allowed. */
void recv_connection_set_free(struct recv_connection_set *set);

/* Start the thread of a connection that was accepted; it is pending until it
 * has a session.  Takes over fd: where the thread cannot be started, the
 * connection is closed. */
void recv_connection_start(struct recv_connection_set *set, int fd,
			   const char *peer,
			   const struct sockaddr_storage *sa);

/*
 * For a receiver that connects: start the thread of the first connection, to
 * cfg->connect_to.  If that fails before its session begins, its error is the
 * receiver's result.  Returns 0 or ERR_RESOURCE.
 */
int recv_connection_connect(struct recv_connection_set *set, struct err *e);

/* Start the threads of the further connections that the sender has asked for
 * since the last call. */
void recv_connection_connect_further(struct recv_connection_set *set);

/* The same as what others signal and as a descriptor: readable when a thread
 * has ended or there are further connections to start, until it is cleared.
 * Clear it before recv_connection_reap(), or a thread that ends in between is
 * missed. */
const struct wake *recv_connection_wake(const struct recv_connection_set *set);
int recv_connection_wake_fd(const struct recv_connection_set *set);
void recv_connection_clear_wake(const struct recv_connection_set *set);

/* Join the threads that have ended.  Returns how many are left. */
unsigned recv_connection_reap(struct recv_connection_set *set);

#endif
