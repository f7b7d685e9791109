/*
 * Messages about the session: its beginning, its end, and heart-beats.
 */
#include "wire/msg.h"

#include <string.h>

#include "base/err.h"
#include "wire/body.h"

static int get_magic(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, sizeof(WIRE_MAGIC));

	return p && memcmp(p, WIRE_MAGIC, sizeof(WIRE_MAGIC)) == 0;
}

int msg_version(enum frame_type type, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok, version;

	rd_init(&r, p, n);
	ok = type == FRAME_READY || get_magic(&r);
	version = rd_u16(&r);
	return ok && !r.failed ? version : -1;
}

void msg_put_hello(struct buf *b, const struct msg_hello *m)
{
	body_begin(b, FRAME_HELLO, BODY_HELLO);
	buf_put(b, WIRE_MAGIC, sizeof(WIRE_MAGIC));
	buf_put_u16(b, m->version);
	buf_put_u8(b, m->digest);
	buf_put_u8(b, m->flags);
	buf_put_u16(b, m->streams);
	buf_put_u8(b, m->existing);
	body_put_zeroes(b, 1);
	buf_put_u32(b, m->features);
	buf_put(b, m->session, sizeof(m->session));
}

int msg_get_hello(struct msg_hello *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	ok = get_magic(&r);
	m->version = rd_u16(&r);
	m->digest = rd_u8(&r);
	m->flags = rd_u8(&r);
	m->streams = rd_u16(&r);
	m->existing = rd_u8(&r);
	ok &= body_get_zeroes(&r, 1);
	m->features = rd_u32(&r);
	rd_copy(&r, m->session, sizeof(m->session));
	/* No bit of the second word of features is known. */
	if (m->features & FEATURE_MORE) {
		rd_u32(&r);
		rd_bytes(&r, r.left);
	}
	/* The sender may ask for more than STREAMS_MAX streams: READY says how
	 * many are allowed. */
	ok &= (m->flags & ~(HELLO_SINGLE | HELLO_RETRY | HELLO_AGAIN)) == 0 &&
	      m->streams > 0 && m->existing <= EXISTING_BACKUP;
	return body_end(&r, ok);
}

void msg_put_join(struct buf *b, const struct msg_join *m)
{
	body_begin(b, FRAME_JOIN, BODY_JOIN);
	buf_put(b, WIRE_MAGIC, sizeof(WIRE_MAGIC));
	buf_put_u16(b, m->version);
	buf_put_u16(b, m->index);
	buf_put(b, m->token, sizeof(m->token));
}

int msg_get_join(struct msg_join *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	ok = get_magic(&r);
	m->version = rd_u16(&r);
	m->index = rd_u16(&r);
	rd_copy(&r, m->token, sizeof(m->token));
	ok &= m->index >= 1 && m->index < STREAMS_MAX;
	return body_end(&r, ok);
}

void msg_put_ready(struct buf *b, const struct msg_ready *m)
{
	const int preserves = (m->features & FEATURE_PRESERVE) != 0;
	const int has_flags = (m->features & FEATURE_LISTS) != 0;

	body_begin(b, FRAME_READY, BODY_READY + (preserves ? 4u : 0u) +
					   (has_flags ? 1u : 0u));
	buf_put_u16(b, m->version);
	buf_put_u16(b, m->streams);
	buf_put_u32(b, m->features);
	buf_put_u32(b, m->open_files);
	buf_put(b, m->token, sizeof(m->token));
	if (has_flags)
		buf_put_u8(b, m->flags);
	if (preserves)
		buf_put_u32(b, m->preserve);
}

int msg_get_ready(struct msg_ready *m, const uint8_t *p, size_t n)
{
	struct rd r;

	rd_init(&r, p, n);
	m->version = rd_u16(&r);
	m->streams = rd_u16(&r);
	m->features = rd_u32(&r);
	m->open_files = rd_u32(&r);
	rd_copy(&r, m->token, sizeof(m->token));
	/* A bit that was not in HELLO is ignored, and stands for nothing. */
	m->flags = m->features & FEATURE_LISTS && r.left > 0 ? rd_u8(&r) : 0;
	m->preserve = m->features & FEATURE_PRESERVE && r.left > 0 ?
			      rd_u32(&r) & PRESERVE_KNOWN : 0;
	return body_end(&r, m->streams >= 1 && m->streams <= STREAMS_MAX &&
				    m->open_files >= 1 &&
				    (m->flags & ~READY_EMPTY) == 0);
}

void msg_put_flush(struct buf *b)
{
	body_begin(b, FRAME_FLUSH, 0);
}

void msg_put_stream_end(struct buf *b)
{
	body_begin(b, FRAME_STREAM_END, 0);
}

void msg_put_timeout(struct buf *b, const struct msg_timeout *m)
{
	body_begin(b, FRAME_TIMEOUT, BODY_TIMEOUT);
	buf_put_u32(b, m->ms);
}

int msg_get_timeout(struct msg_timeout *m, const uint8_t *p, size_t n)
{
	struct rd r;

	rd_init(&r, p, n);
	m->ms = rd_u32(&r);
	return body_end(&r, m->ms > 0);
}

void msg_put_progress(struct buf *b, const struct msg_progress *m)
{
	body_begin(b, FRAME_PROGRESS, BODY_PROGRESS);
	buf_put_u64(b, m->bytes);
	buf_put_u64(b, m->total_bytes);
	buf_put_u64(b, m->total_files);
	buf_put_u64(b, m->replaced);
	buf_put_u64(b, m->renamed);
	buf_put_u8(b, m->flags);
	body_put_zeroes(b, 3);
}

int msg_get_progress(struct msg_progress *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->bytes = rd_u64(&r);
	m->total_bytes = rd_u64(&r);
	m->total_files = rd_u64(&r);
	m->replaced = rd_u64(&r);
	m->renamed = rd_u64(&r);
	m->flags = rd_u8(&r);
	ok = body_get_zeroes(&r, 3);
	ok &= !(m->flags & ~(PROGRESS_FINAL | PROGRESS_ENDLESS));
	return body_end(&r, ok);
}

void msg_put_direct(struct buf *b, const struct msg_direct *m)
{
	body_begin(b, FRAME_DIRECT,
		   BODY_DIRECT + (size_t)m->count * DIRECT_ADDRESS);
	buf_put_u16(b, m->port);
	buf_put_u8(b, m->count);
	body_put_zeroes(b, 1);
	buf_put(b, m->key, sizeof(m->key));
	if (m->count > DIRECT_ADDRESSES_MAX)
		b->failed = 1;
	else
		buf_put(b, m->addresses, (size_t)m->count * DIRECT_ADDRESS);
}

int msg_get_direct(struct msg_direct *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->port = rd_u16(&r);
	m->count = rd_u8(&r);
	ok = body_get_zeroes(&r, 1) && m->count <= DIRECT_ADDRESSES_MAX &&
	     (m->port != 0) == (m->count != 0);
	rd_copy(&r, m->key, sizeof(m->key));
	for (unsigned i = 0; ok && i < m->count; i++)
		rd_copy(&r, m->addresses[i], DIRECT_ADDRESS);
	return body_end(&r, ok);
}

void msg_put_streams(struct buf *b, const struct msg_streams *m)
{
	body_begin(b, FRAME_STREAMS, BODY_STREAMS);
	buf_put_u16(b, m->count);
	body_put_zeroes(b, 2);
}

int msg_get_streams(struct msg_streams *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->count = rd_u16(&r);
	ok = body_get_zeroes(&r, 2);
	return body_end(&r, ok && m->count >= 1 && m->count < STREAMS_MAX);
}

void msg_put_ping(struct buf *b)
{
	body_begin(b, FRAME_PING, 0);
}

void msg_put_finish(struct buf *b, const struct msg_finish *m)
{
	body_begin(b, FRAME_FINISH, BODY_FINISH);
	buf_put_u64(b, m->files);
	buf_put_u64(b, m->bytes);
	buf_put(b, m->sum, sizeof(m->sum));
}

int msg_get_finish(struct msg_finish *m, const uint8_t *p, size_t n)
{
	struct rd r;

	rd_init(&r, p, n);
	m->files = rd_u64(&r);
	m->bytes = rd_u64(&r);
	rd_copy(&r, m->sum, sizeof(m->sum));
	return body_end(&r, 1);
}

void msg_put_summary(struct buf *b, const struct msg_summary *m)
{
	body_begin(b, FRAME_SUMMARY, BODY_SUMMARY);
	buf_put_u64(b, m->files);
	buf_put_u64(b, m->bytes);
	buf_put(b, m->sum, sizeof(m->sum));
	buf_put_u64(b, m->notes);
}

int msg_get_summary(struct msg_summary *m, const uint8_t *p, size_t n)
{
	struct rd r;

	rd_init(&r, p, n);
	m->files = rd_u64(&r);
	m->bytes = rd_u64(&r);
	rd_copy(&r, m->sum, sizeof(m->sum));
	m->notes = rd_u64(&r);
	return body_end(&r, 1);
}

void msg_put_error(struct buf *b, const struct msg_error *m)
{
	body_begin(b, FRAME_ERROR, BODY_ERROR + m->text_len);
	buf_put_u16(b, m->code);
	body_put_text(b, m->text, m->text_len, 0, WIRE_TEXT_MAX);
}

int msg_get_error(struct msg_error *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->code = rd_u16(&r);
	ok = body_get_text(&r, &m->text, &m->text_len, 0, WIRE_TEXT_MAX);
	ok &= m->code >= WERR_VERSION && m->code <= WERR_OTHER;
	return body_end(&r, ok);
}
