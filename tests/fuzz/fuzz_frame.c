/*
 * Frame headers and the bodies of all messages.  What is decoded is encoded
 * again: the bytes must be those that came, so there is only one way to write
 * a message and no field is overlooked.
 *
 * Input: a byte (1: from the sender; bits 1 and 2: which digest), then frames
 * as they are on the wire.
 */
#include "frames.h"

#include "base/err.h"
#include "wire/msg.h"
#include "wire/msg_list.h"

/* Decode a body of n bytes, encode it to b; returns what decoding did. */
typedef int (*again_fn)(struct buf *b, const uint8_t *p, size_t n);

#define AGAIN(name)                                                            \
	static int again_##name(struct buf *b, const uint8_t *p, size_t n)     \
	{                                                                      \
		struct msg_##name m;                                           \
		int rc = msg_get_##name(&m, p, n);                             \
                                                                               \
		if (rc == 0)                                                   \
			msg_put_##name(b, &m);                                 \
		return rc;                                                     \
	}

AGAIN(join)
AGAIN(hole)
AGAIN(file_abort)
AGAIN(finish)
AGAIN(summary)
AGAIN(state)
AGAIN(verdict)
AGAIN(resend)
AGAIN(note)
AGAIN(checked)
AGAIN(offered)
AGAIN(compare)
AGAIN(signature)
AGAIN(direct)
AGAIN(streams)
AGAIN(timeout)
AGAIN(progress)
AGAIN(error)
AGAIN(listed)
AGAIN(delete)
AGAIN(extra)

/* What follows the session id has no encoding, and is not known. */
static int again_hello(struct buf *b, const uint8_t *p, size_t n)
{
	struct msg_hello m;
	int rc = msg_get_hello(&m, p, n);
	size_t known;

	if (rc)
		return rc;
	msg_put_hello(b, &m);
	known = b->len - FRAME_HEADER;
	CHECK(n == known || m.features & FEATURE_MORE);
	buf_put(b, p + known, n - known);
	frame_put(b->data, FRAME_HELLO, (uint32_t)n);
	return 0;
}

/* What has no encoding: bits that say that more follows where nothing does, and
 * what is to be preserved that is not known.  Both are ignored. */
enum { READY_FIXED = 28 };

static int again_ready(struct buf *b, const uint8_t *p, size_t n)
{
	struct msg_ready m;
	int rc = msg_get_ready(&m, p, n);

	if (rc)
		return rc;
	if (n == READY_FIXED)
		m.features &= ~(uint32_t)(FEATURE_LISTS | FEATURE_PRESERVE);
	else if (n == READY_FIXED + 1)
		m.features &= ~(uint32_t)FEATURE_PRESERVE;
	msg_put_ready(b, &m);
	memcpy(b->data + FRAME_HEADER + 4, p + 4, 4);
	if (m.features & FEATURE_PRESERVE)
		memcpy(b->data + b->len - 4, p + n - 4, 4);
	return 0;
}

#define EMPTY(name)                                                            \
	static int again_##name(struct buf *b, const uint8_t *p, size_t n)     \
	{                                                                      \
		(void)p;                                                       \
		if (n == 0)                                                    \
			msg_put_##name(b);                                     \
		return n ? ERR_PROTOCOL : 0;                                   \
	}

EMPTY(stream_end)
EMPTY(flush)
EMPTY(ping)

/* No message has a function for it, see session/channel.c. */
static int again_busy(struct buf *b, const uint8_t *p, size_t n)
{
	uint8_t head[FRAME_HEADER];

	(void)p;
	frame_put(head, FRAME_BUSY, 0);
	buf_put(b, head, sizeof(head));
	return n ? ERR_PROTOCOL : 0;
}

static const again_fn again[FRAME_TYPES] = {
	[FRAME_HELLO] = again_hello,
	[FRAME_JOIN] = again_join,
	[FRAME_READY] = again_ready,
	[FRAME_HOLE] = again_hole,
	[FRAME_FILE_ABORT] = again_file_abort,
	[FRAME_FINISH] = again_finish,
	[FRAME_SUMMARY] = again_summary,
	[FRAME_STATE] = again_state,
	[FRAME_VERDICT] = again_verdict,
	[FRAME_RESEND] = again_resend,
	[FRAME_NOTE] = again_note,
	[FRAME_CHECKED] = again_checked,
	[FRAME_OFFERED] = again_offered,
	[FRAME_COMPARE] = again_compare,
	[FRAME_SIGNATURE] = again_signature,
	[FRAME_DIRECT] = again_direct,
	[FRAME_STREAMS] = again_streams,
	[FRAME_TIMEOUT] = again_timeout,
	[FRAME_PROGRESS] = again_progress,
	[FRAME_ERROR] = again_error,
	[FRAME_STREAM_END] = again_stream_end,
	[FRAME_FLUSH] = again_flush,
	[FRAME_BUSY] = again_busy,
	[FRAME_PING] = again_ping,
	[FRAME_LISTED] = again_listed,
	[FRAME_DELETE] = again_delete,
	[FRAME_EXTRA] = again_extra,
};

/* Of CHUNK and PACK only the fields are decoded, and the payload's length is
 * told. */
static int again_chunk(struct buf *b, const uint8_t *p, size_t n,
		       size_t digest_size, size_t payload_len)
{
	struct msg_chunk m;
	int rc = msg_get_chunk(&m, digest_size, p, n, payload_len);

	if (rc)
		return rc;
	CHECK(m.raw_len <= CHUNK_MAX && payload_len <= m.raw_len);
	CHECK(m.offset % CHUNK_MAX == 0);
	msg_put_chunk(b, &m, digest_size, (uint32_t)payload_len);
	return 0;
}

static int again_pack(struct buf *b, int is_offer, const uint8_t *p, size_t n,
		      size_t digest_size, size_t payload_len)
{
	struct msg_pack m;
	int rc = msg_get_pack(&m, digest_size, p, n, payload_len);

	if (rc)
		return rc;
	CHECK(m.count >= 1 && m.count <= PACK_ITEMS_MAX);
	CHECK(m.raw_len >= 1 && m.raw_len <= CHUNK_MAX);
	CHECK(m.table_len <= m.raw_len && payload_len <= m.raw_len);
	CHECK(m.first_id + (m.count - 1) >= m.first_id);
	if (is_offer)
		msg_put_offer(b, &m, digest_size, (uint32_t)payload_len);
	else
		msg_put_pack(b, &m, digest_size, (uint32_t)payload_len);
	return 0;
}

static int again_list(struct buf *b, const uint8_t *p, size_t n,
		      size_t digest_size, size_t payload_len)
{
	struct msg_list m;
	int rc = msg_get_list(&m, digest_size, p, n, payload_len);

	if (rc)
		return rc;
	CHECK(m.count >= 1 && m.count <= PACK_ITEMS_MAX);
	CHECK(m.raw_len >= 1 && m.raw_len <= CHUNK_MAX);
	CHECK(payload_len <= m.raw_len);
	CHECK(m.first_id + (m.count - 1) >= m.first_id);
	msg_put_list(b, &m, digest_size, (uint32_t)payload_len);
	return 0;
}

static int again_check(struct buf *b, const uint8_t *p, size_t n,
		       size_t digest_size)
{
	struct msg_check m;
	int rc = msg_get_check(&m, digest_size, p, n);

	if (rc == 0)
		msg_put_check(b, &m, digest_size);
	return rc;
}

static int again_open(struct buf *b, const uint8_t *p, size_t n,
		      size_t digest_size)
{
	struct msg_open m;
	int rc = msg_get_open(&m, digest_size, FILE_META_EXTENDED, p, n);

	/* What is no OPEN in one form may be one in the other. */
	if (rc == 0) {
		CHECK(n == MSG_OPEN_FIXED + 2 + m.meta.fields_len +
				   m.name_len + digest_size);
		msg_put_open(b, &m, digest_size, FILE_META_EXTENDED);
		return 0;
	}
	rc = msg_get_open(&m, digest_size, FILE_META_BASIC, p, n);
	if (rc)
		return rc;
	CHECK(n == MSG_OPEN_FIXED + m.name_len + digest_size);
	msg_put_open(b, &m, digest_size, FILE_META_BASIC);
	return 0;
}

static int again_file_end(struct buf *b, const uint8_t *p, size_t n,
			  size_t digest_size)
{
	struct msg_file_end m;
	int rc = msg_get_file_end(&m, digest_size, p, n);

	if (rc == 0)
		msg_put_file_end(b, &m, digest_size);
	return rc;
}

static int with_payload(struct buf *b, const struct frame *f,
			const uint8_t *p, size_t n, size_t digest_size)
{
	size_t fixed = digest_size +
		       (f->type == FRAME_CHUNK  ? (size_t)MSG_CHUNK_FIXED
			: f->type == FRAME_LIST ? (size_t)MSG_LIST_FIXED
						: (size_t)MSG_PACK_FIXED);
	size_t payload = f->len > fixed ? f->len - fixed : 0;
	uint8_t *fields;
	int rc;

	if (n > fixed)
		n = fixed;
	fields = fuzz_copy(p, n);
	rc = f->type == FRAME_CHUNK
		     ? again_chunk(b, fields, n, digest_size, payload)
	     : f->type == FRAME_LIST
		     ? again_list(b, fields, n, digest_size, payload)
		     : again_pack(b, f->type == FRAME_OFFER, fields, n,
				  digest_size, payload);
	free(fields);
	return rc;
}

static int is_with_payload(unsigned type)
{
	return type == FRAME_CHUNK || type == FRAME_PACK ||
	       type == FRAME_OFFER || type == FRAME_LIST;
}

/* Whether each type of frame is known here, whatever the seeds have. */
static int are_all_known(void)
{
	for (unsigned type = 0; type <= UINT8_MAX; type++) {
		if (strcmp(frame_name(type), "?") != 0 &&
		    !is_with_payload(type) && type != FRAME_CHECK &&
		    type != FRAME_OPEN && type != FRAME_FILE_END &&
		    !(type < FRAME_TYPES && again[type]))
			return 0;
	}
	return 1;
}

/* The body may be cut: n is less than f->len then. */
static void take_body(const struct frame *f, const uint8_t *header,
		      const uint8_t *p, size_t n, size_t digest_size)
{
	uint8_t *body = fuzz_copy(p, n);
	struct buf b;
	int rc;

	buf_init(&b, FRAME_HEADER + CHUNK_MAX);
	if (is_with_payload(f->type))
		rc = with_payload(&b, f, body, n, digest_size);
	else if (f->type == FRAME_CHECK)
		rc = again_check(&b, body, n, digest_size);
	else if (f->type == FRAME_OPEN)
		rc = again_open(&b, body, n, digest_size);
	else if (f->type == FRAME_FILE_END)
		rc = again_file_end(&b, body, n, digest_size);
	else
		rc = again[f->type](&b, body, n);
	CHECK(rc == 0 || rc == ERR_PROTOCOL);
	if (rc == 0) {
		CHECK(!b.failed && b.len <= FRAME_HEADER + n);
		CHECK(memcmp(b.data + FRAME_HEADER, body,
			     b.len - FRAME_HEADER) == 0);
		if (n == f->len)
			CHECK(memcmp(b.data, header, 8) == 0);
	}
	buf_release(&b);
	free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t digests[] = { 16, 32, 4, 16 };
	static int were_checked;
	size_t digest_size;
	int from_sender;

	if (!were_checked)
		CHECK(are_all_known());
	were_checked = 1;
	if (size == 0)
		return 0;
	from_sender = data[0] & 1;
	digest_size = digests[data[0] >> 1 & 3];
	data++;
	size--;
	while (size >= FRAME_HEADER) {
		uint8_t header[FRAME_HEADER];
		struct frame f;
		size_t n;
		int rc;

		memcpy(header, data, sizeof(header));
		frames_put_checks(header, sizeof(header), 0);
		rc = frame_get(&f, header, from_sender);
		CHECK(rc == 0 || rc == ERR_PROTOCOL);
		if (rc)
			break;
		CHECK(f.len <= MSG_PACK_FIXED + WIRE_DIGEST_MAX + CHUNK_MAX);
		CHECK(from_sender || f.len <= FRAME_REPLY_MAX);
		CHECK(strcmp(frame_name(f.type), "?") != 0);
		data += FRAME_HEADER;
		size -= FRAME_HEADER;
		n = f.len < size ? f.len : size;
		take_body(&f, header, data, n, digest_size);
		data += n;
		size -= n;
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned seed)
{
	return frames_mutate(data, size, max_size, seed, 1);
}
