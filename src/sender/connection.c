/*
 * A stream's thread: connect, say hello, then take tasks until there are
 * none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/tls_conn.h"
#include "base/clock.h"
#include "base/io.h"
#include "sender/sender.h"
#include "wire/msg.h"

enum {
	GOODBYE_MS = 3000, /* for the end that both sides confirm */
	/* JOIN has to arrive within 10 s of the connection. */
	JOIN_MS = 5000,
	PACE_SLICE_MS = 100, /* so soon a signal is noticed */
	/* How long a STATE is awaited behind READY: that part of a round trip,
	 * which is milliseconds for the receiver, or as many at least. */
	STATE_PART = 8,
	STATE_MIN_MS = 3,
};

static int on_input(void *ctx, struct err *e)
{
	return sender_take_replies(ctx, e);
}

static int on_tick(void *ctx, int sending, struct err *e)
{
	struct sender_stream *st = ctx;

	/* What is half sent is finished. */
	if (!sending && sender_is_leaving(st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	return sending ? 0 : channel_ping_if_due(&st->channel, e);
}

static int alloc_buffers(struct sender_stream *st, struct err *e)
{
	const struct codec_choice *choice = &st->sender->cfg->codec;

	buf_init(&st->table, CHUNK_MAX);
	st->raw = malloc(RAW_CAP);
	if (choice->ops->id != CODEC_NONE) {
		st->packed_cap = choice->ops->bound(CHUNK_MAX);
		st->packed = malloc(st->packed_cap);
		st->codec = codec_new(choice);
		if (!st->packed || !st->codec)
			return err_set(e, ERR_RESOURCE, "out of memory");
	}
	return st->raw ? 0 : err_set(e, ERR_RESOURCE, "out of memory");
}

static int dial(struct sender_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	const struct send_config *cfg = s->cfg;
	char peer[ADDR_TEXT_MAX] = "";
	struct dial_peer to;
	int fd;

	if (st->index > 0)
		return dial_again(&s->to, &cfg->net, &s->stop, e);
	fd = dial_connect(&cfg->dest, &cfg->net, &s->stop, peer, e);
	if (fd < 0)
		return fd;
	if (dial_peer(fd, &to, e)) {
		io_close(&fd);
		return err_prefix(e, "%s", peer);
	}
	pthread_mutex_lock(&s->lock);
	snprintf(s->peer, sizeof(s->peer), "%s", peer);
	s->to = to;
	s->rtt_us = dial_rtt_us(fd);
	s->is_connected = 1;
	pthread_mutex_unlock(&s->lock);
	sender_wake(s);
	return fd;
}

/* In code mode, and while there is no key yet. */
static int exchange_code(struct sender_stream *st, int fd, struct err *e)
{
	struct sender *s = st->sender;
	const struct send_config *cfg = s->cfg;
	const struct pake_conn conn = {
		.fd = fd,
		.cancel = &s->stop,
		.deadline_ms = clock_ms() + (uint64_t)cfg->timeout_ms,
	};

	if (!cfg->pake || pake_connect(cfg->pake, cfg->tls, &conn, e) == 0)
		return 0;
	return err_prefix(e, "%s", s->peer);
}

/* From here on (fd not -1) or up to here, sender_fail() can end the wait. */
static void let_abort(struct sender_stream *st, int fd)
{
	struct sender *s = st->sender;

	pthread_mutex_lock(&s->lock);
	if (st->is_dialling)
		io_close(&st->dial_fd);
	st->is_dialling = 0;
	if (fd >= 0) {
		st->dial_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		st->is_dialling = st->dial_fd >= 0;
		if (s->has_failed)
			(void)shutdown(fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&s->lock);
}

static int connect_stream(struct sender_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	const struct stream_hooks hooks = { on_input, on_tick, st };
	const struct stream_config cfg = { .timeout_ms = s->cfg->timeout_ms };
	struct stream *stream;
	int fd = dial(st, e), failed;

	if (fd < 0)
		return fd;
	/* The compressor may be steered by how long sending takes. */
	if (st->codec)
		dial_limit_unsent(fd);
	let_abort(st, fd);
	if (exchange_code(st, fd, e)) {
		let_abort(st, -1);
		io_close(&fd);
		return e->code;
	}
	stream = tls_conn_open(fd, s->cfg->tls, &cfg, e);
	let_abort(st, -1);
	if (!stream) {
		err_prefix(e, "%s", s->peer);
		return e->code;
	}
	pthread_mutex_lock(&s->lock);
	channel_init(&st->channel, stream, 1, s->cfg->timeout_ms);
	failed = s->has_failed;
	pthread_mutex_unlock(&s->lock);
	stream_set_hooks(stream, &hooks);
	if (failed || sender_is_cancelled(s))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	return 0;
}

static int send_hello(struct sender_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	const struct send_config *cfg = s->cfg;
	int single = cfg->scan ? cfg->stdin_fd < 0 &&
					 scan_is_single_file(cfg->scan) :
				 1;
	struct msg_hello m = {
		.version = WIRE_VERSION,
		.digest = cfg->digest->id,
		.flags = (uint8_t)((single ? HELLO_SINGLE : 0) |
				   (cfg->retry_ms ? HELLO_RETRY : 0)),
		.streams = (uint16_t)(cfg->streams ? cfg->streams :
						     STREAMS_MAX),
	};

	pthread_mutex_lock(&s->lock);
	s->is_known = 1;
	pthread_mutex_unlock(&s->lock);
	memcpy(m.session, s->session_id, sizeof(m.session));
	msg_put_hello(&st->channel.out, &m);
	return channel_send(&st->channel, NULL, 0, e);
}

static int send_join(struct sender_stream *st, struct err *e)
{
	struct msg_join m = { .version = WIRE_VERSION,
			      .index = (uint16_t)st->index };

	memcpy(m.token, st->sender->ready.token, sizeof(m.token));
	msg_put_join(&st->channel.out, &m);
	return channel_send(&st->channel, NULL, 0, e);
}

/* The first large files can be opened before the receiver is ready: its
 * answers then come together, and save a round trip. */
static int open_early(struct sender_stream *st, struct task *t, struct err *e)
{
	int rc = 0;

	while (rc == 0 && queue_take(st->sender->queue, t, 1) == QUEUE_TASK)
		rc = sender_do_task(st, t, e);
	return rc;
}

int sender_take_ready(struct sender_stream *st, const uint8_t *body, size_t n,
		      struct err *e)
{
	struct sender *s = st->sender;
	const struct session_events *ev = s->cfg->events;
	struct msg_ready m;

	if (msg_get_ready(&m, body, n))
		return err_set(e, ERR_PROTOCOL,
			       "%s sent a malformed READY frame", s->peer);
	if (m.version != WIRE_VERSION)
		return err_set(e, ERR_PROTOCOL,
			       "%s speaks protocol version %u, we speak %d: "
			       "use the same release of ferry on both sides",
			       s->peer, m.version, WIRE_VERSION);
	st->is_ready = 1;
	if (st->index > 0)
		return 0;
	pthread_mutex_lock(&s->lock);
	s->ready = m;
	pthread_mutex_unlock(&s->lock);
	queue_set_open_limit(s->queue, m.open_files);
	if (ev->session)
		ev->session(ev->ctx, 1, s->peer,
			    security_name(s->cfg->security));
	return 0;
}

/* Nothing sensible came before READY. */
static int mode_hint(struct sender_stream *st, struct err *e)
{
	size_t used = strlen(e->text);

	if (e->code == ERR_CLOSED)
		e->code = ERR_LOST;
	if (e->code == ERR_PROTOCOL || e->code == ERR_LOST)
		snprintf(e->text + used, sizeof(e->text) - used,
			 " (before the session began: do both sides use the "
			 "same mode? this side uses %s)",
			 security_name(st->sender->cfg->security));
	return e->code;
}

/* Wait for READY, opening files meanwhile; it may have come already. */
static int await_ready(struct sender_stream *st, struct task *t,
		       struct err *e)
{
	const uint8_t *body;
	struct frame f;
	int rc;

	for (;;) {
		if (st->is_ready)
			return 0;
		rc = channel_poll_reply(&st->channel, &f, &body, e);
		if (rc == 0)
			break;
		if (rc != ERR_AGAIN)
			return mode_hint(st, e);
		if (st->index == 0) {
			rc = open_early(st, t, e);
			if (rc)
				return rc;
		}
		if (sender_is_leaving(st))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		rc = stream_wait(st->channel.stream,
				 st->index == 0 ?
					 queue_wake_fd(st->sender->queue) :
					 -1,
				 -1, e);
		if (rc < 0)
			return mode_hint(st, e);
	}
	if (f.type == FRAME_ERROR)
		return sender_peer_error(st, body, f.len, e);
	if (f.type != FRAME_READY)
		return err_set(e, ERR_PROTOCOL, "%s sent %s instead of READY",
			       st->sender->peer, frame_name(f.type));
	return sender_take_ready(st, body, f.len, e);
}

/*
 * The answer to the file that was opened early comes with READY, or a moment
 * behind it.  On a long line it is worth that moment: a further stream, which
 * is connected by now (but not in code mode), begins a round trip later where
 * it finds nothing to send behind JOIN.
 */
static int take_states(struct sender_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	unsigned wait_ms = s->rtt_us / 1000 / STATE_PART;
	uint64_t until = clock_ms() +
			 (wait_ms > STATE_MIN_MS ? wait_ms : STATE_MIN_MS);
	int rc = sender_take_replies(st, e);

	while (rc == 0 && st->index == 0 && s->rtt_us >= DIAL_LONG_US &&
	       s->cfg->streams != 1 && !s->cfg->pake &&
	       queue_awaits_state(s->queue)) {
		int left = clock_left_ms(until);

		if (left <= 0)
			break;
		rc = stream_wait(st->channel.stream, -1, left, e);
		if (rc >= 0)
			rc = sender_take_replies(st, e);
	}
	return rc;
}

/* The first stream is ready, and what came with READY was taken: there is
 * something for others to do. */
static void let_join(struct sender *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_ready = 1;
	pthread_cond_broadcast(&s->begun);
	pthread_mutex_unlock(&s->lock);
	sender_wake(s);
}

/* A further stream may be connected before there is a session to join. */
static int await_session(struct sender_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	unsigned allowed = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->is_ready && !s->has_failed)
		pthread_cond_wait(&s->begun, &s->lock);
	if (!s->has_failed)
		allowed = s->ready.streams;
	pthread_mutex_unlock(&s->lock);
	if (allowed == 0)
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	if (st->index >= allowed)
		return err_set(e, ERR_CLOSED, "only %u are allowed", allowed);
	return 0;
}

/* A task that fails was not sent whole: end_task() is not for it. */
static void begin_task(struct sender_stream *st)
{
	atomic_fetch_add(&st->sender->at_task, 1);
	st->is_at_task = 1;
}

static void end_task(struct sender_stream *st)
{
	st->is_at_task = 0;
	atomic_fetch_sub(&st->sender->at_task, 1);
}

/* What was sent behind JOIN may not have arrived.  Where the others cannot make
 * up for it, the session is not whole without this stream. */
static void take_back(struct sender_stream *st, const struct task *t)
{
	struct sender *s = st->sender;

	atomic_fetch_sub(&s->bytes, st->early_bytes);
	if (queue_return_range(s->queue, t) || st->has_aborted)
		st->is_ready = 1;
}

/*
 * A further stream need not wait for READY: what it sends behind JOIN counts
 * when that has come.  Without it the range is left to the others.
 */
static int join(struct sender_stream *st, struct task *t, struct err *e)
{
	struct queue *queue = st->sender->queue;
	int rc = send_join(st, e);

	if (rc)
		return rc;
	if (!queue_take_range(queue, t))
		return await_ready(st, t, e);
	begin_task(st);
	rc = sender_send_range(st, t, e);
	if (rc == 0)
		rc = await_ready(st, t, e);
	if (rc == 0)
		rc = sender_end_range(st, t, e);
	else if (st->is_ready)
		queue_release_task(queue, t);
	else
		take_back(st, t);
	if (rc == 0)
		end_task(st);
	return rc;
}

/* A further stream is connected, and there is a session to join.  The receiver
 * does not wait long for JOIN: where there was none for a while, the connection
 * is made anew. */
static int connect_further(struct sender_stream *st, struct err *e)
{
	struct sender *s = st->sender;

	for (;;) {
		uint64_t began_ms;
		int rc = connect_stream(st, e);

		began_ms = clock_ms();
		if (rc == 0)
			rc = await_session(st, e);
		if (rc || clock_ms() - began_ms < JOIN_MS)
			return rc;
		pthread_mutex_lock(&s->lock);
		channel_release(&st->channel);
		pthread_mutex_unlock(&s->lock);
	}
}

static int begin(struct sender_stream *st, struct task *t, struct err *e)
{
	int rc = alloc_buffers(st, e);

	if (rc == 0)
		rc = st->index > 0 ? connect_further(st, e) :
				     connect_stream(st, e);
	if (rc)
		return rc;
	if (st->index > 0)
		rc = join(st, t, e);
	else
		rc = send_hello(st, e) ? e->code : await_ready(st, t, e);
	/* No wait for the socket would tell of what was read already. */
	if (rc == 0)
		rc = take_states(st, e);
	if (st->index == 0 && st->is_ready)
		let_join(st->sender);
	return rc;
}

int sender_stream_pace(struct sender_stream *st, uint64_t bytes,
		       struct err *e)
{
	unsigned ms = rate_limit_take(&st->sender->rate_limit, bytes);
	uint64_t until;

	if (ms == 0)
		return 0;
	until = clock_ms() + ms;
	while (clock_left_ms(until) > 0 && !sender_is_leaving(st)) {
		int left = clock_left_ms(until);
		int rc = stream_wait(st->channel.stream, -1,
				     left < PACE_SLICE_MS ? left :
							    PACE_SLICE_MS, e);

		if (rc > 0)
			rc = sender_take_replies(st, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Nothing to take: wait for the scan or for replies. */
static int wait_for_work(struct sender_stream *st, struct err *e)
{
	struct queue *queue = st->sender->queue;
	int rc;

	if (!st->is_flushed && queue_is_drained(queue)) {
		msg_put_flush(&st->channel.out);
		rc = channel_send(&st->channel, NULL, 0, e);
		if (rc)
			return rc;
		st->is_flushed = 1;
	}
	rc = stream_wait(st->channel.stream, queue_wake_fd(queue), -1, e);
	if (rc < 0)
		return rc;
	return sender_take_replies(st, e);
}

static int do_task(struct sender_stream *st, struct task *t, struct err *e)
{
	int rc;

	begin_task(st);
	rc = sender_do_task(st, t, e);
	if (rc == 0)
		end_task(st);
	return rc;
}

static int work(struct sender_stream *st, struct task *t, struct err *e)
{
	for (;;) {
		enum queue_next next = sender_is_leaving(st) ?
					      QUEUE_CLOSED :
					      queue_take(st->sender->queue, t,
							0);
		int rc = 0;

		if (next == QUEUE_DONE)
			return 0;
		if (next == QUEUE_CLOSED)
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (next == QUEUE_WAIT)
			rc = wait_for_work(st, e);
		else
			rc = do_task(st, t, e);
		if (rc == 0 && next == QUEUE_TASK)
			rc = sender_take_replies(st, e);
		if (rc)
			return rc;
	}
}

static int has_summary(struct sender *s)
{
	int has;

	pthread_mutex_lock(&s->lock);
	has = s->has_summary;
	pthread_mutex_unlock(&s->lock);
	return has;
}

static int check_summary(struct sender *s, struct err *e)
{
	uint64_t good;
	int same;

	pthread_mutex_lock(&s->lock);
	good = s->totals.committed + s->totals.unchanged;
	same = s->summary.files == good &&
	       s->summary.bytes == s->totals.bytes &&
	       s->summary.notes == s->notes &&
	       memcmp(s->summary.sum, s->totals.sum, WIRE_SUM) == 0;
	pthread_mutex_unlock(&s->lock);
	if (!queue_is_over(s->queue))
		return err_set(e, ERR_PROTOCOL,
			       "%s summed up without a verdict on every file",
			       s->peer);
	if (!same)
		return err_set(e, ERR_CORRUPT,
			       "%s's summary differs from what was sent",
			       s->peer);
	return 0;
}

/* The first stream: exchange the last words. */
static int finish(struct sender_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	struct msg_finish m;
	int rc;

	pthread_mutex_lock(&s->lock);
	m.files = s->totals.committed + s->totals.unchanged;
	m.bytes = s->totals.bytes;
	memcpy(m.sum, s->totals.sum, sizeof(m.sum));
	pthread_mutex_unlock(&s->lock);
	st->awaits_summary = 1;
	msg_put_finish(&st->channel.out, &m);
	rc = channel_send(&st->channel, NULL, 0, e);
	while (rc == 0 && !has_summary(s)) {
		rc = stream_wait(st->channel.stream, -1, -1, e);
		rc = rc < 0 ? rc : sender_take_replies(st, e);
		/* The end may come right behind the summary. */
		if (rc == ERR_CLOSED && has_summary(s))
			rc = 0;
	}
	return rc ? rc : check_summary(s, e);
}

static int end_stream(struct sender_stream *st, struct err *e)
{
	struct err ignored;
	int rc = 0;

	if (st->index == 0) {
		rc = finish(st, e);
	} else {
		msg_put_stream_end(&st->channel.out);
		(void)channel_send(&st->channel, NULL, 0, &ignored);
	}
	/* All is said; an end that is not clean changes nothing. */
	if (rc == 0)
		(void)stream_close(st->channel.stream, GOODBYE_MS, &ignored);
	return rc;
}

static int has_failed(struct sender *s)
{
	int has;

	pthread_mutex_lock(&s->lock);
	has = s->has_failed;
	pthread_mutex_unlock(&s->lock);
	return has;
}

/* The user stopped it: say so, that the receiver does not wait for us. */
static void take_leave(struct sender_stream *st)
{
	struct err ignored;

	channel_send_error(&st->channel, WERR_INTERRUPTED,
			err_name(ERR_INTERRUPTED));
	(void)stream_close(st->channel.stream, SENDER_FAREWELL_MS, &ignored);
}

/* The stream ended badly: what does that mean for the session? */
static void stream_failed(struct sender_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	int lost = err_is_lost(e->code);

	if (st->index > 0 && !st->is_ready) {
		/* One stream fewer; the others do the work. */
		if (e->code != ERR_INTERRUPTED)
			sender_message(s, SESSION_VERBOSE,
				       "a further connection to %s failed: %s",
				       s->peer, e->text);
		return;
	}
	if (lost && has_failed(s))
		/* It was aborted; who did that has said why. */
		e->code = ERR_CLOSED;
	else if (lost && st->is_ready && atomic_load(&s->at_task) == 0 &&
		 queue_is_drained(s->queue) &&
	    sender_is_scanned(s))
		e->code = ERR_UNCONFIRMED;
	else if (e->code == ERR_CLOSED)
		e->code = ERR_LOST;
	/* Before, connect_stream() has named the peer. */
	if (lost && st->is_ready && e->code != ERR_CLOSED)
		err_prefix(e, "%s%s", s->peer,
			   e->code == ERR_UNCONFIRMED ?
				   ": everything was sent, but the commit of "
				   "some files was not confirmed" :
				   "");
	sender_fail(s, e);
}

static void release(struct sender_stream *st)
{
	struct sender *s = st->sender;

	if (st->channel.stream) {
		uint64_t wire = stream_wire_in(st->channel.stream) +
				stream_wire_out(st->channel.stream);

		atomic_fetch_add(&s->wire_bytes, wire);
	}
	pthread_mutex_lock(&s->lock);
	channel_release(&st->channel);
	pthread_mutex_unlock(&s->lock);
	dirs_free(st->dirs);
	codec_free(st->codec);
	free(st->raw);
	free(st->packed);
	buf_release(&st->table);
}

void *sender_stream_main(void *arg)
{
	struct sender_stream *st = arg;
	struct sender *s = st->sender;
	struct task t = { .is_waiting = 0 };
	struct err e;
	int rc;

	err_clear(&e);
	rc = begin(st, &t, &e);
	if (rc == 0)
		rc = work(st, &t, &e);
	if (rc == 0)
		rc = end_stream(st, &e);
	if (rc == ERR_INTERRUPTED && sender_is_leaving(st) && s->is_known)
		take_leave(st);
	if (rc)
		stream_failed(st, &e);
	release(st);
	if (st->is_at_task)
		end_task(st);
	pthread_mutex_lock(&s->lock);
	s->alive--;
	pthread_mutex_unlock(&s->lock);
	sender_wake(s);
	return NULL;
}
