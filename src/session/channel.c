/*
 * Frames over one stream: headers and bodies are checked, PINGs sent and
 * skipped.
 */
#include "session/channel.h"

#include <string.h>

#include "auth/mode.h"
#include "base/clock.h"
#include "base/text.h"
#include "wire/msg.h"

enum {
	/* The largest batch of frames is what the receiver's outbox holds: two
	 * times 4 MiB. */
	OUT_MAX = 9 << 20,
	PING_MAX_MS = 5000,
	/* A peer cannot make us send more often than the shortest time-out that
	 * ferry allows, one second, needs. */
	PING_MIN_MS = 250,
	/* Heart-beats in the time that the peer waits for one: two may be late
	 * or have to be sent again. */
	PINGS_A_TIMEOUT = 4,
	TICK_MAX_MS = 1000, /* stream_set_tick() */
	/* How long small frames may wait for others while more comes: the peer
	 * waits for them, and only sending shows that it is gone. */
	FLUSH_MS = 500,
	/* More heart-beats than these, and so many a second, are a flood: a
	 * peer sends one in PING_MIN_MS at most.  None of them arrives
	 * early. */
	HEARTBEATS_SPARE = 1000,
	HEARTBEATS_A_SECOND = 10,
};

void channel_init(struct channel *c, struct stream *stream, int is_sender,
		  int timeout_ms)
{
	memset(c, 0, sizeof(*c));
	c->stream = stream;
	c->is_sender = is_sender;
	buf_init(&c->out, OUT_MAX);
	buf_init(&c->in, FRAME_HEADER + FRAME_REPLY_MAX);
	c->last_out_ms = c->began_ms = clock_ms();
	c->timeout_ms = timeout_ms;
	c->ping_ms = PING_MAX_MS;
	c->tick_ms = TICK_MAX_MS;
	/* The peer's time-out is not known yet: it may be as short as ours. */
	channel_set_peer_timeout(c, (uint32_t)timeout_ms);
}

void channel_set_peer_timeout(struct channel *c, uint32_t timeout_ms)
{
	uint32_t ms = timeout_ms / PINGS_A_TIMEOUT;

	if (ms < PING_MIN_MS)
		ms = PING_MIN_MS;
	if (ms >= c->ping_ms)
		return;
	c->ping_ms = ms;
	/* A heart-beat is sent with the first tick after it is due. */
	channel_want_tick(c, (int)ms);
}

void channel_want_tick(struct channel *c, int ms)
{
	if (ms >= c->tick_ms)
		return;
	c->tick_ms = ms;
	stream_set_tick(c->stream, ms);
}

void channel_put_timeout(struct channel *c)
{
	const struct msg_timeout m = { .ms = (uint32_t)c->timeout_ms };

	msg_put_timeout(&c->out, &m);
}

int channel_take_timeout(struct channel *c, const uint8_t *body, size_t n,
			 struct err *e)
{
	struct msg_timeout m;

	if (msg_get_timeout(&m, body, n))
		return err_set(e, ERR_PROTOCOL,
			       "the other side sent a malformed TIMEOUT frame");
	channel_set_peer_timeout(c, m.ms);
	return 0;
}

void channel_release(struct channel *c)
{
	stream_free(c->stream);
	c->stream = NULL;
	buf_release(&c->out);
	buf_release(&c->in);
}

int channel_send(struct channel *c, const void *payload, size_t n,
		 struct err *e)
{
	struct iovec parts[2];
	int rc, count = 1;

	if (c->out.failed) {
		buf_reset(&c->out);
		return err_set(e, ERR_RESOURCE,
			       "out of memory for a frame");
	}
	/* Here, where all fields are final and no payload follows them yet. */
	frame_seal(c->out.data, c->out.len);
	parts[0].iov_base = c->out.data;
	parts[0].iov_len = c->out.len;
	if (n > 0) {
		/* iov_base is not const, though the stream only reads from it:
		 * a copy of the pointer avoids a cast that drops const. */
		memcpy(&parts[1].iov_base, &payload, sizeof(payload));
		parts[1].iov_len = n;
		count = 2;
	}
	if (c->out.len == 0 && n == 0)
		return 0;
	rc = stream_send(c->stream, parts, count, e);
	buf_reset(&c->out);
	c->last_out_ms = clock_ms();
	return rc;
}

static int is_heartbeat(const struct channel *c, const struct frame *f)
{
	return f->type == FRAME_BUSY ? c->tells_busy : f->type == FRAME_PING;
}

/* Keep whether the peer is busy.  Returns 0 or ERR_PROTOCOL. */
static int take_heartbeat(struct channel *c, const struct frame *f,
			  struct err *e)
{
	const uint64_t now = clock_ms();

	if (f->type == FRAME_BUSY || !c->tells_busy)
		c->busy_ms = now;
	if (++c->heartbeats <= HEARTBEATS_SPARE +
				       (now - c->began_ms) *
					       HEARTBEATS_A_SECOND / 1000)
		return 0;
	return err_set(e, ERR_PROTOCOL,
		       "the other side sent too many heart-beats");
}

static int send_heartbeat(struct channel *c, enum frame_type type,
			  struct err *e)
{
	uint8_t head[FRAME_HEADER];
	const struct iovec part = { head, sizeof(head) };
	int rc;

	/* Not through c->out, which may hold an unfinished frame. */
	frame_put(head, type, 0);
	rc = stream_send(c->stream, &part, 1, e);
	c->last_out_ms = clock_ms();
	return rc ? rc : stream_flush(c->stream, e);
}

int channel_send_rest(struct channel *c, const void *payload, size_t n,
		      struct err *e)
{
	struct iovec part = { .iov_len = n };
	int rc;

	memcpy(&part.iov_base, &payload, sizeof(payload));
	rc = stream_send(c->stream, &part, 1, e);
	c->last_out_ms = clock_ms();
	return rc;
}

int channel_send_aside(struct channel *c, struct buf *frame, struct err *e)
{
	struct iovec part = { .iov_base = frame->data, .iov_len = frame->len };
	int rc;

	if (frame->failed)
		return err_set(e, ERR_RESOURCE, "out of memory for a frame");
	frame_seal(frame->data, frame->len);
	rc = stream_send(c->stream, &part, 1, e);
	return rc ? rc : stream_flush(c->stream, e);
}

int channel_ping(struct channel *c, struct err *e)
{
	return send_heartbeat(c, FRAME_PING, e);
}

int channel_ping_if_due(struct channel *c, int is_busy, struct err *e)
{
	const uint64_t now = clock_ms();
	int rc;

	if (now - c->flushed_ms >= FLUSH_MS) {
		c->flushed_ms = now;
		rc = stream_flush(c->stream, e);
		if (rc)
			return rc;
	}
	if (now - c->last_out_ms < c->ping_ms)
		return 0;
	return send_heartbeat(c, is_busy && c->tells_busy ? FRAME_BUSY :
							    FRAME_PING, e);
}

static int cut_in_frame(struct err *e)
{
	return err_set(e, ERR_LOST, "the other side closed the connection in "
				    "the middle of a frame");
}

/* The first n bytes from the peer, which are no frame. */
static int bad_header(const struct channel *c, const uint8_t *p, size_t n,
		      struct err *e)
{
	if (!c->has_begun && stream_is_plain(c->stream) &&
	    mode_differs(p, n, SECURITY_PLAIN))
		return mode_set_error(p, n, SECURITY_PLAIN, e);
	return err_set(e, ERR_PROTOCOL,
		       "the other side sent a malformed frame (type %u, "
		       "length %lu)",
		       p[0], (unsigned long)be_get32(p + 4));
}

int channel_poll_header(struct channel *c, struct frame *f, struct err *e)
{
	for (;;) {
		size_t got = 0;
		int rc = stream_recv_some(c->stream, c->head + c->head_len,
					  sizeof(c->head) - c->head_len, &got,
					  e);

		/* Nothing to read is not a failure to report later. */
		if (rc == ERR_AGAIN)
			err_clear(e);
		if (rc == ERR_CLOSED && c->head_len > 0)
			return cut_in_frame(e);
		if (rc)
			return rc;
		c->head_len += got;
		if (c->head_len < sizeof(c->head))
			continue;
		c->head_len = 0;
		if (frame_get(f, c->head, !c->is_sender))
			return bad_header(c, c->head, FRAME_HEADER, e);
		c->has_begun = 1;
		c->body_check = f->body_check;
		/* Return after each heart-beat: a peer that floods us with them
		 * must not keep the caller from its other work. */
		if (!is_heartbeat(c, f))
			return 0;
		rc = take_heartbeat(c, f, e);
		return rc ? rc : ERR_AGAIN;
	}
}

int channel_recv(struct channel *c, void *p, size_t n, struct err *e)
{
	int rc;

	if (n == 0)
		return 0;
	rc = stream_recv(c->stream, p, n, e);
	if (rc == ERR_CLOSED)
		return cut_in_frame(e);
	return rc;
}

static int check_fields(uint32_t check, const uint8_t *p, size_t n,
			struct err *e)
{
	if (frame_body_crc(p, n) == check)
		return 0;
	return err_set(e, ERR_CORRUPT, "a frame arrived damaged");
}

int channel_recv_fields(struct channel *c, void *p, size_t n, struct err *e)
{
	int rc = channel_recv(c, p, n, e);

	return rc ? rc : check_fields(c->body_check, p, n, e);
}

/* Read what has arrived until `in` holds want bytes. */
static int fill_in(struct channel *c, size_t want, struct err *e)
{
	while (c->in.len < want) {
		size_t got = 0, room = c->in.max - c->in.len;
		uint8_t *p = buf_extend(&c->in, room);
		int rc;

		if (!p)
			return err_set(e, ERR_RESOURCE, "out of memory");
		rc = stream_recv_some(c->stream, p, room, &got, e);
		c->in.len -= room - (rc ? 0 : got);
		if (rc == ERR_AGAIN)
			err_clear(e);
		if (rc)
			return rc;
	}
	return 0;
}

int channel_poll_reply(struct channel *c, struct frame *f, const uint8_t **body,
		       struct err *e)
{
	int rc;

	for (;;) {
		buf_consume(&c->in, c->in_done);
		c->in_done = 0;
		rc = fill_in(c, FRAME_HEADER, e);
		/* A TLS alert has 7 bytes, less than a header. */
		if (rc == ERR_CLOSED && !c->has_begun &&
		    stream_is_plain(c->stream) &&
		    mode_differs(c->in.data, c->in.len, SECURITY_PLAIN))
			return mode_set_error(c->in.data, c->in.len,
					      SECURITY_PLAIN, e);
		if (rc)
			return rc;
		if (frame_get(f, c->in.data, !c->is_sender) ||
		    f->len > FRAME_REPLY_MAX)
			return bad_header(c, c->in.data, FRAME_HEADER, e);
		c->has_begun = 1;
		rc = fill_in(c, FRAME_HEADER + f->len, e);
		if (rc)
			return rc;
		c->in_done = FRAME_HEADER + f->len;
		if (!is_heartbeat(c, f))
			break;
		rc = take_heartbeat(c, f, e);
		if (rc)
			return rc;
	}
	*body = c->in.data + FRAME_HEADER;
	return check_fields(f->body_check, *body, f->len, e);
}

/* The err_code for the code of a peer's ERROR. */
static int code_of_wire(unsigned wire_code)
{
	switch (wire_code) {
	case WERR_INTERRUPTED:
		return ERR_LOST;
	case WERR_RESOURCE:
	case WERR_LOCAL:
		return ERR_REMOTE;
	case WERR_REFUSED:
		return ERR_AUTH;
	case WERR_BUSY:
		return ERR_CONNECT;
	case WERR_TIMEOUT:
		return ERR_TIMEOUT;
	default:
		return ERR_PROTOCOL;
	}
}

int channel_peer_error(const uint8_t *body, size_t n, struct err *e)
{
	struct msg_error m;
	char text[2 * WIRE_TEXT_MAX];

	if (msg_get_error(&m, body, n))
		return err_set(e, ERR_PROTOCOL,
			       "the other side sent a malformed ERROR frame");
	text_escape(text, sizeof(text), m.text, m.text_len);
	return err_set(e, code_of_wire(m.code), "the other side says: %s",
		       text);
}

void channel_send_error(struct channel *c, unsigned code, const char *text)
{
	struct msg_error m = { .code = (uint16_t)code, .text = text };
	struct err ignored;

	m.text_len = strlen(text);
	if (m.text_len > WIRE_TEXT_MAX)
		m.text_len = WIRE_TEXT_MAX;
	buf_reset(&c->out);
	msg_put_error(&c->out, &m);
	if (channel_send(c, NULL, 0, &ignored) == 0)
		(void)stream_flush(c->stream, &ignored);
}
