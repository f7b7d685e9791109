/*
 * opening.h - the beginning of a connection: admission or connecting, the
 * handshakes, HELLO or JOIN, READY.
 *
 * Layer: receiver.
 * Threads: recv_opening_enter() from the accept loop's, recv_opening_begin()
 * from the connection's.
 */
#ifndef FERRY_RECEIVER_OPENING_H
#define FERRY_RECEIVER_OPENING_H

#include "base/err.h"

struct recv_connection;
struct sockaddr_storage;

/* Make the connection, which is fd, a pending one.  It owns fd from now on,
 * also where this fails.  Returns 0, or -1 when out of memory or
 * descriptors. */
int recv_opening_enter(struct recv_connection *c, int fd,
		       const struct sockaddr_storage *sa);

/*
 * Go from the first byte to READY, so that c has a session, which it has begun
 * or joined.  Blocks, at most for HELLO_MS, or until admission or the session
 * ends it.  Returns 0 or an error, after which the caller closes the
 * connection.
 */
int recv_opening_begin(struct recv_connection *c, struct err *e);

#endif
