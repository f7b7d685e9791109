/*
 * A connection's thread: authenticate the peer, begin or join a session
 * (opening), then handle frames until the sender has sent everything.
 */
#include "receiver/connection.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pake.h"
#include "auth/secure.h"
#include "base/clock.h"
#include "base/io.h"
#include "fs/dirs.h"
#include "os/cancel.h"
#include "os/thread.h"
#include "os/wake.h"
#include "receiver/connection_priv.h"
#include "receiver/cpu_share.h"
#include "receiver/direct.h"
#include "receiver/dispatch.h"
#include "receiver/opening.h"
#include "receiver/progress.h"
#include "receiver/results.h"
#include "receiver/senders.h"
#include "receiver/session.h"
#include "receiver/sessions.h"
#include "receiver/setup.h"
#include "session/admission.h"
#include "session/idle.h"
#include "wire/msg.h"

enum {
	/* When the session is over: how long a stream goes on with what has
	 * arrived, and how long it discards what comes after our ERROR. */
	DRAIN_MS = 1000,
	/* How long to wait for the sender to close after a success. */
	CLOSE_MS = 3000,
};

/* ---- the session's frames ---- */

/* Send the frames that other threads have left for this stream, or for any.
 * After FINISH only the first stream sends them, so that all of them come
 * before SUMMARY. */
static int send_results(struct recv_connection *c, struct err *e)
{
	struct transfer *t = c->worker.transfer;
	int rc;

	if (!results_take_frames(t->results, c->index == 0,
				 atomic_load(&t->end_by_ms) != 0,
				 &c->channel.out))
		return 0;
	rc = channel_send(&c->channel, NULL, 0, e);
	return rc ? rc : stream_flush(c->channel.stream, e);
}

static int send_summary(struct recv_connection *c, struct err *e)
{
	struct msg_summary m;
	int rc = send_results(c, e);

	if (rc)
		return rc;
	recv_progress_put_last(c->worker.transfer, &c->channel.out);
	results_get_summary(c->worker.transfer->results, &m);
	msg_put_summary(&c->channel.out, &m);
	rc = channel_send(&c->channel, NULL, 0, e);
	if (rc == 0)
		rc = stream_flush(c->channel.stream, e);
	if (rc == 0)
		recv_session_set_summed(c->session);
	return rc;
}

/* After another stream was lost, what has arrived by this one is still handled,
 * so that it need not be sent again: but not for longer than DRAIN_MS.  rc: of
 * polling for the next frame. */
static int is_drained(struct recv_connection *c, int rc)
{
	if (!atomic_load(&c->worker.transfer->is_over))
		return 0;
	if (atomic_load(&c->session->is_revoked))
		return 1;
	if (!c->drain_by_ms)
		c->drain_by_ms = clock_ms() + DRAIN_MS;
	return rc == ERR_AGAIN || clock_left_ms(c->drain_by_ms) == 0;
}

/* Whether a frame is more than a sign of life: it brought data, or what gets a
 * verdict.  How much of that there may be is limited elsewhere. */
static int is_progress(const struct recv_connection *c, unsigned type)
{
	switch (type) {
	case FRAME_FINISH:
	case FRAME_STREAM_END:
	case FRAME_DELETE:
		return 1;
	case FRAME_PACK:
	case FRAME_OFFER:
	case FRAME_LIST:
	case FRAME_OPEN:
	case FRAME_CHUNK:
	case FRAME_HOLE:
	case FRAME_CHECK:
	case FRAME_COMPARE:
	case FRAME_FILE_END:
		return c->input.has_effect;
	default:
		/* Nor has a file that is opened and given up brought
		 * anything. */
		return 0;
	}
}

/* Whether a sender that sends frames of this type alone is at work: it reads
 * its files to find out what is wanted of them, and has no time for BUSY. */
static int is_work(unsigned type)
{
	return type == FRAME_OFFER || type == FRAME_LIST;
}

static int handle_frame(struct recv_connection *c, const struct frame *f,
			enum dispatch_next *next, struct err *e)
{
	int rc;

	input_begin_frame(&c->input);
	rc = dispatch_frame(&c->worker, c->session, f, next, e);
	input_end_frame(&c->input, rc == 0 && is_progress(c, f->type));
	if (is_work(f->type))
		idle_peer_is_busy(&c->worker.transfer->idle, clock_ms());
	if (rc == 0)
		rc = recv_progress_if_due(c->worker.transfer, &c->channel, e);
	return rc ? rc : channel_ping_if_due(&c->channel, 1, e);
}

/* Handle the next frame, or wait until one comes or there is something to
 * send. */
static int handle_next(struct recv_connection *c, enum dispatch_next *next,
		       struct err *e)
{
	struct results *results = c->worker.transfer->results;
	const int is_first = c->index == 0;
	struct frame f;
	int rc;

	cpu_share_check(&c->worker.cpu);
	rc = send_results(c, e);
	if (rc)
		return rc;
	if (*next == DISPATCH_FINISH && recv_session_has_finished(c->session)) {
		*next = DISPATCH_END;
		return send_summary(c, e);
	}
	rc = channel_poll_header(&c->channel, &f, e);
	if (is_drained(c, rc))
		return err_set(e, ERR_CLOSED, "the session is over");
	if (rc == 0)
		return handle_frame(c, &f, next, e);
	if (rc != ERR_AGAIN)
		return rc;
	rc = stream_wait(c->channel.stream,
			 results_wake_fd(results, is_first), -1, e);
	if (rc > 0 && (rc & STREAM_WOKEN))
		results_clear_wake(results, is_first);
	return rc < 0 ? rc : 0;
}

/* Handle the session's frames, until the stream's end. */
static int serve_stream(struct recv_connection *c, struct err *e)
{
	enum dispatch_next next = DISPATCH_GO_ON;
	struct err ignored;
	int rc = 0;

	while (rc == 0 && next != DISPATCH_END)
		rc = handle_next(c, &next, e);
	if (rc == 0)
		(void)stream_close(c->channel.stream, CLOSE_MS, &ignored);
	return rc;
}

/* ---- the end ---- */

static enum wire_error wire_code(int code)
{
	switch (code) {
	case ERR_INTERRUPTED:
		return WERR_INTERRUPTED;
	case ERR_PROTOCOL:
	case ERR_CORRUPT:
	case ERR_RANGE:
		return WERR_PROTOCOL;
	case ERR_LOCAL:
		return WERR_LOCAL;
	case ERR_RESOURCE:
		return WERR_RESOURCE;
	case ERR_TIMEOUT:
		return WERR_TIMEOUT;
	case ERR_AUTH:
		return WERR_REFUSED;
	default:
		return WERR_OTHER;
	}
}

/* What the sender is told of an error: only fixed texts, as e may name paths of
 * this host. */
static void tell_error(struct recv_connection *c, const struct err *e)
{
	const int to_stdout = c->session->transfer.stdout_fd >= 0;
	char text[160], cause[80];

	if (e->code == ERR_AUTH)
		snprintf(text, sizeof(text), "the receiver does not accept "
					     "this sender any more");
	else if (e->code == ERR_LOCAL && e->sys_errno == ERR_ERRNO_LIMIT)
		snprintf(text, sizeof(text),
			 "too many items are beyond the receiver's --max-files "
			 "or --max-size");
	else if (e->code != ERR_LOCAL || e->sys_errno == 0)
		snprintf(text, sizeof(text), "%s", err_name(e->code));
	else if (to_stdout && e->sys_errno == EPIPE)
		snprintf(text, sizeof(text), "the program that reads the "
					     "receiver's output has ended");
	else
		snprintf(text, sizeof(text), "%s: %s",
			 to_stdout ? "the receiver cannot write to its standard "
				     "output" : err_name(e->code),
			 err_reason(e->sys_errno, cause, sizeof(cause)));
	channel_send_error(&c->channel, wire_code(e->code), text);
}

static void session_failed(struct recv_connection *c, struct err *e)
{
	const int is_stopping = cancel_is_set(&c->set->setup->stop);
	struct err ignored;
	/* After a time-out the peer may be alive, and hear us: say so. */
	int lost = err_is_lost(e->code) && e->code != ERR_TIMEOUT;

	if (atomic_load(&c->session->is_revoked)) {
		err_set(e, ERR_AUTH, "not accepted any more");
		lost = 0;
	}
	/* A stream that is aborted while it does not wait gets no other error
	 * than that its connection is gone. */
	if (lost && is_stopping) {
		err_set(e, ERR_INTERRUPTED, "interrupted");
		lost = 0;
	}
	if (e->code == ERR_CLOSED)
		err_set(e, ERR_LOST, "disconnected before the end of the "
				     "session");
	/* What the peer still sends is read and discarded: closing with unread
	 * data resets the connection, and the peer might lose our ERROR. */
	if (!lost) {
		c->input.tell_by_ms = clock_ms() + DRAIN_MS;
		tell_error(c, e);
		(void)stream_close(c->channel.stream, DRAIN_MS, &ignored);
	}
	err_prefix(e, "%s", c->session->label);
	recv_session_fail(c->session, e);
}

/* A direct stream that we make could not be opened. */
static void direct_failed(struct recv_connection *c, struct err *e)
{
	if (!c->session_ended && recv_direct_failed(c->set->setup->direct, e))
		sessions_fail(c->set->sessions, e);
}

/* Whose connection it is: as its sessions are called, where it has proved
 * that. */
static const char *label_of(const struct recv_connection *c,
			    char label[SENDER_LABEL_MAX])
{
	if (!c->sender || !c->sender->name)
		return c->peer;
	snprintf(label, SENDER_LABEL_MAX, "%s (%s)", c->sender->name, c->peer);
	return label;
}

static void pending_failed(struct recv_connection *c, struct err *e)
{
	const struct recv_setup *setup = c->set->setup;
	char label[SENDER_LABEL_MAX];
	/* Don't warn about connections that say nothing or go away, as those
	 * of port scanners, nor about a further stream whose session ended
	 * before it came. */
	const int is_quiet = err_is_lost(e->code) || c->session_ended ||
			     c->is_further;

	if (c->is_direct && c->connects) {
		direct_failed(c, e);
	} else if (c->code_use == PAKE_GUESSED &&
		   secure_renew_code(c->fd, &setup->mode, c->peer, e) == 0) {
		return;
	} else if (c->code_use || (c->connects && !c->is_further) ||
		   setup->cfg->connected_fd > 0) {
		/* The code is used up, or this was the only connection: no
		 * session can come. */
		if (e->code == ERR_CLOSED)
			err_set(e, ERR_LOST, "disconnected before the session "
					     "began");
		if (*c->peer && strncmp(e->text, c->peer, strlen(c->peer)) != 0)
			err_prefix(e, "%s", c->peer);
		sessions_set_result(c->set->sessions, e);
	} else if (!cancel_is_set(&setup->stop)) {
		refusals_tell(&c->set->setup->refusals,
			      is_quiet ? SESSION_VERBOSE : SESSION_WARNING,
			      "%s: no session: %s", label_of(c, label),
			      e->text);
	}
}

/* Close the connection, then leave the session, which ends with its last
 * stream. */
static void end_connection(struct recv_connection *c)
{
	struct recv_connection_set *set = c->set;
	const struct stream *stream = c->channel.stream;

	if (c->session) {
		atomic_fetch_add(&c->session->transfer.wire_bytes,
				 stream_wire_in(stream) +
					 stream_wire_out(stream));
		recv_session_forget_stream(c->session, c->index);
	}
	channel_release(&c->channel);
	dirs_free(c->worker.dirs);
	same_release(&c->worker.same);
	input_release(&c->input);
	io_close(&c->fd);
	if (c->session)
		sessions_leave(set->sessions, c->session, c->index);
	senders_release(c->senders);
	c->senders = NULL;
	pthread_mutex_lock(&set->lock);
	c->next = set->ended;
	set->ended = c;
	pthread_mutex_unlock(&set->lock);
	wake_signal(&set->wake);
}

static void *connection_main(void *arg)
{
	struct recv_connection *c = arg;
	struct err e;
	int rc;

	err_clear(&e);
	rc = recv_opening_begin(c, &e);
	/* While the receiver goes on, only eviction (admission.h) cancels a
	 * pending connection. */
	if (rc == ERR_INTERRUPTED && !cancel_is_set(&c->set->setup->stop))
		rc = err_set(&e, ERR_LOST, "closed to make room for others");
	if (c->pending)
		admission_leave(c->set->admission, c->pending);
	if (rc == 0)
		rc = serve_stream(c, &e);
	if (rc && c->session)
		session_failed(c, &e);
	else if (rc)
		pending_failed(c, &e);
	end_connection(c);
	return NULL;
}

/* ---- the set ---- */

struct recv_connection_set *recv_connection_set_new(struct recv_setup *setup,
						    struct admission *admission,
						    struct sessions *sessions)
{
	struct recv_connection_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->setup = setup;
	set->admission = admission;
	set->sessions = sessions;
	pthread_mutex_init(&set->lock, NULL);
	if (wake_open(&set->wake) == 0)
		return set;
	recv_connection_set_free(set);
	return NULL;
}

void recv_connection_set_free(struct recv_connection_set *set)
{
	if (!set)
		return;
	wake_close(&set->wake);
	pthread_mutex_destroy(&set->lock);
	free(set);
}

static void free_connection(struct recv_connection *c)
{
	if (c->pending)
		admission_forget(c->set->admission, c->pending);
	io_close(&c->fd);
	free(c);
}

static struct recv_connection *new_connection(struct recv_connection_set *set)
{
	struct recv_connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->set = set;
	c->fd = -1;
	c->input.channel = &c->channel;
	c->input.stop = &set->setup->stop;
	c->input.rate_limit = &set->setup->rate_limit;
	return c;
}

/* Takes over c. */
static int start_thread(struct recv_connection *c)
{
	struct err e;
	int error;

	if (thread_start(&c->thread, connection_main, c) == 0) {
		c->set->count++;
		return 0;
	}
	error = errno;
	thread_error(&e);
	if (*c->peer)
		refusals_tell(&c->set->setup->refusals, SESSION_WARNING,
			      "%s: no session: %s", c->peer, e.text);
	if (c->pending)
		admission_leave(c->set->admission, c->pending);
	free_connection(c);
	errno = error;
	return -1;
}

void recv_connection_start(struct recv_connection_set *set, int fd,
			   const char *peer,
			   const struct sockaddr_storage *sa)
{
	struct recv_connection *c = new_connection(set);

	if (!c) {
		io_close(&fd);
		return;
	}
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	c->is_direct = set->setup->cfg->carrier != NULL;
	if (recv_opening_enter(c, fd, sa))
		free_connection(c);
	else
		(void)start_thread(c);
}

static int start_connecting(struct recv_connection_set *set, int is_further)
{
	struct recv_connection *c = new_connection(set);

	if (!c)
		return -1;
	c->connects = 1;
	c->is_carried = !is_further && set->setup->cfg->carrier;
	c->is_further = is_further;
	c->is_direct = is_further && set->setup->cfg->carrier;
	return start_thread(c);
}

int recv_connection_connect(struct recv_connection_set *set, struct err *e)
{
	if (start_connecting(set, 0) == 0)
		return 0;
	return thread_error(e);
}

void recv_connection_connect_further(struct recv_connection_set *set)
{
	unsigned n;

	pthread_mutex_lock(&set->lock);
	n = set->further_wanted;
	set->further_wanted = 0;
	pthread_mutex_unlock(&set->lock);
	n += recv_direct_take_wanted(set->setup->direct);
	/* Where one cannot be started, the session has fewer streams. */
	while (n-- > 0 && start_connecting(set, 1) == 0)
		;
}

const struct wake *recv_connection_wake(const struct recv_connection_set *set)
{
	return &set->wake;
}

int recv_connection_wake_fd(const struct recv_connection_set *set)
{
	return set->wake.fd;
}

void recv_connection_clear_wake(const struct recv_connection_set *set)
{
	wake_clear(&set->wake);
}

unsigned recv_connection_reap(struct recv_connection_set *set)
{
	struct recv_connection *c;

	pthread_mutex_lock(&set->lock);
	c = set->ended;
	set->ended = NULL;
	pthread_mutex_unlock(&set->lock);
	while (c) {
		struct recv_connection *next = c->next;

		pthread_join(c->thread, NULL);
		set->count--;
		free_connection(c);
		c = next;
	}
	return set->count;
}
