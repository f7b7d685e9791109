/*
 * opening.h - the beginning of a stream: connecting, HELLO or JOIN, READY.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_OPENING_H
#define FERRY_SENDER_OPENING_H

#include "base/err.h"

struct send_stream;
struct task;

/*
 * Open the first stream of a session: connect (TCP, the code exchange, TLS),
 * send HELLO, open files until READY arrives, and read what arrives with it.
 * Then further streams may join.  t is the stream's task (queue_take()).
 *
 * Blocks, at most until the timeout or send_session_fail().  From now on
 * answers are read and heart-beats sent in every wait of the stream.
 *
 * Returns 0 or an error that names the peer; where the two sides may use
 * different security modes, the text says so.  In both cases the caller calls
 * opening_close() at the end.
 */
int opening_first(struct send_stream *st, struct task *t, struct err *e);

/*
 * Open a further stream: connect to the address of the first one, wait for
 * SESSION_READY, and send JOIN, with a first range of a file if there is one.
 * Where that wait took so long that the receiver may have closed the
 * connection, connect again.  Returns as opening_first().
 */
int opening_further(struct send_stream *st, struct task *t, struct err *e);

/* Close the connection, if there is one. */
void opening_close(struct send_stream *st);

#endif
