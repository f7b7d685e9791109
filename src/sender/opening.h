/*
 * opening.h - the beginning of a stream: connection, HELLO or JOIN, READY.
 *
 * Layer: sender.  Uses net, sender/session.h, sender/send_file.h.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_OPENING_H
#define FERRY_SENDER_OPENING_H

#include "base/err.h"

struct send_stream;
struct task;

/*
 * The first stream of a session: connect (TCP, the exchange of the code in code
 * mode, TLS), send HELLO, open files until READY comes, take what comes with
 * it.  Then further streams may join.  t is the stream's task (queue_take()).
 *
 * Blocks, until the timeout or send_session_fail() at most.  Answers are taken
 * and heart-beats sent in every wait from now on.
 *
 * Returns 0, or an error that names the peer: up to READY with a hint at the
 * modes of the two sides, where it looks as if they differ.  In both cases
 * opening_close() is called in the end.
 */
int opening_first(struct send_stream *st, struct task *t, struct err *e);

/*
 * A further stream: connect to where the first one is, wait for a session to
 * join, send JOIN, and a first range of a file with it if there is one.  If the
 * session takes so long that the receiver may have given up the connection, it
 * is made anew.  Returns as opening_first().
 */
int opening_further(struct send_stream *st, struct task *t, struct err *e);

/* Close the connection, if there is one. */
void opening_close(struct send_stream *st);

#endif
