/*
 * connection.h - a stream's thread.
 *
 * Layer: sender.
 * Threads: each call makes one.
 */
#ifndef FERRY_SENDER_CONNECTION_H
#define FERRY_SENDER_CONNECTION_H

#include <pthread.h>

struct sender;

/*
 * Start the thread of stream `index` of the session (0: the first one, which
 * begins and ends the session): it connects, takes tasks until there are none,
 * and tells the session if that fails (send_session_fail()), where the other
 * streams cannot make up for it.
 *
 * Returns 0, and the caller joins *thread; -1 when it cannot be started.
 */
int send_connection_start(struct sender *s, unsigned index, pthread_t *thread);

#endif
