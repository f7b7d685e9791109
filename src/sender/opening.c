/*
 * The beginning of a stream: connecting, HELLO or JOIN, and READY.
 */
#include "sender/opening.h"

#include <stdio.h>
#include <string.h>

#include "auth/mode.h"
#include "auth/secure.h"
#include "base/clock.h"
#include "base/io.h"
#include "fs/scan.h"
#include "net/connector.h"
#include "net/dial.h"
#include "net/stream.h"
#include "sender/direct.h"
#include "sender/growth.h"
#include "sender/progress.h"
#include "sender/queue_tasks.h"
#include "sender/ready.h"
#include "sender/replies.h"
#include "sender/send.h"
#include "sender/send_file.h"
#include "sender/session.h"
#include "sender/stream.h"
#include "session/acceptor.h"
#include "session/carrier.h"
#include "session/features.h"

enum {
	/* JOIN is sent within this time of connecting, as the receiver waits
	 * for it for 10 s. */
	JOIN_MS = 5000,
	/* How long to wait for a STATE after READY: 1/STATE_DIVISOR of the
	 * round trip, and at least 3 ms, in which the receiver can look at its
	 * disk. */
	STATE_DIVISOR = 8,
	STATE_MIN_MS = 3,
};

/* ---- callbacks of the stream's waits ---- */

static int on_input(void *ctx, struct err *e)
{
	return replies_take(ctx, e);
}

/* Whether the receiver makes progress while this side waits for it.  *is_busy:
 * the receiver waits for this side. */
static int check_progress(struct send_stream *st, int *is_busy, struct err *e)
{
	struct sender *s = st->sender;

	*is_busy = queue_is_busy(s->queue, atomic_load(&s->blocked));
	if (*is_busy)
		idle_progress(&s->idle);
	/* READY is not a matter of its disk. */
	if (st->state != STREAM_OPENING)
		idle_peer_says_busy(&s->idle, st->channel.busy_ms);
	return idle_check(&s->idle, "the receiver", e);
}

/* Whether the stream is not open yet, and not needed any more. */
static int is_unneeded(const struct send_stream *st)
{
	return st->index > 0 && st->state == STREAM_OPENING &&
	       queue_is_over(st->sender->queue);
}

static int on_tick(void *ctx, int sending, struct err *e)
{
	struct send_stream *st = ctx;
	int is_busy, rc;

	send_stream_set_blocked(st, sending);
	rc = check_progress(st, &is_busy, e);
	if (rc)
		return rc;

	/* A frame that is half sent has to be completed first, or the receiver
	 * would not find the ERROR that follows. */
	if (sending || st->is_mid_frame)
		return 0;
	if (send_stream_is_leaving(st) || is_unneeded(st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	rc = send_progress_tick(st, e);
	return rc ? rc : channel_ping_if_due(&st->channel, is_busy, e);
}

/* ---- connecting ---- */

/* Connect a socket; on the first stream, also set the peer.  Returns the
 * descriptor or an error. */
static int dial(struct send_stream *st, struct err *e)
{
	struct send_session *session = st->sender->session;
	const struct send_config *cfg = st->sender->cfg;
	const struct cancel *stop = send_session_stop(session);
	struct send_peer *peer = &st->sender->peer;
	struct connector *connector = cfg->connector;
	int fd;

	if (st->index > 0)
		return connector ? connector_further(connector, stop, e)
				 : dial_connect_peer(&peer->address, &cfg->net,
						     stop, e);
	fd = connector ? connector_first(connector, stop, peer->name, e)
		       : dial_connect(&cfg->dest, &cfg->net, stop, peer->name,
				      e);
	if (fd < 0)
		return fd;
	if (dial_get_peer(fd, &peer->address, e)) {
		io_close(&fd);
		return err_prefix(e, "%s", peer->name);
	}
	peer->rtt_us = dial_rtt_us(fd);
	send_session_set_stage(session, SESSION_CONNECTED);
	return fd;
}

/* Connect to the receiver: TCP, the code exchange, TLS. */
static struct stream *connect_peer(struct send_stream *st, struct err *e)
{
	const struct send_config *cfg = st->sender->cfg;
	const struct secure_mode mode = {
		.role = NET_CONNECTS,
		.tls = cfg->tls,
		.pake = cfg->code.pake,
	};
	const struct stream_config stream_cfg = {
		.timeout_ms = cfg->timeout_ms,
		.cancel = send_session_stop(st->sender->session),
	};
	struct stream *stream;
	int fd = dial(st, e);

	if (fd < 0)
		return NULL;
	stream = secure_open(fd, &mode, &stream_cfg, NULL, e);
	if (stream)
		return stream;
	io_close(&fd);
	err_prefix(e, "%s", st->sender->peer.name);
	return NULL;
}

/* Get a connection that the receiver has made.  The acceptor's threads make the
 * handshakes, so reading and writing is this thread's first use of OpenSSL. */
static struct stream *accept_peer(struct send_stream *st, struct err *e)
{
	struct send_session *session = st->sender->session;
	struct acceptor *acceptor = st->sender->acceptor;
	struct send_peer *peer = &st->sender->peer;
	struct accepted got;

	if (secure_prepare_thread(e))
		return NULL;
	if (st->index > 0)
		return acceptor_further(acceptor, &got, e) ? NULL : got.stream;
	if (acceptor_first(acceptor, st->sender->accept_by_ms,
			   send_session_stop(session), &got, e))
		return NULL;
	memcpy(peer->name, got.peer, sizeof(peer->name));
	peer->rtt_us = got.rtt_us;
	send_session_set_stage(session, SESSION_CONNECTED);
	return got.stream;
}

/* Get the stream that was opened by other means than a connection. */
static struct stream *open_carried(struct send_stream *st, struct err *e)
{
	const struct send_config *cfg = st->sender->cfg;
	struct send_session *session = st->sender->session;
	const struct stream_config stream_cfg = {
		.timeout_ms = cfg->timeout_ms,
		.cancel = send_session_stop(session),
	};
	struct stream *stream;

	stream = cfg->carrier->open(cfg->carrier->ctx, &stream_cfg,
				    st->sender->peer.name, e);
	if (stream)
		send_session_set_stage(session, SESSION_CONNECTED);
	return stream;
}

static int open_channel(struct send_stream *st, struct err *e)
{
	struct send_session *session = st->sender->session;
	const struct stream_hooks hooks = { on_input, on_tick, st };
	struct stream *stream;
	int has_failed;

	if (st->sender->cfg->carrier)
		stream = st->index > 0 ? send_direct_open(st->sender->direct, e)
				       : open_carried(st, e);
	else
		stream = st->sender->acceptor ? accept_peer(st, e)
					      : connect_peer(st, e);

	if (!stream)
		return e->code;
	/* The adaptive level depends on how long sending takes, and a large
	 * buffer in the kernel would hide that. */
	if (st->sender->cfg->codec.ops->id != CODEC_NONE)
		dial_limit_unsent(stream_fd(stream));
	channel_init(&st->channel, stream, 1, st->sender->cfg->timeout_ms);
	/* A session that failed before this has not aborted this stream. */
	has_failed = send_session_watch_stream(session, st->index, stream);
	stream_set_hooks(stream, &hooks);
	if (has_failed || send_session_is_cancelled(session))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	return 0;
}

/* ---- HELLO ---- */

static int send_hello(struct send_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	const struct send_config *cfg = s->cfg;
	const int is_single = !cfg->scan || (cfg->stdin_fd < 0 &&
					     scan_is_single_file(cfg->scan));
	const int is_long = s->peer.rtt_us >= DIAL_LONG_RTT_US;
	const int compresses = cfg->codec.ops->id != CODEC_NONE;
	/* A receiver that connects makes this many connections.  One that
	 * listens has to make room for the most that there may be. */
	const unsigned streams =
		cfg->carrier && s->direct ? STREAMS_MAX :
		cfg->carrier ? 1 :
		cfg->streams ? cfg->streams :
		s->acceptor  ? growth_most(is_long, compresses)
			     : STREAMS_MAX;
	struct msg_hello m = {
		.version = WIRE_VERSION,
		.digest = cfg->digest->id,
		.flags = (uint8_t)((is_single ? HELLO_SINGLE : 0) |
				   (cfg->retry_ms || s->acceptor ? HELLO_RETRY
								 : 0) |
				   (s->is_again ? HELLO_AGAIN : 0)),
		.streams = (uint16_t)streams,
		.existing = cfg->existing,
		.features = ready_features(s) | cfg->requests,
	};

	if (!s->acceptor)
		m.features &= ~(uint32_t)FEATURE_RECONNECT;

	send_session_set_stage(s->session, SESSION_GREETED);
	memcpy(m.session, s->session_id, sizeof(m.session));
	msg_put_hello(&st->channel.out, &m);
	return channel_send(&st->channel, NULL, 0, e);
}

/* The stream failed before READY, with what a peer in another security mode
 * causes: say so in the text. */
static int add_mode_hint(struct send_stream *st, struct err *e)
{

	if (e->code == ERR_CLOSED)
		e->code = ERR_LOST;
	if (e->code == ERR_PROTOCOL || e->code == ERR_LOST)
		err_append(e,
			   " (before the session began: is the other side "
			   "ferry, and in the same security mode? This side "
			   "uses %s)",
			   mode_text(st->sender->cfg->security));
	return e->code;
}

/* ERROR instead of READY.  A receiver that does not know --existing of a sender
 * takes HELLO for malformed. */
static int refused(struct send_stream *st, const uint8_t *body, size_t n,
		   struct err *e)
{
	const int rc = replies_peer_error(st, body, n, e);

	if (rc == ERR_PROTOCOL && st->index == 0 && st->sender->cfg->existing)
		err_append(e, " (an older ferry receive does not know "
			      "--existing of a sender)");
	return rc;
}

/*
 * Wait for READY, unless replies_take() has handled it already while something
 * was sent.  Meanwhile the first stream opens large files: the receiver's
 * answers then arrive together with READY, which saves a round trip.
 */
static int await_ready(struct send_stream *st, struct task *t, struct err *e)
{
	struct queue *queue = st->sender->queue;
	const char *peer = st->sender->peer.name;
	/* Nothing is sent to a receiver that may not accept what is asked
	 * for. */
	const int opens = st->index == 0 && !st->sender->cfg->requests &&
			  !st->sender->cfg->preserve;
	const int wake_fd = opens ? queue_wake_fd(queue) : -1;
	const uint8_t *body;
	struct frame f;
	int rc;

	while (st->state == STREAM_OPENING) {
		rc = channel_poll_reply(&st->channel, &f, &body, e);
		if (rc == 0 && f.type == FRAME_READY)
			return ready_take(st, body, f.len, e);
		if (rc == 0 && f.type == FRAME_ERROR)
			return refused(st, body, f.len, e);
		if (rc == 0)
			return err_set(e, ERR_PROTOCOL,
				       "%s sent a %s frame instead of "
				       "READY", peer,
				       frame_name(f.type));
		if (rc != ERR_AGAIN)
			return add_mode_hint(st, e);
		while (opens && queue_take(queue, t, 1) == QUEUE_TASK) {
			rc = send_file_open(st, t->file, e);
			queue_release_task(queue, t);
			if (rc)
				return rc;
		}
		if (st->state >= STREAM_READY)
			break;
		if (send_stream_is_leaving(st))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (stream_wait(st->channel.stream, wake_fd, -1, e) < 0)
			return add_mode_hint(st, e);
	}
	return 0;
}

/*
 * Wait for the answer to the file that was opened early, which arrives with
 * READY or shortly after.  Where the round trip is long that is worth the time:
 * a further stream, which has connected by now (except with a code), loses a
 * round trip if it has nothing to send together with JOIN.
 */
static int await_states(struct send_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	const unsigned wait_ms = s->peer.rtt_us / 1000 / STATE_DIVISOR;
	const uint64_t until =
		clock_ms() + (wait_ms > STATE_MIN_MS ? wait_ms : STATE_MIN_MS);
	int rc = replies_take(st, e);

	while (rc == 0 && s->peer.rtt_us >= DIAL_LONG_RTT_US &&
	       s->cfg->streams != 1 && !s->cfg->code.pake &&
	       queue_awaits_state(s->queue)) {
		int left = clock_left_ms(until);

		if (left <= 0)
			break;
		rc = stream_wait(st->channel.stream, -1, left, e);
		if (rc >= 0)
			rc = replies_take(st, e);
	}
	return rc;
}

int opening_first(struct send_stream *st, struct task *t, struct err *e)
{
	int rc = open_channel(st, e);

	if (rc == 0)
		rc = send_hello(st, e);
	if (rc == 0)
		rc = await_ready(st, t, e);
	if (rc == 0 && (st->features & FEATURE_TIMEOUT)) {
		channel_put_timeout(&st->channel);
		rc = channel_send(&st->channel, NULL, 0, e);
	}
	/* replies_take() in it also handles frames that were read together with
	 * READY: poll(2) would not report those. */
	if (rc == 0)
		rc = await_states(st, e);
	if (st->state >= STREAM_READY)
		send_session_set_stage(st->sender->session, SESSION_READY);
	return rc;
}

/* ---- further streams ---- */

/*
 * Send JOIN, and together with it a range of a file, if there is one: not to
 * wait for READY saves a round trip.  Where READY does not arrive, the range is
 * not known to have arrived, and another stream sends it.
 */
static int join(struct send_stream *st, struct task *t, struct err *e)
{
	struct sender *s = st->sender;
	struct msg_join m = { .version = WIRE_VERSION,
			      .index = (uint16_t)st->index };
	int rc;

	memcpy(m.token, s->peer.ready.token, sizeof(m.token));
	msg_put_join(&st->channel.out, &m);
	if (st->features & FEATURE_TIMEOUT)
		channel_put_timeout(&st->channel);
	rc = channel_send(&st->channel, NULL, 0, e);
	if (rc)
		return rc;
	if (!queue_take_range(s->queue, t)) {
		rc = await_ready(st, t, e);
		return rc ? rc : replies_take(st, e);
	}
	send_stream_begin_task(st);
	rc = send_file_range(st, t->file, t->leaf, t->count, e);
	if (rc == 0)
		rc = await_ready(st, t, e);
	if (rc && st->state == STREAM_OPENING) {
		atomic_fetch_sub(&s->count.sent, st->early_bytes);
		/* Where no other stream can send the range, the session cannot
		 * go on: STREAM_READY makes connection.c report that. */
		if (queue_return_range(s->queue, t) || st->has_aborted)
			st->state = STREAM_READY;
		return rc;
	}
	if (rc == 0)
		rc = send_file_end(st, t->file, e);
	queue_release_task(s->queue, t);
	if (rc)
		return rc;
	send_stream_end_task(st);
	return replies_take(st, e);
}

int opening_further(struct send_stream *st, struct task *t, struct err *e)
{
	for (;;) {
		int rc = open_channel(st, e);
		const uint64_t connected_ms = clock_ms();
		const struct msg_ready *ready = &st->sender->peer.ready;

		if (rc)
			return rc;
		if (send_session_await_ready(st->sender->session) ||
		    is_unneeded(st))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (st->index >= ready->streams)
			return err_set(e, ERR_CLOSED,
				       "the receiver allows only %u",
				       ready->streams);
		/* Otherwise the receiver may have closed the connection. */
		if (clock_ms() - connected_ms < JOIN_MS) {
			rc = ready_adopt(st, e);
			return rc ? rc : join(st, t, e);
		}
		opening_close(st);
	}
}

void opening_close(struct send_stream *st)
{
	send_session_watch_stream(st->sender->session, st->index, NULL);
	if (st->channel.stream)
		send_stream_set_blocked(st, 0);
	channel_release(&st->channel);
}
