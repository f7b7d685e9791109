/*
 * connection.h - the threads of a session's streams.
 *
 * Layer: sender.
 * Threads: the control thread's; each call makes a thread.
 */
#ifndef FERRY_SENDER_CONNECTION_H
#define FERRY_SENDER_CONNECTION_H

#include <pthread.h>

struct sender;

/*
 * Start the thread of stream `index` of the session (0: the first one, which
 * begins and ends the session).  It connects, does tasks until there are none,
 * and ends; where it fails and the other streams cannot do without it, it calls
 * send_session_fail().
 *
 * Returns 0, and the caller joins *thread; or -1 when it cannot be started.
 */
int send_connection_start(struct sender *s, unsigned index, pthread_t *thread);

#endif
