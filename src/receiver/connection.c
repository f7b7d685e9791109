/*
 * A connection's thread: authenticate, find the session, then take frames
 * until the sender has said all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/tls_conn.h"
#include "base/clock.h"
#include "base/io.h"
#include "receiver/receiver.h"
#include "wire/msg.h"

enum {
	GOODBYE_MS = 3000,
	PACE_SLICE_MS = 100,
	SKIP_BLOCK = CHUNK_MAX,
};

/* Until when it may go on, whatever comes meanwhile; 0: for ever. */
static uint64_t deadline_ms(const struct rstream *st)
{
	if (!st->session)
		return st->deadline_ms;
	/* The first one waits for the committer, which takes its time. */
	return st->index == 0 ? 0 : atomic_load(&st->session->end_by_ms);
}

static int on_tick(void *ctx, int sending, struct err *e)
{
	struct rstream *st = ctx;
	const uint64_t by_ms = deadline_ms(st);

	if (atomic_load(&st->receiver->is_stopping))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	/* Who ended it has said why. */
	if (st->session && atomic_load(&st->session->is_over))
		return err_set(e, ERR_CLOSED, "the session is over");
	if (by_ms && clock_left_ms(by_ms) == 0)
		return err_set(e, ERR_TIMEOUT, "the sender took too long");
	/* A stranger gets nothing from us. */
	return sending || !st->session ? 0 : channel_ping_if_due(&st->channel, e);
}

int rstream_pace(struct rstream *st, uint64_t bytes, struct err *e)
{
	unsigned ms = rate_limit_take(&st->receiver->rate_limit, bytes);

	while (ms > 0) {
		unsigned slice = ms < PACE_SLICE_MS ? ms : PACE_SLICE_MS;
		struct timespec ts = { .tv_nsec = slice * 1000000L };
		int rc = on_tick(st, 0, e);

		if (rc)
			return rc;
		nanosleep(&ts, NULL);
		ms -= slice;
	}
	return 0;
}

int rstream_skip(struct rstream *st, size_t n, struct err *e)
{
	while (n > 0) {
		size_t part = n < SKIP_BLOCK ? n : SKIP_BLOCK;
		int rc = channel_recv(&st->channel, st->wire, part, e);

		if (rc)
			return rc;
		n -= part;
	}
	return 0;
}

int rstream_ask_again(struct rstream *st, const char *what,
		      const struct msg_resend *m, uint64_t bytes,
		      struct err *e)
{
	struct rsession *s = st->session;

	if (atomic_fetch_add(&s->resends, 1) >= RESENDS_MAX)
		return err_set(e, ERR_CORRUPT,
			       "too much arrived damaged: %d times",
			       RESENDS_MAX);
	atomic_fetch_add(&s->resent_bytes, bytes);
	receiver_message(st->receiver, SESSION_WARNING,
			 "%s from %s arrived damaged; asking again", what,
			 s->peer);
	msg_put_resend(&st->channel.out, m);
	return channel_send(&st->channel, NULL, 0, e);
}

/* ---- before the session ---- */

static int alloc_buffers(struct rstream *st, struct err *e)
{
	struct receiver *r = st->receiver;

	st->wire = malloc(CHUNK_MAX);
	st->raw = malloc(CHUNK_MAX);
	st->expander = expander_new();
	if (r->root_fd >= 0)
		st->dirs = dirs_new(r->root_fd, DIRS_CREATE, NULL, NULL);
	if (st->dirs) {
		dirs_set_mode(st->dirs, 0777 & ~r->umask);
		dirs_set_since(st->dirs, &st->session->began);
	}
	if (!st->wire || !st->raw || !st->expander ||
	    (r->root_fd >= 0 && !st->dirs))
		return err_set(e, ERR_RESOURCE, "out of memory");
	return 0;
}

static int open_link(struct rstream *st, struct err *e)
{
	struct receiver *r = st->receiver;
	const struct stream_hooks hooks = { NULL, on_tick, st };
	const struct pake_conn conn = { .fd = st->fd,
					.deadline_ms = st->deadline_ms };
	const struct stream_config cfg = { .timeout_ms = r->cfg->timeout_ms,
					   .deadline_ms = st->deadline_ms };
	struct stream *stream;

	if (r->cfg->pake && pake_listen(r->cfg->pake, r->cfg->tls, &conn,
					&st->spent_code, e))
		return e->code;
	st->fd = -1;
	stream = tls_conn_open(conn.fd, r->cfg->tls, &cfg, e);
	if (!stream)
		return e->code;
	stream_set_hooks(stream, &hooks);
	stream_set_deadline(stream, st->deadline_ms);
	pthread_mutex_lock(&r->lock);
	channel_init(&st->channel, stream, 0, r->cfg->timeout_ms);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static int wait_header(struct rstream *st, struct frame *f, struct err *e)
{
	for (;;) {
		int rc = channel_poll_header(&st->channel, f, e);

		if (rc != ERR_AGAIN)
			return rc;
		rc = stream_wait(st->channel.stream, -1, -1, e);
		if (rc < 0)
			return rc;
	}
}

static int send_ready(struct rstream *st, struct err *e)
{
	struct receiver *r = st->receiver;
	struct msg_ready m = {
		.version = WIRE_VERSION,
		.streams = r->cfg->to_stdout ? 1 : STREAMS_MAX,
		.open_files = r->open_files,
	};
	int rc;

	memcpy(m.token, st->session->token, sizeof(m.token));
	msg_put_ready(&st->channel.out, &m);
	rc = channel_send(&st->channel, NULL, 0, e);
	return rc ? rc : stream_flush(st->channel.stream, e);
}

static int refuse(struct rstream *st, enum wire_error code, int err_code,
		  const char *text, struct err *e)
{
	channel_send_error(&st->channel, code, text);
	return err_set(e, err_code, "%s", text);
}

static int check_version(struct rstream *st, unsigned version, struct err *e)
{
	char text[128];

	if (version == WIRE_VERSION)
		return 0;
	snprintf(text, sizeof(text),
		 "protocol version %u is not spoken here, only %d: use the "
		 "same release of ferry on both sides",
		 version, WIRE_VERSION);
	return refuse(st, WERR_VERSION, ERR_PROTOCOL, text, e);
}

static int take_hello(struct rstream *st, const uint8_t *body, size_t len,
		      struct err *e)
{
	struct receiver *r = st->receiver;
	const struct session_events *ev = r->cfg->events;
	const struct digest_ops *digest;
	struct msg_hello m;
	int rc;

	if (msg_get_hello(&m, body, len))
		return refuse(st, WERR_PROTOCOL, ERR_PROTOCOL,
			      "this is not ferry's protocol", e);
	rc = check_version(st, m.version, e);
	if (rc)
		return rc;
	digest = digest_by_id(m.digest);
	if (!digest)
		return refuse(st, WERR_PROTOCOL, ERR_PROTOCOL,
			      "unknown checksum", e);
	if (r->cfg->to_stdout && !(m.flags & HELLO_SINGLE))
		return refuse(st, WERR_REFUSED, ERR_LOCAL,
			      "this receiver takes a single file (--stdout)",
			      e);
	if (!rsession_new(st, &m, digest, e)) {
		channel_send_error(&st->channel, WERR_BUSY, e->text);
		return e->code;
	}
	if (ev->session)
		ev->session(ev->ctx, st->session->number, st->peer,
			    security_name(r->cfg->security));
	return 0;
}

static int take_join(struct rstream *st, const uint8_t *body, size_t len,
		     struct err *e)
{
	struct msg_join m;
	int rc;

	if (msg_get_join(&m, body, len))
		return refuse(st, WERR_PROTOCOL, ERR_PROTOCOL,
			      "this is not ferry's protocol", e);
	rc = check_version(st, m.version, e);
	if (rc)
		return rc;
	if (rsession_join(st, m.token, m.index))
		return 0;
	return refuse(st, WERR_TOKEN, ERR_PROTOCOL, "no such session", e);
}

/* From the first byte to READY, within the deadline. */
static int begin(struct rstream *st, struct err *e)
{
	uint8_t body[128];
	struct frame f;
	int rc = open_link(st, e);

	if (rc == 0)
		rc = wait_header(st, &f, e);
	if (rc == ERR_PROTOCOL)
		return refuse(st, WERR_PROTOCOL, ERR_PROTOCOL,
			      "this is not ferry's protocol (do both sides "
			      "use the same mode?)",
			      e);
	if (rc)
		return rc;
	if (f.len > sizeof(body) ||
	    (f.type != FRAME_HELLO && f.type != FRAME_JOIN))
		return refuse(st, WERR_PROTOCOL, ERR_PROTOCOL,
			      "a session begins with HELLO", e);
	rc = channel_recv_fields(&st->channel, body, f.len, e);
	if (rc)
		return rc;
	rc = f.type == FRAME_HELLO ? take_hello(st, body, f.len, e) :
				     take_join(st, body, f.len, e);
	if (rc == 0)
		rc = alloc_buffers(st, e);
	if (rc)
		return rc;
	stream_set_deadline(st->channel.stream, 0);
	return send_ready(st, e);
}

/* ---- the session's frames ---- */

/* Locked.  Frames that are missing are the end of the session. */
static void take_frames(struct outbox *o, struct buf *out)
{
	atomic_store(&o->is_due, 0);
	buf_put(out, o->frames.data, o->frames.len);
	out->failed |= o->frames.failed;
	buf_reset(&o->frames);
}

/* Send what other threads left for this stream, or for whichever comes
 * first. */
static int send_outbox(struct rstream *st, struct err *e)
{
	struct rsession *s = st->session;
	struct buf *out = &st->channel.out;
	int is_first = st->index == 0, rc;
	int any = atomic_load(&s->any.is_due) &&
		  (is_first || !atomic_load(&s->end_by_ms));

	if (!any && !(is_first && atomic_load(&s->first.is_due)))
		return 0;
	pthread_mutex_lock(&s->lock);
	if (any)
		take_frames(&s->any, out);
	if (is_first)
		take_frames(&s->first, out);
	pthread_mutex_unlock(&s->lock);
	rc = channel_send(&st->channel, NULL, 0, e);
	return rc ? rc : stream_flush(st->channel.stream, e);
}

static int check_finish(struct rsession *s, const struct msg_finish *m,
			struct err *e)
{
	int same, open;

	pthread_mutex_lock(&s->lock);
	same = m->files == s->totals.committed + s->totals.unchanged &&
	       m->bytes == s->totals.bytes &&
	       memcmp(m->sum, s->totals.sum, WIRE_SUM) == 0;
	open = s->open_count > 0;
	pthread_mutex_unlock(&s->lock);
	if (open || committer_pending(s->committer) > 0)
		return err_set(e, ERR_PROTOCOL,
			       "the sender finished too early");
	if (!same)
		return err_set(e, ERR_CORRUPT,
			       "the sender's sum differs from what arrived");
	return 0;
}

static int take_finish(struct rstream *st, size_t len, struct err *e)
{
	uint8_t body[64];
	struct msg_finish m;
	int rc;

	if (st->index != 0 || st->wait_finish || len > sizeof(body))
		return err_set(e, ERR_PROTOCOL, "FINISH out of turn");
	rc = channel_recv_fields(&st->channel, body, len, e);
	if (rc == 0 && msg_get_finish(&m, body, len))
		rc = err_set(e, ERR_PROTOCOL, "a malformed FINISH frame");
	if (rc == 0)
		rc = check_finish(st->session, &m, e);
	if (rc == 0) {
		atomic_store(&st->session->end_by_ms,
			     clock_ms() + (uint64_t)st->receiver->cfg->timeout_ms);
		rsession_ask_finish(st->session);
		st->wait_finish = 1;
	}
	return rc;
}

static int take_peer_error(struct rstream *st, size_t len, struct err *e)
{
	uint8_t body[WIRE_TEXT_MAX + 16];
	int rc = 0;

	if (len > sizeof(body))
		return err_set(e, ERR_PROTOCOL, "a malformed ERROR frame");
	rc = channel_recv_fields(&st->channel, body, len, e);
	if (rc)
		return rc;
	pthread_mutex_lock(&st->session->lock);
	st->session->will_retry = 0;
	pthread_mutex_unlock(&st->session->lock);
	return channel_peer_error(body, len, e);
}

static int take_frame(struct rstream *st, const struct frame *f, int *over,
		      struct err *e)
{
	/* The committer has the session's lists to itself. */
	if (st->wait_finish && f->type != FRAME_ERROR)
		return err_set(e, ERR_PROTOCOL, "the sender sent %s behind "
			       "FINISH", frame_name(f->type));
	switch ((enum frame_type)f->type) {
	case FRAME_OPEN:
		return rfile_open(st, f->len, e);
	case FRAME_CHUNK:
		return rfile_chunk(st, f->len, e);
	case FRAME_HOLE:
		return rfile_hole(st, f->len, e);
	case FRAME_FILE_END:
		return rfile_end(st, f->len, e);
	case FRAME_FILE_ABORT:
		return rfile_abort(st, f->len, e);
	case FRAME_PACK:
		return rpack_take(st, f->len, 0, e);
	case FRAME_OFFER:
		return rpack_take(st, f->len, 1, e);
	case FRAME_FLUSH:
		committer_flush(st->session->committer);
		return 0;
	case FRAME_FINISH:
		return take_finish(st, f->len, e);
	case FRAME_STREAM_END:
		*over = st->index != 0;
		return *over ? 0 :
			       err_set(e, ERR_PROTOCOL,
				       "STREAM_END on the first stream");
	case FRAME_ERROR:
		return take_peer_error(st, f->len, e);
	case FRAME_CHECK:
		return rfile_check(st, f->len, e);
	case FRAME_HELLO:
	case FRAME_JOIN:
	case FRAME_READY:
	case FRAME_STATE:
	case FRAME_CHECKED:
	case FRAME_OFFERED:
	case FRAME_VERDICT:
	case FRAME_RESEND:
	case FRAME_NOTE:
	case FRAME_SUMMARY:
	case FRAME_PING:
		break;
	}
	return err_set(e, ERR_PROTOCOL, "the sender sent %s out of turn",
		       frame_name(f->type));
}

static int has_finished(struct rsession *s)
{
	int has;

	pthread_mutex_lock(&s->lock);
	has = s->has_finished;
	pthread_mutex_unlock(&s->lock);
	return has;
}

static int send_summary(struct rstream *st, struct err *e)
{
	struct rsession *s = st->session;
	struct msg_summary m;
	int rc;

	pthread_mutex_lock(&s->lock);
	m.files = s->totals.committed + s->totals.unchanged;
	m.bytes = s->totals.bytes;
	m.notes = s->notes;
	memcpy(m.sum, s->totals.sum, sizeof(m.sum));
	pthread_mutex_unlock(&s->lock);
	msg_put_summary(&st->channel.out, &m);
	rc = channel_send(&st->channel, NULL, 0, e);
	if (rc == 0)
		rc = stream_flush(st->channel.stream, e);
	if (rc == 0) {
		pthread_mutex_lock(&s->lock);
		s->has_summed = 1;
		pthread_mutex_unlock(&s->lock);
	}
	return rc;
}

/* Before the outboxes are looked at again, so nothing is missed. */
static void clear_wake(int wake_fd)
{
	uint64_t count;

	while (read(wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

/* Another stream was lost: what came by this one before is taken, unless that
 * does not end. */
static int is_through(struct rstream *st, int rc)
{
	if (!atomic_load(&st->session->is_over))
		return 0;
	if (!st->over_by_ms)
		st->over_by_ms = clock_ms() + DRAIN_MS;
	return rc == ERR_AGAIN || clock_left_ms(st->over_by_ms) == 0;
}

/* Take the next frame, or wait for one.  *over: the stream is through. */
static int step(struct rstream *st, int *over, struct err *e)
{
	struct rsession *s = st->session;
	int wake_fd = st->index == 0 ? s->first_wake_fd : s->wake_fd;
	struct frame f;
	int rc = send_outbox(st, e);

	if (rc)
		return rc;
	if (st->wait_finish && has_finished(s)) {
		*over = 1;
		rc = send_outbox(st, e);
		return rc ? rc : send_summary(st, e);
	}
	rc = channel_poll_header(&st->channel, &f, e);
	if (is_through(st, rc))
		return err_set(e, ERR_CLOSED, "the session is over");
	if (rc == 0)
		return take_frame(st, &f, over, e);
	if (rc != ERR_AGAIN)
		return rc;
	rc = stream_wait(st->channel.stream, wake_fd, -1, e);
	if (rc > 0 && (rc & STREAM_WOKEN))
		clear_wake(wake_fd);
	return rc < 0 ? rc : 0;
}

static int serve(struct rstream *st, struct err *e)
{
	struct err ignored;
	int rc = 0, over = 0;

	while (rc == 0 && !over)
		rc = step(st, &over, e);
	if (rc == 0)
		(void)stream_close(st->channel.stream, GOODBYE_MS, &ignored);
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
	default:
		return WERR_OTHER;
	}
}

static void session_failed(struct rstream *st, struct err *e)
{
	struct err ignored;
	int lost = err_is_lost(e->code);

	if (e->code == ERR_CLOSED)
		err_set(e, ERR_LOST, "left before the session was over");
	/* Fixed texts only: nothing of ours is the peer's business.  What it
	 * still sends is thrown away, or a reset would take the text. */
	if (!lost) {
		channel_send_error(&st->channel, wire_code(e->code),
				err_name(e->code));
		(void)stream_close(st->channel.stream, DRAIN_MS, &ignored);
	}
	err_prefix(e, "%s", st->session->peer);
	rsession_fail(st->session, e);
}

/* A code that was used up without a session: that is the receiver's result. */
static void end_of_code(struct rstream *st, struct err *e)
{
	struct receiver *r = st->receiver;

	if (e->code == ERR_CLOSED)
		err_set(e, ERR_LOST, "left before the session began");
	err_prefix(e, "%s", st->peer);
	pthread_mutex_lock(&r->lock);
	r->has_ended = 1;
	r->ended = *e;
	pthread_mutex_unlock(&r->lock);
}

/* One who says nothing or goes away again is no news; nor is a further stream
 * of a session that was over sooner than it was connected. */
static void stranger_failed(struct rstream *st, struct err *e)
{
	int silent = err_is_lost(e->code) || st->is_late;

	if (st->spent_code)
		end_of_code(st, e);
	if (st->spent_code || atomic_load(&st->receiver->is_stopping))
		return;
	receiver_message(st->receiver,
			 silent ? SESSION_VERBOSE : SESSION_WARNING,
			 "%s: no session: %s", st->peer, e->text);
}

static void end_stream(struct rstream *st)
{
	struct receiver *r = st->receiver;

	if (st->session && st->channel.stream)
		atomic_fetch_add(&st->session->wire_bytes,
				 stream_wire_in(st->channel.stream) +
					 stream_wire_out(st->channel.stream));
	pthread_mutex_lock(&r->lock);
	channel_release(&st->channel);
	pthread_mutex_unlock(&r->lock);
	dirs_free(st->dirs);
	expander_free(st->expander);
	free(st->wire);
	free(st->raw);
	io_close(&st->fd);
	if (st->session)
		rsession_leave(st);
	pthread_mutex_lock(&r->lock);
	st->next_finished = r->finished;
	r->finished = st;
	pthread_mutex_unlock(&r->lock);
	receiver_wake(r);
}

void *rstream_main(void *arg)
{
	struct rstream *st = arg;
	struct err e;
	int rc;

	err_clear(&e);
	rc = begin(st, &e);
	receiver_door_leave(st);
	if (rc == 0)
		rc = serve(st, &e);
	if (rc && st->session)
		session_failed(st, &e);
	else if (rc)
		stranger_failed(st, &e);
	end_stream(st);
	return NULL;
}
