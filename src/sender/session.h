/*
 * session.h - the state of a sending session: its stage, its connections, and
 * whether and why it failed.
 *
 * Layer: sender.
 * Threads: any; every function locks what it needs.  Only those that await
 * something block.
 */
#ifndef FERRY_SENDER_SESSION_H
#define FERRY_SENDER_SESSION_H

#include "base/err.h"

struct cancel;
struct queue;
struct send_session;
struct stream;

enum {
	/* How long the first stream may take to tell the receiver that the user
	 * stopped the transfer, before the connections are aborted. */
	SESSION_LEAVE_MS = 1000,
};

/*
 * The first stream sets one stage after the other; send_session_restart() sets
 * the first one again.  A failure is possible at any stage and does not change
 * it: what is done about the failure depends on the stage.
 */
enum session_stage {
	SESSION_CONNECTING,
	SESSION_CONNECTED, /* the peer's name, address and rtt_us are set */
	SESSION_GREETED,   /* HELLO is being sent, so the receiver may know */
	SESSION_READY,     /* READY has arrived: other streams may join */
};

/* The queue is borrowed.  NULL when out of memory or descriptors. */
struct send_session *send_session_new(struct queue *queue);
void send_session_free(struct send_session *s); /* NULL is allowed */

/* Reset it for another session, after all streams have ended. */
void send_session_restart(struct send_session *s);

/* ---- the stages ---- */

/* Set the stage.  Wakes the threads in send_session_await_ready(), and the
 * control thread where further streams may be possible now. */
void send_session_set_stage(struct send_session *s, enum session_stage stage);

/* The stage; and whether the session has failed. */
enum session_stage send_session_stage(struct send_session *s);
int send_session_has_failed(struct send_session *s);

/* Block until the stage is SESSION_READY.  Returns 0, or -1 where the session
 * failed. */
int send_session_await_ready(struct send_session *s);

/* Block until a session of the transfer has come to SESSION_READY, this or an
 * earlier one.  Returns 0, or -1 where that is not going to happen:
 * send_session_give_up() was called. */
int send_session_await_first(struct send_session *s);

/* No other session follows. */
void send_session_give_up(struct send_session *s);

/* ---- connections ---- */

/* Register the connection of stream `index`, which is aborted when the session
 * fails; NULL, before it is freed.  Returns whether the session has failed
 * already; then the connection is not aborted. */
int send_session_watch_stream(struct send_session *s, unsigned index,
			      struct stream *stream);

/* ---- the end ---- */

/* The session cannot go on: keep the more telling error (err_merge()), abort
 * all connections, pause the queue.  Whether another follows is decided
 * later. */
void send_session_fail(struct send_session *s, const struct err *e);

/*
 * The user stops the transfer.  Where the receiver may know of the session, the
 * first stream gets the time to tell it: returns 1, and the caller calls
 * send_session_fail() after SESSION_LEAVE_MS.  Otherwise everything is aborted
 * at once; returns 0.
 */
int send_session_cancel(struct send_session *s);
int send_session_is_cancelled(const struct send_session *s);

/* Everything is sent and has its verdict: streams that are not open yet are not
 * needed, and nobody waits for them. */
void send_session_stop_opening(struct send_session *s);

/* The token that ends connecting, the code exchange and the TLS handshake.  It
 * is set when the session fails, is cancelled, or needs no further streams. */
const struct cancel *send_session_stop(const struct send_session *s);

/* Copy the session's error; code 0 where there is none. */
void send_session_error(struct send_session *s, struct err *e);

/* ---- threads ---- */

/* A descriptor that is readable after something happened that concerns the
 * control thread.  That thread clears it before it checks what it was. */
int send_session_wake_fd(const struct send_session *s);
void send_session_clear_wake(const struct send_session *s);
void send_session_wake(const struct send_session *s);

/* Count a stream's thread that is started, and one that is about to end (which
 * wakes the control thread); how many there are. */
void send_session_add_stream(struct send_session *s);
void send_session_end_stream(struct send_session *s);
unsigned send_session_count_streams(struct send_session *s);

/* A stream begins a task, or has sent all of it; how many tasks are begun.
 * Where the connection is lost while there is none, everything may have
 * arrived. */
void send_session_begin_task(struct send_session *s);
void send_session_end_task(struct send_session *s);
unsigned send_session_count_tasks(struct send_session *s);

#endif
