/*
 * A stream's thread: it opens the stream, does tasks until there are none, and
 * ends the stream.
 */
#include "sender/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/dial.h"
#include "net/stream.h"
#include "os/thread.h"
#include "sender/direct.h"
#include "sender/opening.h"
#include "sender/outcome.h"
#include "sender/pack.h"
#include "sender/progress.h"
#include "sender/queue_tasks.h"
#include "sender/replies.h"
#include "sender/send.h"
#include "sender/send_compare.h"
#include "sender/send_delete.h"
#include "sender/send_file.h"
#include "sender/send_list.h"
#include "sender/send_pack.h"
#include "sender/session.h"
#include "sender/stream.h"

enum {
	/* How long to wait for the other side to close the connection too. */
	CLOSE_MS = 3000,
};

/* ---- tasks ---- */

/* A task that fails stays begun: connection_main() ends it. */
static int do_task(struct send_stream *st, const struct task *t, struct err *e)
{
	int rc = 0;

	send_stream_begin_task(st);
	switch (t->kind) {
	case TASK_PACK:
		rc = t->pack->is_list ? send_list(st, t->pack, e) :
					send_pack(st, t->pack, e);
		break;
	case TASK_OPEN:
		rc = send_file_open(st, t->file, e);
		break;
	case TASK_RANGE:
		rc = send_file_range(st, t->file, t->leaf, t->count, e);
		break;
	case TASK_CHECK:
		rc = send_file_check(st, t->file, t->leaf, t->count, e);
		break;
	case TASK_COMPARE:
		rc = send_compare(st, t->file, t->leaf, t->count, e);
		break;
	case TASK_PIECES:
		rc = send_compare_pieces(st, t->file, e);
		break;
	case TASK_STDIN:
		rc = send_file_stdin(st, t->file, e);
		break;
	}
	/* These may have recorded the last leaf that was missing. */
	if (rc == 0 && (t->kind == TASK_RANGE || t->kind == TASK_CHECK ||
			t->kind == TASK_COMPARE))
		rc = send_file_end(st, t->file, e);
	if (t->kind != TASK_PACK)
		queue_release_task(st->sender->queue, t);
	if (rc == 0)
		send_stream_end_task(st);
	return rc;
}

/* There is no task now: wait until the scan or an answer brings one. */
static int wait_for_work(struct send_stream *st, struct err *e)
{
	struct queue *queue = st->sender->queue;
	int rc;

	/* Only verdicts are missing: the receiver need not wait for a larger
	 * group before it commits. */
	if (!st->is_flushed && queue_is_drained(queue)) {
		msg_put_flush(&st->channel.out);
		rc = channel_send(&st->channel, NULL, 0, e);
		if (rc)
			return rc;
		st->is_flushed = 1;
	}
	rc = stream_wait(st->channel.stream, queue_wake_fd(queue), -1, e);
	return rc < 0 ? rc : 0;
}

/* The first stream, where others are direct: say what is to be said about them,
 * and leave the tasks to them. */
static int stand_by(struct send_stream *st, struct task *t, struct err *e)
{
	struct send_direct *direct = st->sender->direct;
	int rc = send_direct_tell(direct, st, e);

	while (rc == 0 && send_direct_is_parked(direct) &&
	       !send_stream_is_leaving(st)) {
		queue_stop_waiting(st->sender->queue, t);
		rc = stream_wait(st->channel.stream,
				 send_direct_wake_fd(direct), -1, e);
		if (rc < 0)
			return rc;
		send_direct_clear_wake(direct);
		rc = replies_take(st, e);
		if (rc == 0)
			rc = send_direct_tell(direct, st, e);
	}
	return rc;
}

/* Do tasks until everything is sent and has its verdict. */
static int do_tasks(struct send_stream *st, struct task *t, struct err *e)
{
	struct queue *queue = st->sender->queue;
	int rc = 0;

	while (rc == 0) {
		enum queue_next next;

		if (st->index == 0 && st->sender->direct)
			rc = stand_by(st, t, e);
		if (rc)
			return rc;
		next = send_stream_is_leaving(st) ? QUEUE_CLOSED
						  : queue_take(queue, t, 0);
		if (next == QUEUE_DONE) {
			send_session_stop_opening(st->sender->session);
			send_direct_done(st->sender->direct);
			return 0;
		}
		if (next == QUEUE_CLOSED)
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (next == QUEUE_WAIT)
			rc = wait_for_work(st, e);
		else
			rc = do_task(st, t, e);
		if (rc == 0)
			rc = replies_take(st, e);
		if (rc == 0)
			rc = send_progress_if_due(st, e);
	}
	return rc;
}

/* ---- the end ---- */

/* On the first stream: send FINISH, and check what SUMMARY says. */
static int finish_session(struct send_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	struct msg_finish m;
	int rc;

	outcome_finish(s->outcome, &m);
	st->state = STREAM_FINISHING;
	if (st->features & FEATURE_UNSENT)
		outcome_take_notes(s->outcome, &st->channel.out);
	msg_put_finish(&st->channel.out, &m);
	rc = channel_send(&st->channel, NULL, 0, e);
	while (rc == 0 && st->state != STREAM_FINISHED) {
		rc = stream_wait(st->channel.stream, -1, -1, e);
		rc = rc < 0 ? rc : replies_take(st, e);
		/* The receiver may close the connection right after it. */
		if (rc == ERR_CLOSED && st->state == STREAM_FINISHED)
			rc = 0;
	}
	if (rc)
		return rc;
	if (!queue_is_over(s->queue))
		return err_set(e, ERR_PROTOCOL,
			       "%s ended the session without reporting on "
			       "every file",
			       s->peer.name);
	if (!outcome_is_confirmed(s->outcome))
		return err_set(e, ERR_CORRUPT,
			       "%s: the receiver's summary differs from what "
			       "was sent",
			       s->peer.name);
	return 0;
}

static int end_stream(struct send_stream *st, struct err *e)
{
	struct err ignored;
	int rc = 0;

	if (st->index == 0) {
		rc = finish_session(st, e);
	} else {
		msg_put_stream_end(&st->channel.out);
		(void)channel_send(&st->channel, NULL, 0, &ignored);
	}
	/* The result is known; how the connection ends does not change it. */
	if (rc == 0)
		(void)stream_close(st->channel.stream, CLOSE_MS, &ignored);
	return rc;
}

/* On the first stream, when everything has its verdict: delete at the receiver
 * what is not here, and send what directories were in the way of. */
static int delete_rest(struct send_stream *st, struct task *t, struct err *e)
{
	struct sender *s = st->sender;
	int again, rc;

	if (st->index > 0 || !s->cfg->deletes)
		return 0;
	rc = send_delete_run(st, &again, e);
	while (rc == 0 && again) {
		rc = do_tasks(st, t, e);
		if (rc == 0)
			rc = send_delete_requeue(st, &again, e);
	}
	if (rc == 0)
		send_delete_end(st);
	return rc;
}

/* End the session for a reason on this side, and tell the receiver, which would
 * otherwise wait for the sender to come back. */
static void leave(struct send_stream *st, enum wire_error code,
		  const char *text)
{
	struct err ignored;

	/* The receiver's user is told how far it got. */
	send_progress_leave(st);
	channel_send_error(&st->channel, code, text);
	(void)stream_close(st->channel.stream, SESSION_LEAVE_MS, &ignored);
}

/* Whether the failure is one of the other side or the way there. */
static int is_remote(int code)
{
	return err_is_lost(code) || code == ERR_PROTOCOL ||
	       code == ERR_CORRUPT || code == ERR_AUTH || code == ERR_REMOTE ||
	       code == ERR_UNCONFIRMED;
}

/* Put the peer's address before the text, unless it is there already. */
static void name_peer(const struct send_stream *st, struct err *e)
{
	const char *peer = st->sender->peer.name;
	const size_t n = strlen(peer);

	if (n > 0 && is_remote(e->code) && strncmp(e->text, peer, n) != 0)
		err_prefix(e, "%s", peer);
}

/* The connection was lost, or the other side has got nothing for its time-out:
 * say so if large packets seem to disappear on the way. */
static void hint_at_path(const struct send_stream *st, struct err *e)
{

	if (!st->channel.stream ||
	    !dial_loses_packets(stream_fd(st->channel.stream)))
		return;
	err_append(e,
		   " (what this side sends does not arrive, though the other "
		   "side's heart-beats do: a firewall or tunnel may drop large "
		   "packets; try a smaller MTU here, such as 1280)");
}

/* The stream failed with e: report it, and end the session with it unless the
 * other streams can do without this one. */
static void report_failure(struct send_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	const char *peer = s->peer.name;
	const int was_ready = st->state >= STREAM_READY;
	const int is_lost = err_is_lost(e->code);

	if (st->index > 0 && !was_ready) {
		/* It holds no task, so the others do all the work; or have
		 * done it, and the receiver may have ended the session. */
		if (queue_is_over(s->queue))
			return;
		if (s->direct)
			send_direct_failed(s->direct, e);
		else if (e->code != ERR_INTERRUPTED)
			events_message(s->cfg->events, SESSION_VERBOSE,
					"cannot add a connection to %s: %s",
					peer, e->text);
		return;
	}
	if (is_lost && send_session_has_failed(s->session))
		/* send_session_fail() aborted it, and has the reason. */
		e->code = ERR_CLOSED;
	else if (is_lost && was_ready &&
		 send_session_count_tasks(s->session) == 0 &&
		 queue_has_sent_all(s->queue))
		/* Nothing was left to send: all may be committed. */
		e->code = ERR_UNCONFIRMED;
	else if (e->code == ERR_CLOSED)
		e->code = ERR_LOST;
	if (is_lost && e->code != ERR_CLOSED)
		hint_at_path(st, e);
	if (is_lost && was_ready && e->code == ERR_UNCONFIRMED)
		err_prefix(e,
			   "%s: everything was sent, but the commit of "
			   "some files was not confirmed",
			   peer);
	else
		name_peer(st, e);
	send_session_fail(s->session, e);
}

struct start {
	struct sender *sender;
	unsigned index;
};

static void *connection_main(void *arg)
{
	struct start *start = arg;
	struct sender *s = start->sender;
	struct task t = { .is_waiting = 0 };
	struct send_stream st;
	struct err e;
	int rc;

	err_clear(&e);
	rc = send_stream_init(&st, s, start->index, &e);
	free(start);
	if (rc == 0)
		rc = st.index == 0 ? opening_first(&st, &t, &e)
				   : opening_further(&st, &t, &e);
	if (rc == 0)
		rc = do_tasks(&st, &t, &e);
	if (rc == 0)
		rc = delete_rest(&st, &t, &e);
	if (rc == 0)
		rc = end_stream(&st, &e);
	if (rc == ERR_INTERRUPTED && send_stream_is_leaving(&st) &&
	    send_session_stage(s->session) >= SESSION_GREETED)
		leave(&st, WERR_INTERRUPTED, err_name(ERR_INTERRUPTED));
	else if (rc && st.index == 0 && st.unmet)
		leave(&st, WERR_OTHER, st.unmet);
	if (rc)
		report_failure(&st, &e);
	if (st.channel.stream)
		atomic_fetch_add(&s->count.wire_bytes,
				 stream_wire_in(st.channel.stream) +
					 stream_wire_out(st.channel.stream));
	opening_close(&st);
	send_stream_release(&st);
	send_stream_end_task(&st);
	send_session_end_stream(s->session);
	return NULL;
}

int send_connection_start(struct sender *s, unsigned index, pthread_t *thread)
{
	struct start *start = malloc(sizeof(*start));
	int error;

	if (!start)
		return -1;
	start->sender = s;
	start->index = index;
	send_session_add_stream(s->session);
	if (thread_start(thread, connection_main, start) == 0)
		return 0;
	error = errno;
	free(start);
	send_session_end_stream(s->session);
	errno = error;
	return -1;
}
