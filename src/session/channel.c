/*
 * Frames over one stream: headers and fields checked, heart-beats kept going.
 */
#include "session/channel.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "wire/msg.h"

enum {
	/* A batch of small frames: at most two full outboxes of 4 MiB. */
	OUT_MAX = 9 << 20,
	PING_MAX_MS = 5000,
};

void channel_init(struct channel *l, struct stream *stream, int is_sender,
	       int timeout_ms)
{
	memset(l, 0, sizeof(*l));
	l->stream = stream;
	l->is_sender = is_sender;
	buf_init(&l->out, OUT_MAX);
	buf_init(&l->in, FRAME_HEADER + FRAME_REPLY_MAX);
	l->last_out_ms = clock_ms();
	l->ping_ms = timeout_ms / 4 < PING_MAX_MS ? (uint64_t)timeout_ms / 4 :
						   PING_MAX_MS;
}

void channel_release(struct channel *l)
{
	stream_free(l->stream);
	l->stream = NULL;
	buf_release(&l->out);
	buf_release(&l->in);
}

int channel_send(struct channel *l, const void *payload, size_t n, struct err *e)
{
	struct iovec parts[2];
	int rc, count = 1;

	if (l->out.failed) {
		buf_reset(&l->out);
		return err_set(e, ERR_RESOURCE,
			       "out of memory for a frame of the protocol");
	}
	frame_seal(l->out.data, l->out.len);
	parts[0].iov_base = l->out.data;
	parts[0].iov_len = l->out.len;
	if (n > 0) {
		/* The stream only reads what the parts point to. */
		memcpy(&parts[1].iov_base, &payload, sizeof(payload));
		parts[1].iov_len = n;
		count = 2;
	}
	if (l->out.len == 0 && n == 0)
		return 0;
	rc = stream_send(l->stream, parts, count, e);
	buf_reset(&l->out);
	l->last_out_ms = clock_ms();
	return rc;
}

int channel_ping_if_due(struct channel *l, struct err *e)
{
	uint8_t head[FRAME_HEADER];
	const struct iovec part = { head, sizeof(head) };
	int rc;

	if (clock_ms() - l->last_out_ms < l->ping_ms)
		return 0;
	/* Not through l->out: a frame may be half put together there. */
	frame_put(head, FRAME_PING, 0);
	rc = stream_send(l->stream, &part, 1, e);
	l->last_out_ms = clock_ms();
	return rc ? rc : stream_flush(l->stream, e);
}

/* An alert or a handshake of TLS 1.x */
static int is_tls(const uint8_t *p, size_t n)
{
	return n >= 2 && (p[0] == 0x15 || p[0] == 0x16) && p[1] == 3;
}

static int bad_header(const uint8_t *p, struct err *e)
{
	if (is_tls(p, FRAME_HEADER))
		return err_set(e, ERR_PROTOCOL, "the other side speaks TLS");
	return err_set(e, ERR_PROTOCOL,
		       "the peer sent a malformed frame (type %u, length %lu)",
		       p[0], (unsigned long)be_get32(p + 4));
}

int channel_poll_header(struct channel *l, struct frame *f, struct err *e)
{
	for (;;) {
		size_t got = 0;
		int rc = stream_recv_some(l->stream, l->head + l->head_len,
					  sizeof(l->head) - l->head_len, &got,
					  e);

		/* That nothing is there yet is no failure to remember. */
		if (rc == ERR_AGAIN)
			err_clear(e);
		if (rc == ERR_CLOSED && l->head_len > 0)
			return err_set(e, ERR_LOST,
				       "the peer closed the connection "
				       "inside a frame");
		if (rc)
			return rc;
		l->head_len += got;
		if (l->head_len < sizeof(l->head))
			continue;
		l->head_len = 0;
		if (frame_get(f, l->head, !l->is_sender))
			return bad_header(l->head, e);
		l->body_check = f->body_check;
		/* However many come, there is something to do between them. */
		return f->type == FRAME_PING ? ERR_AGAIN : 0;
	}
}

int channel_recv(struct channel *l, void *p, size_t n, struct err *e)
{
	int rc;

	if (n == 0)
		return 0;
	rc = stream_recv(l->stream, p, n, e);
	if (rc == ERR_CLOSED)
		return err_set(e, ERR_LOST,
			       "the peer closed the connection inside a frame");
	return rc;
}

static int check_fields(uint32_t check, const uint8_t *p, size_t n,
			struct err *e)
{
	if (frame_body_check(p, n) == check)
		return 0;
	return err_set(e, ERR_CORRUPT, "a frame came damaged");
}

int channel_recv_fields(struct channel *l, void *p, size_t n, struct err *e)
{
	int rc = channel_recv(l, p, n, e);

	return rc ? rc : check_fields(l->body_check, p, n, e);
}

/* Read what is there until `in` holds want bytes. */
static int fill(struct channel *l, size_t want, struct err *e)
{
	while (l->in.len < want) {
		size_t got = 0, room = l->in.max - l->in.len;
		uint8_t *p = buf_extend(&l->in, room);
		int rc;

		if (!p)
			return err_set(e, ERR_RESOURCE, "out of memory");
		rc = stream_recv_some(l->stream, p, room, &got, e);
		l->in.len -= room - (rc ? 0 : got);
		if (rc == ERR_AGAIN)
			err_clear(e);
		if (rc)
			return rc;
	}
	return 0;
}

int channel_poll_reply(struct channel *l, struct frame *f, const uint8_t **body,
		    struct err *e)
{
	int rc;

	for (;;) {
		buf_consume(&l->in, l->in_done);
		l->in_done = 0;
		rc = fill(l, FRAME_HEADER, e);
		/* An alert is shorter than a header of ours. */
		if (rc == ERR_CLOSED && is_tls(l->in.data, l->in.len))
			return err_set(e, ERR_PROTOCOL,
				       "the other side speaks TLS");
		if (rc)
			return rc;
		if (frame_get(f, l->in.data, !l->is_sender) ||
		    f->len > FRAME_REPLY_MAX)
			return bad_header(l->in.data, e);
		rc = fill(l, FRAME_HEADER + f->len, e);
		if (rc)
			return rc;
		l->in_done = FRAME_HEADER + f->len;
		if (f->type != FRAME_PING)
			break;
	}
	*body = l->in.data + FRAME_HEADER;
	return check_fields(f->body_check, *body, f->len, e);
}

/* How a code of the wire shows to our user. */
static int local_code(unsigned wire_code)
{
	switch (wire_code) {
	case WERR_INTERRUPTED:
		return ERR_LOST;
	case WERR_RESOURCE:
	case WERR_LOCAL:
	case WERR_REFUSED:
		return ERR_REMOTE;
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
			       "the peer sent a malformed ERROR frame");
	text_escape(text, sizeof(text), m.text, m.text_len);
	return err_set(e, local_code(m.code), "the other side says: %s", text);
}

void channel_send_error(struct channel *l, unsigned code, const char *text)
{
	struct msg_error m = { .code = (uint16_t)code, .text = text };
	struct err ignored;

	m.text_len = strlen(text);
	if (m.text_len > WIRE_TEXT_MAX)
		m.text_len = WIRE_TEXT_MAX;
	buf_reset(&l->out);
	msg_put_error(&l->out, &m);
	if (channel_send(l, NULL, 0, &ignored) == 0)
		(void)stream_flush(l->stream, &ignored);
}
