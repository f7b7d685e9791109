/*
 * session.h - how a sending session stands: how far it got, which connections
 * it has, and whether and why it failed.
 *
 * Layer: sender.  Uses net/stream.h, sender/queue.h.
 * Threads: any; every function locks what it needs.  Only
 * send_session_await_ready() blocks.
 */
#ifndef FERRY_SENDER_SESSION_H
#define FERRY_SENDER_SESSION_H

#include "base/err.h"

struct cancel;
struct queue;
struct send_session;
struct stream;

enum {
	/* For the first stream to tell the receiver that the user stopped us;
	 * after that the connections are aborted. */
	SESSION_LEAVE_MS = 1000,
};

/*
 * How far the session got.  The first stream moves it from one stage to the
 * next; send_session_restart() puts it back to the first.  A failure may come
 * at any stage, and does not change it: what is done about the failure depends
 * on the stage.
 */
enum session_stage {
	SESSION_CONNECTING,
	SESSION_CONNECTED, /* the peer's name, address and rtt_us are known */
	SESSION_GREETED,   /* the receiver knows of it: HELLO is on its way */
	SESSION_READY,     /* READY came and is known; others may join */
};

/* The queue is borrowed.  NULL when out of memory or descriptors. */
struct send_session *send_session_new(struct queue *queue);
void send_session_free(struct send_session *s); /* NULL is allowed */

/* Begin once more, after all streams have ended. */
void send_session_restart(struct send_session *s);

/* ---- the stages ---- */

/* The session has got to this stage.  Wakes the control thread for
 * SESSION_CONNECTED, and all that wait for SESSION_READY. */
void send_session_set_stage(struct send_session *s, enum session_stage stage);

/* How far it got; and whether it failed. */
enum session_stage send_session_stage(struct send_session *s);
int send_session_has_failed(struct send_session *s);

/* Block until the stage is SESSION_READY.  Returns 0, or -1 where the session
 * failed. */
int send_session_await_ready(struct send_session *s);

/* ---- connections, to be aborted by others ---- */

/* Stream `index` is connected by this (NULL: not any more, as it is about to be
 * freed).  It is aborted when the session fails.  Returns whether it has failed
 * already; then the stream is not aborted. */
int send_session_watch_stream(struct send_session *s, unsigned index,
			      struct stream *stream);

/* ---- the end ---- */

/* The session cannot go on: keep the more telling error, abort all connections,
 * pause the queue.  Whether there will be another is not decided here. */
void send_session_fail(struct send_session *s, const struct err *e);

/*
 * The user wants to stop.  Where the receiver knows of the session, the first
 * stream is left the time to say so: returns 1, and the caller calls
 * send_session_fail() after SESSION_LEAVE_MS.  Else all is aborted; returns 0.
 */
int send_session_cancel(struct send_session *s);
int send_session_is_cancelled(const struct send_session *s);

/* Set once there shall be no more connecting: it ends dialling, the exchange of
 * a code and the TLS handshake. */
const struct cancel *send_session_stop(const struct send_session *s);

/* Copy the error; code 0: none. */
void send_session_error(struct send_session *s, struct err *e);

/* ---- threads ---- */

/* Readable once there is something for the control thread to look at, until it
 * clears that (before it looks). */
int send_session_wake_fd(const struct send_session *s);
void send_session_clear_wake(const struct send_session *s);
void send_session_wake(const struct send_session *s);

/* A stream's thread is started; is about to end (wakes the control thread);
 * how many there are. */
void send_session_add_stream(struct send_session *s);
void send_session_end_stream(struct send_session *s);
unsigned send_session_count_streams(struct send_session *s);

/* A stream began a task, or has sent all of it; how many are at one.  When the
 * connection is lost while none is, everything may have arrived. */
void send_session_begin_task(struct send_session *s);
void send_session_end_task(struct send_session *s);
unsigned send_session_count_tasks(struct send_session *s);

#endif
