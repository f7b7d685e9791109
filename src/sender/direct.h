/*
 * direct.h - the direct streams of a session by ssh.
 *
 * Layer: sender.
 * Threads: as said with each function; it has a lock of its own, which is taken
 * last.  Only send_direct_open() blocks.
 *
 * Content goes through ssh, by the first stream, until a direct stream is
 * ready; from then on the first one takes no tasks and only begins and ends the
 * session.  Where this process was started by ssh it listens, else it connects.
 *
 * All functions may be called with NULL, where there are no direct streams.
 */
#ifndef FERRY_SENDER_DIRECT_H
#define FERRY_SENDER_DIRECT_H

#include "base/err.h"

struct growth;
struct msg_direct;
struct send_direct;
struct send_stream;
struct sender;
struct stream;

/* ---- the owner: while there are no other threads ---- */

/* Listen, or prepare to connect; before the sandbox.  *out is NULL where cfg
 * has no carrier or DIRECT_NEVER.  Returns 0 or ERR_RESOURCE. */
int send_direct_new(struct sender *s, struct send_direct **out, struct err *e);
void send_direct_free(struct send_direct *d);

/* Between sessions. */
void send_direct_restart(struct send_direct *d);

/* ---- the first stream ---- */

/* READY came.  Returns 0; ERR_CONNECT where it has to be direct and the
 * receiver does not grant that. */
int send_direct_granted(struct send_direct *d, unsigned features,
			unsigned streams, struct err *e);

/* Between two tasks: send what is to be said about direct streams.  Returns 0,
 * or an error as channel_send(). */
int send_direct_tell(struct send_direct *d, struct send_stream *st,
		     struct err *e);

/* Whether the first stream is not to take tasks; the descriptor that is
 * readable when that, or what there is to tell, has changed; and to be called
 * before the check. */
int send_direct_is_parked(struct send_direct *d);
int send_direct_wake_fd(const struct send_direct *d);
void send_direct_clear_wake(const struct send_direct *d);

/* DIRECT came from the receiver.  Returns 0 or ERR_PROTOCOL. */
int send_direct_offered(struct send_direct *d, const struct msg_direct *m,
			struct err *e);

/* ---- the control thread ---- */

/* How many streams there should be now, with the first one; started: how many
 * were, running: how many have not ended. */
unsigned send_direct_streams(struct send_direct *d, struct growth *g,
			     unsigned started, unsigned running);

/* A descriptor that is readable when it should be called; -1: none. */
int send_direct_fd(const struct send_direct *d);

/* ---- further streams ---- */

/* Connect, or get a connection that was accepted.  NULL with an error as
 * direct_open() or acceptor_further(). */
struct stream *send_direct_open(struct send_direct *d, struct err *e);

/* Everything is sent and has its verdict. */
void send_direct_done(struct send_direct *d);

/* READY came on it; or it could not be opened, for this reason. */
void send_direct_joined(struct send_direct *d);
void send_direct_failed(struct send_direct *d, struct err *e);

#endif
