/*
 * Unit tests of the messages: their bytes written out by hand, every cut and
 * every excess refused, every field at its limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/msg.h"

/* What the samples below are made with. */
enum { DIGEST = 16, PAYLOAD = 0x300 };

#define TOKEN "\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf"
/* The same for an array of 16: gcc 15 warns of a string without its NUL. */
#define TOKEN_ARRAY                                                         \
	{                                                                   \
		0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, \
		0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf                          \
	}
#define SUM_ARRAY                                                           \
	{                                                                   \
		0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, \
		0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf                          \
	}
#define SUM "\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd\xde\xdf"
#define ID "\x11\x22\x33\x44\x55\x66\x77\x88"
#define ID_VALUE 0x1122334455667788
#define META "\0\0\x0d\xed\xff\xff\xff\xff\xff\xff\xff\xfe\x3b\x9a\xc9\xff"
#define META_VALUE 06755, -2, 999999999, 0, 0, NULL

static const struct msg_hello hello = {
	0x0102, 3, HELLO_SINGLE, 0x0405, EXISTING_NEWER, 0x80010001,
	TOKEN_ARRAY,
};
static const struct msg_join join = { 0x0102, 15, TOKEN_ARRAY };
static const struct msg_ready ready = {
	0x0102, 16, 0x80000001, 7, TOKEN_ARRAY, 0, 0,
};
static const struct msg_open open_msg = {
	ID_VALUE,       0x10000000000001, 0x0fffffffffffffff,
	{ META_VALUE }, "a/\xff",         3, SUM,
};
static const struct msg_chunk chunk = {
	ID_VALUE, 0x1fffffffe00000, 0xfffff, 2, SUM,
};
static const struct msg_hole hole = { ID_VALUE, 0x300000, 0x4000000000 };
static const struct msg_file_end file_end = { ID_VALUE, 0x1ffffffffffff, SUM };
static const struct msg_file_abort file_abort = { ID_VALUE, CAUSE_VANISHED };
static const struct msg_pack pack = {
	ID_VALUE, 1000, 0xabcde, 0x12345, 1, SUM,
};
#define TEN_LESS_TWO "\x11\x12\x13\x14\x15\x16\x17\x18"
static const struct msg_finish finish = { ID_VALUE, 0x99, SUM_ARRAY };
static const struct msg_summary summary = {
	ID_VALUE, 0x99, SUM_ARRAY, 0x77,
};
static const struct msg_state state_msg = {
	ID_VALUE, STATE_RESUME, 3, 2, { { 5, 0x102 }, { 0x108, 1 } },
};
static const struct msg_check check = {
	ID_VALUE, 0x4000000, 64, CHECK_RANGE, (const uint8_t *)SUM,
};
/* Bytes of digests, as many as the lists have. */
#define LEAF SUM SUM "\1\2\3\4\5\6\7\x8"
static const struct msg_compare compare = {
	ID_VALUE, 0x4000000, 2, COMPARE_LEAVES, 0, 0,
	(const uint8_t *)LEAF LEAF,
};
static const struct msg_signature signature = {
	ID_VALUE, 0x4000001, 2, SIGNATURE_PIECES,
	(const uint8_t *)"\x0f\xff" TEN_LESS_TWO "\0\0" TEN_LESS_TWO,
};
#define DIRS ID "\0\0\0\0\0\0\0\x99" "\0\3" "d/e" \
	"\xff\xff\xff\xff\xff\xff\xff\xff" ID "\0\0"
static const struct msg_delete delete_msg = {
	DELETE_DIRS, 2, (const uint8_t *)DIRS, sizeof(DIRS) - 1,
};
#define EXTRA_ROWS "\x01" "\0\3" "f/g" "\x02" "\0\1" "f"
static const struct msg_extra extra_msg = {
	EXTRA_LIST, EXTRA_BELOW | EXTRA_FOLDS, 2, 0x01020304,
	(const uint8_t *)EXTRA_ROWS, sizeof(EXTRA_ROWS) - 1,
};
static const struct msg_offered offered = { ID_VALUE, 11, { 0x81, 0x06 } };
static const struct msg_checked checked = { ID_VALUE, 0x4000000, 3, 5 };
static const struct msg_verdict verdict = {
	ID_VALUE,       0x01020304,         STATUS_FAILED,
	CAUSE_NO_SPACE, 0x0102030405060708, 0x1112131415161718, 0,
	NULL,           0,
};
static const struct msg_resend resend = { ID_VALUE, 0x700000 };
static const struct msg_note note = { CAUSE_READ_ONLY, ITEM_DIR, "d/e", 3,
				     FILE_META_TIME };
static const struct msg_timeout timeout_msg = { 0x01020304 };
static const struct msg_progress progress = {
	0x0102030405060708, 0x1112131415161718, ID_VALUE, 5, 6, PROGRESS_ENDLESS,
};
#define FOURTEEN "\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
static const struct msg_direct direct = {
	0x2501, 2, "0123456789abcdef0123456789abcde", { { 1, 2 }, { 3, 4 } },
};
static const struct msg_streams streams = { 15 };
static const struct msg_error error_msg = { WERR_BUSY, "h\xc3\xbc", 3 };

/* For each message: write the sample; decode a body, check nothing; decode and
 * encode again, where it could be decoded. */
#define MESSAGE(name, var)                                                     \
	static void put_##name(struct buf *b)                                  \
	{                                                                      \
		msg_put_##name(b, &var);                                       \
	}                                                                      \
	static int again_##name(struct buf *b, const uint8_t *p, size_t n)     \
	{                                                                      \
		struct msg_##name m;                                           \
		int rc;                                                        \
                                                                               \
		memset(&m, 0xee, sizeof(m));                                   \
		rc = msg_get_##name(&m, p, n);                                 \
		if (rc == 0)                                                   \
			msg_put_##name(b, &m);                                 \
		return rc;                                                     \
	}

MESSAGE(hello, hello)
MESSAGE(join, join)
MESSAGE(hole, hole)
MESSAGE(file_abort, file_abort)
MESSAGE(finish, finish)
MESSAGE(summary, summary)
MESSAGE(state, state_msg)
MESSAGE(checked, checked)
MESSAGE(offered, offered)
MESSAGE(compare, compare)
MESSAGE(signature, signature)
MESSAGE(delete, delete_msg)
MESSAGE(extra, extra_msg)
MESSAGE(verdict, verdict)
MESSAGE(resend, resend)
MESSAGE(note, note)
MESSAGE(timeout, timeout_msg)
MESSAGE(progress, progress)
MESSAGE(direct, direct)
MESSAGE(streams, streams)
MESSAGE(error, error_msg)

static void put_ready(struct buf *b)
{
	msg_put_ready(b, &ready);
}

/* A READY whose bits say that more follows, and none does, is ignored so far,
 * and cannot be encoded. */
static int again_ready(struct buf *b, const uint8_t *p, size_t n)
{
	struct msg_ready m;
	int rc = msg_get_ready(&m, p, n);

	if (rc == 0 && n == 28)
		m.features &= ~(uint32_t)(FEATURE_PRESERVE | FEATURE_LISTS);
	if (rc == 0)
		msg_put_ready(b, &m);
	if (rc == 0 && n == 28)
		be_put32(b->data + FRAME_HEADER + 4, be_get32(p + 4));
	return rc;
}

static void put_chunk(struct buf *b)
{
	msg_put_chunk(b, &chunk, DIGEST, PAYLOAD);
}

static int again_chunk(struct buf *b, const uint8_t *p, size_t n)
{
	struct msg_chunk m;
	int rc = msg_get_chunk(&m, DIGEST, p, n, PAYLOAD);

	if (rc == 0)
		msg_put_chunk(b, &m, DIGEST, PAYLOAD);
	return rc;
}

static void put_open(struct buf *b)
{
	msg_put_open(b, &open_msg, DIGEST, FILE_META_BASIC);
}

static int again_open(struct buf *b, const uint8_t *p, size_t n)
{
	struct msg_open m;
	int rc = msg_get_open(&m, DIGEST, FILE_META_BASIC, p, n);

	if (rc == 0)
		msg_put_open(b, &m, DIGEST, FILE_META_BASIC);
	return rc;
}

static void put_file_end(struct buf *b)
{
	msg_put_file_end(b, &file_end, DIGEST);
}

static int again_file_end(struct buf *b, const uint8_t *p, size_t n)
{
	struct msg_file_end m;
	int rc = msg_get_file_end(&m, DIGEST, p, n);

	if (rc == 0)
		msg_put_file_end(b, &m, DIGEST);
	return rc;
}

static void put_check(struct buf *b)
{
	msg_put_check(b, &check, DIGEST);
}

static int again_check(struct buf *b, const uint8_t *p, size_t n)
{
	struct msg_check m;
	int rc = msg_get_check(&m, DIGEST, p, n);

	if (rc == 0)
		msg_put_check(b, &m, DIGEST);
	return rc;
}

static void put_pack(struct buf *b)
{
	msg_put_pack(b, &pack, DIGEST, PAYLOAD);
}

static int again_pack(struct buf *b, const uint8_t *p, size_t n)
{
	struct msg_pack m;
	int rc = msg_get_pack(&m, DIGEST, p, n, PAYLOAD);

	if (rc == 0)
		msg_put_pack(b, &m, DIGEST, PAYLOAD);
	return rc;
}

/* The samples' bytes, by hand: type, flags and 0 for the check, length,
 * body. */
enum { TYPE_AND_LENGTH = 8 };
#define BYTES(text) text, sizeof(text) - 1
/* clang-format off */
static const struct message {
	void (*put)(struct buf *b);
	int (*again)(struct buf *b, const uint8_t *p, size_t n);
	const char *bytes;
	size_t len;
	uint32_t payload; /* bytes that the header counts but that follow */
	/* where reserved bytes are in the body */
	size_t reserved, reserved_len;
} messages[] = {
	{ put_hello, again_hello,
	  BYTES("\x01\0\0\0" "\0\0\0\x24" "FERRY\r\n\0" "\x01\x02" "\x03" "\x01"
		"\x04\x05" "\x04" "\0" "\x80\x01\0\x01" TOKEN),
	  0, 15, 1 },
	{ put_join, again_join,
	  BYTES("\x02\0\0\0" "\0\0\0\x1c" "FERRY\r\n\0" "\x01\x02" "\0\x0f"
		TOKEN),
	  0, 0, 0 },
	{ put_open, again_open,
	  BYTES("\x03\0\0\0" "\0\0\0\x3d" ID "\0\x10\0\0\0\0\0\x01"
		"\x0f\xff\xff\xff\xff\xff\xff\xff" META "\0\x03" "a/\xff"
		SUM),
	  0, 0, 0 },
	{ put_chunk, again_chunk,
	  BYTES("\x04\0\0\0" "\0\0\x03\x28" ID "\0\x1f\xff\xff\xff\xe0\0\0"
		"\0\x0f\xff\xff" "\x02" "\0\0\0" SUM),
	  PAYLOAD, 21, 3 },
	{ put_hole, again_hole,
	  BYTES("\x05\0\0\0" "\0\0\0\x18" ID "\0\0\0\0\0\x30\0\0"
		"\0\0\0\x40\0\0\0\0"),
	  0, 0, 0 },
	{ put_file_end, again_file_end,
	  BYTES("\x06\0\0\0" "\0\0\0\x20" ID "\0\x01\xff\xff\xff\xff\xff\xff"
		SUM),
	  0, 0, 0 },
	{ put_file_abort, again_file_abort,
	  BYTES("\x07\0\0\0" "\0\0\0\x0a" ID "\0\x0f"), 0, 0, 0 },
	{ put_pack, again_pack,
	  BYTES("\x08\0\0\0" "\0\0\x03\x28" ID "\0\0\x03\xe8" "\0\x0a\xbc\xde"
		"\0\x01\x23\x45" "\x01" "\0\0\0" SUM),
	  PAYLOAD, 21, 3 },
	{ msg_put_flush, NULL, BYTES("\x0b\0\0\0" "\0\0\0\0"), 0, 0, 0 },
	{ msg_put_stream_end, NULL, BYTES("\x09\0\0\0" "\0\0\0\0"), 0, 0, 0 },
	{ put_finish, again_finish,
	  BYTES("\x0a\0\0\0" "\0\0\0\x20" ID "\0\0\0\0\0\0\0\x99" SUM),
	  0, 0, 0 },
	{ put_ready, again_ready,
	  BYTES("\x10\0\0\0" "\0\0\0\x1c" "\x01\x02" "\0\x10" "\x80\0\0\x01"
		"\0\0\0\x07" TOKEN),
	  0, 0, 0 },
	{ put_check, again_check,
	  BYTES("\x0c\0\0\0" "\0\0\0\x28" ID "\0\0\0\0\x04\0\0\0"
		"\0\0\0\x40" "\x02" "\0\0\0" SUM),
	  0, 21, 3 },
	{ put_compare, again_compare,
	  BYTES("\x0e\0\0\0" "\0\0\0\x68" ID "\0\0\0\0\x04\0\0\0"
		"\0\0\0\x02" "\x01" "\0" "\0\0" LEAF LEAF),
	  0, 0, 0 },
	{ put_signature, again_signature,
	  BYTES("\x18\0\0\0" "\0\0\0\x2c" ID "\0\0\0\0\x04\0\0\x01"
		"\0\0\0\x02" "\x04" "\0\0\0" "\x0f\xff" TEN_LESS_TWO
		"\0\0" TEN_LESS_TWO),
	  0, 21, 3 },
	{ put_delete, again_delete,
	  BYTES("\x20\0\0\0" "\0\0\0\x2b" "\x02" "\0" "\0\x02" DIRS),
	  0, 1, 1 },
	{ put_extra, again_extra,
	  BYTES("\x21\0\0\0" "\0\0\0\x12" "\x02" "\x03" "\0\x02"
		"\x01\x02\x03\x04" EXTRA_ROWS),
	  0, 0, 0 },
	{ put_state, again_state,
	  BYTES("\x11\0\0\0" "\0\0\0\x30" ID "\x03" "\x03" "\0\0" "\0\0\0\x02"
		"\0\0\0\0\0\0\0\x05" "\0\0\0\0\0\0\x01\x02"
		"\0\0\0\0\0\0\x01\x08" "\0\0\0\0\0\0\0\x01"),
	  0, 10, 2 },
	{ put_offered, again_offered,
	  BYTES("\x17\0\0\0" "\0\0\0\x12" ID "\0\0\0\x0b" "\0\0\0\0"
		"\x81\x06"),
	  0, 12, 4 },
	{ put_checked, again_checked,
	  BYTES("\x16\0\0\0" "\0\0\0\x20" ID "\0\0\0\0\x04\0\0\0"
		"\0\0\0\x03" "\0\0\0\0" "\0\0\0\0\0\0\0\x05"),
	  0, 20, 4 },
	{ put_verdict, again_verdict,
	  BYTES("\x12\0\0\0" "\0\0\0\x20" ID "\x01\x02\x03\x04" "\x04" "\0"
		"\0\x02" "\x01\x02\x03\x04\x05\x06\x07\x08"
		"\x11\x12\x13\x14\x15\x16\x17\x18"),
	  0, 13, 1 },
	{ put_resend, again_resend,
	  BYTES("\x13\0\0\0" "\0\0\0\x10" ID "\0\0\0\0\0\x70\0\0"), 0, 0, 0 },
	{ put_note, again_note,
	  BYTES("\x14\0\0\0" "\0\0\0\x09" "\0\x05" "\x02" "\x02" "\0\x03" "d/e"),
	  0, 0, 0 },
	{ put_summary, again_summary,
	  BYTES("\x15\0\0\0" "\0\0\0\x28" ID "\0\0\0\0\0\0\0\x99" SUM
		"\0\0\0\0\0\0\0\x77"),
	  0, 0, 0 },
	{ put_progress, again_progress,
	  BYTES("\x19\0\0\0" "\0\0\0\x2c" "\x01\x02\x03\x04\x05\x06\x07\x08"
		"\x11\x12\x13\x14\x15\x16\x17\x18" ID
		"\0\0\0\0\0\0\0\x05" "\0\0\0\0\0\0\0\x06" "\x02" "\0\0\0"),
	  0, 41, 3 },
	{ put_timeout, again_timeout,
	  BYTES("\x1d\0\0\0" "\0\0\0\x04" "\x01\x02\x03\x04"), 0, 0, 0 },
	{ put_direct, again_direct,
	  BYTES("\x24\0\0\0" "\0\0\0\x44" "\x25\x01" "\x02\0"
		"0123456789abcdef0123456789abcde\0"
		"\x01\x02" FOURTEEN "\x03\x04" FOURTEEN),
	  0, 3, 1 },
	{ put_streams, again_streams,
	  BYTES("\x25\0\0\0" "\0\0\0\x04" "\0\x0f" "\0\0"),
	  0, 2, 2 },
	{ msg_put_ping, NULL, BYTES("\x1e\0\0\0" "\0\0\0\0"), 0, 0, 0 },
	{ put_error, again_error,
	  BYTES("\x1f\0\0\0" "\0\0\0\x07" "\0\x03" "\0\x03" "h\xc3\xbc"),
	  0, 0, 0 },
};
/* clang-format on */
enum { MESSAGES = sizeof(messages) / sizeof(messages[0]) };

/* Decode a copy of n bytes that ends where its memory does; what it says,
 * encoded again, must be the same bytes. */
static int decode(const struct message *m, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	struct buf b;
	int rc;

	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, p, n);
	buf_init(&b, 1 << 16);
	rc = m->again(&b, copy, n);
	if (rc == 0) {
		assert_int_equal(b.failed, 0);
		assert_int_equal(b.len, FRAME_HEADER + n);
		assert_memory_equal(b.data + FRAME_HEADER, p, n);
	} else {
		assert_int_equal(rc, ERR_PROTOCOL);
	}
	buf_release(&b);
	free(copy);
	return rc;
}

/* The body of a sample, to change and decode: room for n more bytes. */
static uint8_t *body_of(const struct message *m, size_t *n, size_t more)
{
	uint8_t *p;

	*n = m->len - TYPE_AND_LENGTH;
	p = calloc(1, *n + more);
	assert_non_null(p);
	memcpy(p, m->bytes + TYPE_AND_LENGTH, *n);
	return p;
}

static void every_frame_has_a_message(void **state)
{
	/* a PACK; see test_msg_list; a PING */
	static const char others[] = { FRAME_OFFER, FRAME_LIST, FRAME_LISTED,
				       FRAME_BUSY };

	(void)state;
	for (unsigned type = 0; type <= UINT8_MAX; type++) {
		size_t found = memchr(others, (int)type, sizeof(others)) != NULL;

		for (size_t i = 0; i < MESSAGES; i++)
			found += (uint8_t)messages[i].bytes[0] == type;
		assert_int_equal(found > 0, strcmp(frame_name(type), "?") != 0);
		assert_true(found == 0 || type < FRAME_TYPES);
	}
}

static void every_message_has_its_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGES; i++) {
		const struct message *m = &messages[i];
		int from_sender;
		struct frame f;
		struct buf b;
		size_t n;

		buf_init(&b, 1 << 16);
		m->put(&b);
		assert_int_equal(b.failed, 0);
		n = m->len - TYPE_AND_LENGTH;
		assert_int_equal(b.len, FRAME_HEADER + n);
		/* who may send it: see test_frame */
		from_sender = frame_get(&f, b.data, 1) == 0;
		assert_int_equal(frame_get(&f, b.data, from_sender), 0);
		assert_int_equal(f.len, n + m->payload);
		be_put16(b.data + 2, 0); /* the checks: see test_frame */
		assert_memory_equal(b.data, m->bytes, TYPE_AND_LENGTH);
		assert_memory_equal(b.data + FRAME_HEADER,
				    m->bytes + TYPE_AND_LENGTH, n);
		/* a second one is appended */
		m->put(&b);
		assert_int_equal(b.len, 2 * (FRAME_HEADER + n));
		buf_release(&b);
	}
}

static void every_message_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGES; i++) {
		size_t n = messages[i].len - TYPE_AND_LENGTH;
		const char *body = messages[i].bytes + TYPE_AND_LENGTH;

		if (messages[i].again)
			assert_int_equal(
				decode(&messages[i], (const uint8_t *)body, n),
				0);
	}
}

static const struct message *message_of(unsigned type)
{
	size_t i = 0;

	while (i + 1 < MESSAGES && (uint8_t)messages[i].bytes[0] != type)
		i++;
	assert_int_equal((uint8_t)messages[i].bytes[0], type);
	return &messages[i];
}

/* The body of the message with this type. */
static const uint8_t *sample(unsigned type, size_t *n)
{
	const struct message *m = message_of(type);

	*n = m->len - TYPE_AND_LENGTH;
	return (const uint8_t *)m->bytes + TYPE_AND_LENGTH;
}

static void check_meta(const struct file_meta *m)
{
	assert_int_equal(m->mode, 06755);
	assert_true(m->mtime_s == -2);
	assert_int_equal(m->mtime_ns, 999999999);
}

/* It is found whatever follows it in another version. */
static void the_version_of_any_release(void **state)
{
	static const uint8_t body[] = "FERRY\r\n\0\x01\x02what follows";

	(void)state;
	assert_int_equal(msg_version(FRAME_HELLO, body, sizeof(body)), 0x102);
	assert_int_equal(msg_version(FRAME_JOIN, body, 10), 0x102);
	assert_int_equal(msg_version(FRAME_READY, body + 8, 2), 0x102);
	assert_int_equal(msg_version(FRAME_HELLO, body, 9), -1);
	assert_int_equal(msg_version(FRAME_READY, body, 1), -1);
	assert_int_equal(msg_version(FRAME_HELLO, body + 1, 12), -1);
}

/* The second word of features is read past, and what a later release puts after
 * it: but it is there where the bit says so, and only then. */
static void hello_has_room_for_more_features(void **state)
{
	uint8_t body[WIRE_OPENING_MAX] = { 0 };
	const size_t features_at = 16;
	struct msg_hello h;
	const uint8_t *p;
	size_t n;

	(void)state;
	p = sample(FRAME_HELLO, &n);
	memcpy(body, p, n);
	memset(body + n, 0xa5, sizeof(body) - n);
	assert_int_equal(msg_get_hello(&h, body, n + 4), ERR_PROTOCOL);
	body[features_at + 3] |= 0x80;
	for (size_t len = n; len <= sizeof(body); len++)
		assert_int_equal(msg_get_hello(&h, body, len),
				 len < n + 4 ? ERR_PROTOCOL : 0);
	assert_int_equal(h.features, 0x80010081);
	assert_memory_equal(h.session, TOKEN, 16);
}

static void fields_of_session_messages(void **state)
{
	struct msg_hello h;
	struct msg_join j;
	struct msg_ready r;
	struct msg_summary s;
	struct msg_error e;
	const uint8_t *p;
	size_t n;

	(void)state;
	p = sample(FRAME_HELLO, &n);
	assert_int_equal(msg_get_hello(&h, p, n), 0);
	assert_int_equal(h.version, 0x0102);
	assert_int_equal(h.digest, 3);
	assert_int_equal(h.flags, HELLO_SINGLE);
	assert_int_equal(h.streams, 0x0405);
	assert_int_equal(h.existing, EXISTING_NEWER);
	assert_int_equal(h.features, 0x80010001);
	assert_memory_equal(h.session, TOKEN, 16);
	p = sample(FRAME_JOIN, &n);
	assert_int_equal(msg_get_join(&j, p, n), 0);
	assert_int_equal(j.version, 0x0102);
	assert_int_equal(j.index, 15);
	assert_memory_equal(j.token, TOKEN, 16);
	p = sample(FRAME_READY, &n);
	assert_int_equal(msg_get_ready(&r, p, n), 0);
	assert_int_equal(r.version, 0x0102);
	assert_int_equal(r.streams, 16);
	assert_int_equal(r.features, 0x80000001);
	assert_int_equal(r.open_files, 7);
	assert_memory_equal(r.token, TOKEN, 16);
	p = sample(FRAME_SUMMARY, &n);
	assert_int_equal(msg_get_summary(&s, p, n), 0);
	assert_true(s.files == ID_VALUE);
	assert_int_equal(s.bytes, 0x99);
	assert_memory_equal(s.sum, SUM, 16);
	assert_int_equal(s.notes, 0x77);
	p = sample(FRAME_ERROR, &n);
	assert_int_equal(msg_get_error(&e, p, n), 0);
	assert_int_equal(e.code, WERR_BUSY);
	assert_int_equal(e.text_len, 3);
	assert_memory_equal(e.text, "h\xc3\xbc", 3);
}

static void fields_of_file_messages(void **state)
{
	struct msg_open o;
	struct msg_chunk c;
	struct msg_pack k;
	struct msg_file_end f;
	const uint8_t *p;
	size_t n;

	(void)state;
	p = sample(FRAME_OPEN, &n);
	assert_int_equal(msg_get_open(&o, DIGEST, FILE_META_BASIC, p, n), 0);
	assert_true(o.id == ID_VALUE && o.size == 0x10000000000001);
	assert_true(o.allocated == 0x0fffffffffffffff);
	check_meta(&o.meta);
	assert_int_equal(o.name_len, 3);
	assert_ptr_equal(o.name, p + MSG_OPEN_FIXED);
	assert_memory_equal(o.digest, SUM, DIGEST);
	p = sample(FRAME_CHUNK, &n);
	assert_int_equal(msg_get_chunk(&c, DIGEST, p, n, PAYLOAD), 0);
	assert_true(c.id == ID_VALUE && c.offset == 0x1fffffffe00000);
	assert_int_equal(c.raw_len, 0xfffff);
	assert_int_equal(c.codec, 2);
	assert_memory_equal(c.digest, SUM, DIGEST);
	p = sample(FRAME_PACK, &n);
	assert_int_equal(msg_get_pack(&k, DIGEST, p, n, PAYLOAD), 0);
	assert_true(k.first_id == ID_VALUE);
	assert_int_equal(k.count, 1000);
	assert_int_equal(k.raw_len, 0xabcde);
	assert_int_equal(k.table_len, 0x12345);
	assert_int_equal(k.codec, 1);
	assert_memory_equal(k.digest, SUM, DIGEST);
	p = sample(FRAME_FILE_END, &n);
	assert_int_equal(msg_get_file_end(&f, DIGEST, p, n), 0);
	assert_true(f.id == ID_VALUE && f.size == 0x1ffffffffffff);
	assert_memory_equal(f.digest, SUM, DIGEST);
}

static void fields_of_replies(void **state)
{
	struct msg_verdict v;
	struct msg_state s;
	struct msg_check c;
	struct msg_checked d;
	struct msg_note o;
	struct msg_resend r;
	const uint8_t *p;
	size_t n;

	(void)state;
	p = sample(FRAME_VERDICT, &n);
	assert_int_equal(msg_get_verdict(&v, p, n), 0);
	assert_true(v.first_id == ID_VALUE);
	assert_int_equal(v.count, 0x01020304);
	assert_int_equal(v.status, STATUS_FAILED);
	assert_int_equal(v.cause, CAUSE_NO_SPACE);
	assert_true(v.need == 0x0102030405060708);
	assert_true(v.have == 0x1112131415161718);
	p = sample(FRAME_STATE, &n);
	assert_int_equal(msg_get_state(&s, p, n), 0);
	assert_true(s.id == ID_VALUE);
	assert_int_equal(s.state, STATE_RESUME);
	assert_int_equal(s.digest, 3);
	assert_int_equal(s.run_count, 2);
	assert_true(s.runs[0].first == 5 && s.runs[0].count == 0x102);
	assert_true(s.runs[1].first == 0x108 && s.runs[1].count == 1);
	p = sample(FRAME_CHECK, &n);
	assert_int_equal(msg_get_check(&c, DIGEST, p, n), 0);
	assert_true(c.id == ID_VALUE && c.offset == 0x4000000);
	assert_int_equal(c.count, 64);
	assert_int_equal(c.kind, CHECK_RANGE);
	assert_memory_equal(c.digests, SUM, DIGEST);
	p = sample(FRAME_CHECKED, &n);
	assert_int_equal(msg_get_checked(&d, p, n), 0);
	assert_true(d.id == ID_VALUE && d.offset == 0x4000000);
	assert_int_equal(d.count, 3);
	assert_true(d.differing == 5);
	p = sample(FRAME_RESEND, &n);
	assert_int_equal(msg_get_resend(&r, p, n), 0);
	assert_true(r.id == ID_VALUE && r.offset == 0x700000);
	p = sample(FRAME_NOTE, &n);
	assert_int_equal(msg_get_note(&o, p, n), 0);
	assert_int_equal(o.cause, CAUSE_READ_ONLY);
	assert_int_equal(o.kind, ITEM_DIR);
	assert_int_equal(o.name_len, 3);
	assert_memory_equal(o.name, "d/e", 3);
}

static void every_cut_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGES; i++) {
		size_t n;
		uint8_t *p;

		if (!messages[i].again)
			continue;
		p = body_of(&messages[i], &n, 0);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(decode(&messages[i], p, cut),
					 ERR_PROTOCOL);
		free(p);
	}
}

static void every_excess_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGES; i++) {
		size_t n;
		uint8_t *p;

		if (!messages[i].again)
			continue;
		p = body_of(&messages[i], &n, 100);
		for (size_t more = 1; more <= 100; more++)
			assert_int_equal(decode(&messages[i], p, n + more),
					 ERR_PROTOCOL);
		free(p);
	}
}

static void reserved_bits_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGES; i++) {
		const struct message *m = &messages[i];
		size_t n;
		uint8_t *p;

		if (!m->again)
			continue;
		p = body_of(m, &n, 0);
		for (size_t bit = 0; bit < 8 * m->reserved_len; bit++) {
			uint8_t *at = p + m->reserved + bit / 8;

			*at = (uint8_t)(1 << bit % 8);
			assert_int_equal(decode(m, p, n), ERR_PROTOCOL);
			*at = 0;
		}
		assert_int_equal(decode(m, p, n), 0);
		free(p);
	}
}

static void another_magic_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t n;
		uint8_t *p = body_of(&messages[i], &n, 0);

		for (size_t bit = 0; bit < 64; bit++) {
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(decode(&messages[i], p, n),
					 ERR_PROTOCOL);
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		free(p);
	}
}

/* A field of a sample's body, and which values it may have there. */
struct field {
	unsigned type;
	size_t off, width;
	uint64_t min, max;
	uint64_t step;  /* a multiple of it; 0: any */
	uint64_t extra; /* allowed besides; 0: none */
};

#define SIZE_LIMIT ((uint64_t)1 << 53)
#define LAST_OFFSET (SIZE_LIMIT - CHUNK_MAX)
static const struct field fields[] = {
	{ FRAME_HELLO, 8, 2, 0, UINT16_MAX, 0, 0 },  /* version */
	{ FRAME_HELLO, 10, 1, 0, UINT8_MAX, 0, 0 },  /* digest */
	{ FRAME_HELLO, 11, 1, 0, 7, 0, 0 },          /* flags */
	{ FRAME_HELLO, 12, 2, 1, UINT16_MAX, 0, 0 }, /* streams */
	{ FRAME_HELLO, 14, 1, 0, EXISTING_BACKUP, 0, 0 }, /* existing */
	{ FRAME_HELLO, 16, 3, 0, 0xffffff, 0, 0 },   /* features */
	/* with bit 7 a second word has to follow */
	{ FRAME_HELLO, 19, 1, 0, 127, 0, 0 },
	{ FRAME_JOIN, 8, 2, 0, UINT16_MAX, 0, 0 },
	{ FRAME_JOIN, 10, 2, 1, 15, 0, 0 }, /* index */
	{ FRAME_READY, 0, 2, 0, UINT16_MAX, 0, 0 },
	{ FRAME_READY, 2, 2, 1, 16, 0, 0 }, /* streams */
	{ FRAME_READY, 8, 4, 1, UINT32_MAX, 0, 0 }, /* open files */
	{ FRAME_OPEN, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_OPEN, 8, 8, 0, SIZE_LIMIT, 0, UINT64_MAX },
	{ FRAME_OPEN, 16, 8, 0, UINT64_MAX, 0, 0 }, /* allocated */
	{ FRAME_OPEN, 24, 4, 0, 07777, 0, 0 },      /* mode */
	{ FRAME_OPEN, 28, 8, 0, UINT64_MAX, 0, 0 }, /* seconds */
	{ FRAME_OPEN, 36, 4, 0, 999999999, 0, 0 },
	{ FRAME_OPEN, 40, 2, 3, 3, 0, 0 }, /* name length */
	{ FRAME_CHUNK, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_CHUNK, 8, 8, 0, LAST_OFFSET, CHUNK_MAX, 0 },
	{ FRAME_CHUNK, 16, 4, PAYLOAD, CHUNK_MAX, 0, 0 },
	{ FRAME_CHUNK, 20, 1, 1, UINT8_MAX, 0, 0 }, /* codec */
	{ FRAME_HOLE, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_HOLE, 8, 8, 0, SIZE_LIMIT - 0x4000000000, CHUNK_MAX, 0 },
	{ FRAME_HOLE, 16, 8, 1, SIZE_LIMIT - 0x300000, 0, 0 },
	{ FRAME_FILE_END, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_FILE_END, 8, 8, 0, SIZE_LIMIT, 0, 0 },
	{ FRAME_FILE_ABORT, 8, 2, 0, UINT16_MAX, 0, 0 }, /* cause */
	{ FRAME_PACK, 0, 8, 0, UINT64_MAX - 999, 0, 0 },
	{ FRAME_PACK, 8, 4, 1, 1024, 0, 0 },             /* count */
	{ FRAME_PACK, 12, 4, 0x12345, CHUNK_MAX, 0, 0 }, /* raw length */
	{ FRAME_PACK, 16, 4, 0, 0xabcde, 0, 0 },         /* of the table */
	{ FRAME_PACK, 20, 1, 1, UINT8_MAX, 0, 0 },
	{ FRAME_FINISH, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_FINISH, 8, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_SUMMARY, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_SUMMARY, 32, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_STATE, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_STATE, 8, 1, 3, 3, 0, 0 },    /* state: it has runs */
	{ FRAME_STATE, 9, 1, 1, UINT8_MAX, 0, 0 }, /* digest */
	{ FRAME_STATE, 12, 4, 2, 2, 0, 0 },   /* how many */
	{ FRAME_STATE, 16, 8, 0, 5, 0, 0 },   /* first of the first */
	{ FRAME_STATE, 24, 8, 1, 0x102, 0, 0 },
	{ FRAME_STATE, 32, 8, 0x108, SIZE_LIMIT / CHUNK_MAX - 1, 0, 0 },
	{ FRAME_STATE, 40, 8, 1, SIZE_LIMIT / CHUNK_MAX - 0x108, 0, 0 },
	{ FRAME_CHECK, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_CHECK, 8, 8, 0, LAST_OFFSET, CHUNK_MAX, 0 },
	{ FRAME_CHECK, 16, 4, 1, 64, 0, 0 },  /* chunks, with one digest */
	{ FRAME_CHECK, 20, 1, 2, 2, 0, 0 },   /* kind */
	{ FRAME_COMPARE, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_COMPARE, 8, 8, 0, LAST_OFFSET, CHUNK_MAX, 0 },
	{ FRAME_COMPARE, 16, 4, 2, 2, 0, 0 },  /* leaves that are there */
	{ FRAME_COMPARE, 20, 1, 1, 1, 0, 0 },  /* kind */
	{ FRAME_COMPARE, 21, 1, 0, 0, 0, 0 },  /* bits, for pieces only */
	{ FRAME_COMPARE, 22, 2, 0, 0, 0, 0 },  /* stride, likewise */
	{ FRAME_SIGNATURE, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_SIGNATURE, 8, 8, 0, SIZE_LIMIT - 1, 0, 0 },
	{ FRAME_SIGNATURE, 16, 4, 2, 2, 0, 0 }, /* pieces that are there */
	{ FRAME_SIGNATURE, 20, 1, 4, 4, 0, 0 }, /* kind */
	{ FRAME_DELETE, 0, 1, 2, 2, 0, 0 },  /* kind: with two directories */
	{ FRAME_DELETE, 1, 1, 0, 0, 0, 0 },  /* reserved */
	{ FRAME_DELETE, 2, 2, 2, 2, 0, 0 },  /* how many */
	{ FRAME_DELETE, 4, 8, 0, UINT64_MAX, 0, 0 }, /* names */
	{ FRAME_DELETE, 20, 2, 3, 3, 0, 0 }, /* path length */
	{ FRAME_EXTRA, 0, 1, 2, 2, 0, 0 },   /* kind: with two rows */
	{ FRAME_EXTRA, 1, 1, 0, 3, 0, 0 },   /* flags */
	{ FRAME_EXTRA, 2, 2, 2, 2, 0, 0 },   /* how many */
	{ FRAME_EXTRA, 4, 4, 0, UINT32_MAX, 0, 0 }, /* directory */
	{ FRAME_EXTRA, 8, 1, 1, 2, 0, 0 },   /* kind of the first */
	{ FRAME_EXTRA, 9, 2, 3, 3, 0, 0 },   /* name length */
	{ FRAME_OFFERED, 0, 8, 0, UINT64_MAX - 10, 0, 0 },
	{ FRAME_OFFERED, 8, 4, 11, 16, 0, 0 }, /* items: two bytes of bits */
	{ FRAME_OFFERED, 17, 1, 0, 7, 0, 0 },  /* the last ones */
	{ FRAME_CHECKED, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_CHECKED, 8, 8, 0, LAST_OFFSET, CHUNK_MAX, 0 },
	{ FRAME_CHECKED, 16, 4, 3, 64, 0, 0 }, /* chunks: bits 0 and 2 */
	{ FRAME_CHECKED, 24, 8, 0, 7, 0, 0 },
	{ FRAME_VERDICT, 0, 8, 0, UINT64_MAX - 0x01020303, 0, 0 },
	{ FRAME_VERDICT, 8, 4, 1, UINT32_MAX, 0, 0 },
	{ FRAME_VERDICT, 12, 1, 1, 6, 0, 0 }, /* status */
	{ FRAME_VERDICT, 16, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_VERDICT, 24, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_RESEND, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_RESEND, 8, 8, 0, LAST_OFFSET, CHUNK_MAX, 0 },
	{ FRAME_NOTE, 0, 2, 0, UINT16_MAX, 0, 0 }, /* cause */
	{ FRAME_NOTE, 2, 1, 1, 3, 0, 0 },          /* kind */
	{ FRAME_NOTE, 4, 2, 3, 3, 0, 0 },          /* name length */
	{ FRAME_PROGRESS, 0, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_PROGRESS, 8, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_PROGRESS, 16, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_PROGRESS, 24, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_PROGRESS, 32, 8, 0, UINT64_MAX, 0, 0 },
	{ FRAME_PROGRESS, 40, 1, 0, 3, 0, 0 },     /* flags */
	{ FRAME_ERROR, 0, 2, 1, 10, 0, 0 },        /* code */
	{ FRAME_ERROR, 2, 2, 3, 3, 0, 0 },         /* text length */
};

static int is_allowed(const struct field *f, uint64_t v)
{
	if (f->extra && v == f->extra)
		return 1;
	return v >= f->min && v <= f->max && (!f->step || v % f->step == 0);
}

static void put_field(uint8_t *p, size_t width, uint64_t v)
{
	for (size_t i = 0; i < width; i++)
		p[width - 1 - i] = (uint8_t)(v >> (8 * i));
}

static void try_value(const struct field *f, uint64_t v)
{
	const struct message *m = message_of(f->type);
	size_t n;
	uint8_t *p;
	int rc;

	if (f->width < 8 && v >> (8 * f->width) != 0)
		return;
	p = body_of(m, &n, 0);
	put_field(p + f->off, f->width, v);
	rc = decode(m, p, n);
	if ((rc == 0) != is_allowed(f, v))
		print_error("%s+%zu: %llx gave %d\n", frame_name(f->type),
			    f->off, (unsigned long long)v, rc);
	assert_int_equal(rc == 0, is_allowed(f, v));
	free(p);
}

/* Where the receiver grants --preserve, READY says what it accepts. */
static void ready_ends_with_what_is_accepted(void **state)
{
	struct msg_ready m = ready, got;
	struct buf b;

	(void)state;
	buf_init(&b, 256);
	m.features = UINT32_MAX;
	m.preserve = PRESERVE_ACL | PRESERVE_SETID;
	msg_put_ready(&b, &m);
	assert_int_equal(msg_get_ready(&got, b.data + FRAME_HEADER,
				       b.len - FRAME_HEADER), 0);
	assert_int_equal(got.preserve, m.preserve);
	for (size_t cut = 1; cut < 4; cut++)
		assert_int_equal(msg_get_ready(&got, b.data + FRAME_HEADER,
					       b.len - FRAME_HEADER - cut),
				 ERR_PROTOCOL);
	/* a bit that was not asked for */
	assert_int_equal(msg_get_ready(&got, b.data + FRAME_HEADER,
				       b.len - FRAME_HEADER - 4), 0);
	assert_int_equal(got.preserve, 0);
	/* kinds of a later version */
	memset(b.data + b.len - 4, 0xff, 4);
	assert_int_equal(msg_get_ready(&got, b.data + FRAME_HEADER,
				       b.len - FRAME_HEADER), 0);
	assert_int_equal(got.preserve, PRESERVE_KNOWN);
	buf_reset(&b);
	m.features = ~(uint32_t)FEATURE_PRESERVE;
	msg_put_ready(&b, &m);
	assert_int_equal(msg_get_ready(&got, b.data + FRAME_HEADER,
				       b.len - FRAME_HEADER), 0);
	assert_int_equal(got.preserve, 0);
	assert_int_equal(got.features, m.features);
	buf_release(&b);
}

static void every_field_at_its_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];
		/* clang-format off */
		uint64_t values[] = {
			0, 1, 2, f->min - 1, f->min, f->min + 1, f->max - 1,
			f->max, f->max + 1, f->max + f->step, f->step,
			f->step + 1, 2 * f->step - 1, 0x7f, 0x80, 0xff, 0x100,
			0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
			0xffffffff, 0x100000000, SIZE_LIMIT - 1, SIZE_LIMIT,
			SIZE_LIMIT + 1, INT64_MAX, (uint64_t)1 << 63,
			UINT64_MAX - 1, UINT64_MAX, 0xfffffffffff00000,
		};
		/* clang-format on */

		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++)
			try_value(f, values[k]);
	}
}

/* Encode, decode: what the rules of the kinds are. */
static int is_valid_delete(unsigned kind, unsigned count, size_t len)
{
	static const uint8_t list[DELETE_BYTES_MAX];
	const struct msg_delete m = { (uint8_t)kind, (uint16_t)count, list, len };
	struct msg_delete got;
	struct buf b;
	int rc;

	buf_init(&b, 1 << 20);
	msg_put_delete(&b, &m);
	rc = msg_get_delete(&got, b.data + FRAME_HEADER, b.len - FRAME_HEADER);
	buf_release(&b);
	return rc == 0;
}

static int is_valid_extra(unsigned kind, unsigned flags, unsigned count,
			  uint32_t dir, size_t len)
{
	static const uint8_t list[EXTRA_BYTES_MAX];
	const struct msg_extra m = { (uint8_t)kind, (uint8_t)flags,
				     (uint16_t)count, dir, list, len };
	struct msg_extra got;
	struct buf b;
	int rc;

	buf_init(&b, 1 << 20);
	msg_put_extra(&b, &m);
	rc = msg_get_extra(&got, b.data + FRAME_HEADER, b.len - FRAME_HEADER);
	buf_release(&b);
	return rc == 0;
}

static void kinds_of_delete_and_extra(void **state)
{
	(void)state;
	assert_true(is_valid_delete(DELETE_BEGIN, 0, 0));
	assert_false(is_valid_delete(DELETE_BEGIN, 1, 0));
	assert_false(is_valid_delete(DELETE_BEGIN, 0, 1));
	/* directories with an empty path */
	assert_true(is_valid_delete(DELETE_DIRS, 1, DELETE_DIR_FIXED));
	assert_true(is_valid_delete(DELETE_DIRS, 1024,
				    1024 * DELETE_DIR_FIXED));
	assert_false(is_valid_delete(DELETE_DIRS, 1025,
				     1025 * DELETE_DIR_FIXED));
	assert_false(is_valid_delete(DELETE_DIRS, 0, 0));
	assert_false(is_valid_delete(DELETE_DIRS, 1, DELETE_DIR_FIXED - 1));
	assert_false(is_valid_delete(DELETE_DIRS, 1, DELETE_DIR_FIXED + 1));
	assert_true(is_valid_delete(DELETE_CHOICE, 8, 1));
	assert_true(is_valid_delete(DELETE_CHOICE, 4096, 512));
	assert_false(is_valid_delete(DELETE_CHOICE, 4097, 513));
	assert_false(is_valid_delete(DELETE_CHOICE, 0, 0));
	assert_false(is_valid_delete(DELETE_CHOICE, 9, 1));
	assert_false(is_valid_delete(0, 0, 0));
	assert_false(is_valid_delete(4, 0, 0));

	assert_true(is_valid_extra(EXTRA_READY, 0, 0, 0, 0));
	assert_false(is_valid_extra(EXTRA_READY, 0, 0, 1, 0));
	assert_false(is_valid_extra(EXTRA_READY, 1, 0, 0, 0));
	assert_true(is_valid_extra(EXTRA_DONE, 0, 0, 0, 0));
	assert_false(is_valid_extra(EXTRA_DONE, 0, 1, 0, 2));
	assert_true(is_valid_extra(EXTRA_RESULT, 0, 0, 0, 0));
	assert_true(is_valid_extra(EXTRA_RESULT, 0, 4096, 0, 8192));
	assert_false(is_valid_extra(EXTRA_RESULT, 0, 4097, 0, 8194));
	assert_false(is_valid_extra(EXTRA_RESULT, 0, 1, 0, 3));
	assert_true(is_valid_extra(EXTRA_UNREAD, 0, 1, 7, 2));
	assert_false(is_valid_extra(EXTRA_UNREAD, 0, 2, 7, 4));
	/* a row without a name, of no kind */
	assert_false(is_valid_extra(EXTRA_LIST, 0, 1, 0, EXTRA_ROW_FIXED));
	assert_false(is_valid_extra(EXTRA_LIST, 0, 0, 0, 0));
	assert_false(is_valid_extra(0, 0, 0, 0, 0));
	assert_false(is_valid_extra(6, 0, 0, 0, 0));
}

static int is_valid_compare(struct msg_compare m)
{
	static const uint8_t leaves[65 * COMPARE_LEAF];
	struct msg_compare got;
	struct buf b;
	int rc;

	m.leaves = leaves;
	buf_init(&b, 1 << 16);
	msg_put_compare(&b, &m);
	assert_int_equal(b.failed, 0);
	rc = msg_get_compare(&got, b.data + FRAME_HEADER,
			     b.len - FRAME_HEADER);
	buf_release(&b);
	return rc == 0;
}

static int is_valid_signature(struct msg_signature m)
{
	static const uint8_t list[1601 * SIGNATURE_PIECE];
	struct msg_signature got;
	struct buf b;
	int rc;

	m.list = list;
	buf_init(&b, 1 << 16);
	msg_put_signature(&b, &m);
	assert_int_equal(b.failed, 0);
	rc = msg_get_signature(&got, b.data + FRAME_HEADER,
			       b.len - FRAME_HEADER);
	buf_release(&b);
	return rc == 0;
}

static void kinds_of_a_delta(void **state)
{
	static const struct {
		struct msg_compare m;
		int is_valid;
	} asked[] = {
		{ { 1, 0, 1, COMPARE_LEAVES, 0, 0, NULL }, 1 },
		{ { 1, 0, 64, COMPARE_LEAVES, 0, 0, NULL }, 1 },
		{ { 1, 0, 65, COMPARE_LEAVES, 0, 0, NULL }, 0 },
		{ { 1, 0, 0, COMPARE_LEAVES, 0, 0, NULL }, 0 },
		{ { 1, 0, 1, COMPARE_PIECES, 12, 0, NULL }, 1 },
		{ { 1, 0, UINT32_MAX, COMPARE_PIECES, 255, 65535, NULL }, 1 },
		{ { 1, 0, 0, COMPARE_PIECES, 12, 1, NULL }, 0 },
		{ { 1, 1, 1, COMPARE_PIECES, 12, 1, NULL }, 0 },
		{ { 1, 0, 1, 3, 0, 0, NULL }, 0 },
	};
	static const struct {
		struct msg_signature m;
		int is_valid;
	} answered[] = {
		{ { 1, 1, 0, SIGNATURE_BASIS, NULL }, 1 },
		{ { 1, SIZE_LIMIT, 0, SIGNATURE_BASIS, NULL }, 1 },
		{ { 1, 0, 0, SIGNATURE_BASIS, NULL }, 0 },
		{ { 1, SIZE_LIMIT + 1, 0, SIGNATURE_BASIS, NULL }, 0 },
		{ { 1, 1, 1, SIGNATURE_BASIS, NULL }, 0 },
		{ { 1, CHUNK_MAX, 1, SIGNATURE_SAME, NULL }, 1 },
		{ { 1, 0, 64, SIGNATURE_SAME, NULL }, 1 },
		{ { 1, 0, 65, SIGNATURE_SAME, NULL }, 0 },
		{ { 1, 0, 0, SIGNATURE_SAME, NULL }, 0 },
		{ { 1, 1, 1, SIGNATURE_SAME, NULL }, 0 },
		{ { 1, 0, 0, SIGNATURE_BLOCKS, NULL }, 1 },
		{ { 1, 0, 256, SIGNATURE_BLOCKS, NULL }, 1 },
		{ { 1, 0, 257, SIGNATURE_BLOCKS, NULL }, 0 },
		{ { 1, 4096, 1, SIGNATURE_BLOCKS, NULL }, 0 },
		{ { 1, 0, 1600, SIGNATURE_PIECES, NULL }, 1 },
		{ { 1, 0, 1601, SIGNATURE_PIECES, NULL }, 0 },
		{ { 1, 0, 0, SIGNATURE_PIECES, NULL }, 0 },
		{ { 1, 7, 1, SIGNATURE_PIECES, NULL }, 1 },
		{ { 1, CHUNK_MAX, 0, SIGNATURE_END, NULL }, 1 },
		{ { 1, CHUNK_MAX, 1, SIGNATURE_END, NULL }, 0 },
		{ { 1, 0, 0, 0, NULL }, 0 },
		{ { 1, 0, 0, 6, NULL }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		assert_int_equal(is_valid_compare(asked[i].m),
				 asked[i].is_valid);
	for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
		assert_int_equal(is_valid_signature(answered[i].m),
				 answered[i].is_valid);
}

/* Names and texts as long as they may be, and a byte longer. */
static void try_text(unsigned type, size_t fixed, size_t max, size_t extra)
{
	for (size_t len = max - 1; len <= max + 1; len++) {
		uint8_t *p = calloc(1, fixed + len + extra);
		size_t n;

		assert_non_null(p);
		memcpy(p, sample(type, &n), fixed);
		put_field(p + fixed - 2, 2, len);
		assert_int_equal(decode(message_of(type), p,
					fixed + len + extra),
				 len <= max ? 0 : ERR_PROTOCOL);
		free(p);
	}
}

static void texts_at_their_limits(void **state)
{
	uint8_t p[42 + DIGEST] = { 0 };
	struct msg_error e;
	struct msg_open o;
	struct msg_note t;
	size_t n;

	(void)state;
	try_text(FRAME_OPEN, 42, 4095, DIGEST);
	try_text(FRAME_NOTE, 6, 4095, 0);
	try_text(FRAME_ERROR, 4, 512, 0);
	/* nothing at all: no name, but a text */
	memcpy(p, sample(FRAME_OPEN, &n), 42);
	put_field(p + 40, 2, 0);
	assert_int_equal(msg_get_open(&o, DIGEST, FILE_META_BASIC, p,
				      sizeof(p)),
			 ERR_PROTOCOL);
	assert_int_equal(msg_get_note(&t, (const uint8_t *)"\0\5\2\0\0\0", 6),
			 ERR_PROTOCOL);
	assert_int_equal(msg_get_error(&e, (const uint8_t *)"\0\5\0\0", 4), 0);
	assert_int_equal(e.text_len, 0);
}

/* What cannot be said in a frame fails the buffer. */
static void encoders_refuse_what_is_too_long(void **state)
{
	char *name = calloc(1, 70000);
	static const size_t lens[] = { 0, 4096, 65535, 65536, 65537, 70000 };

	(void)state;
	assert_non_null(name);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct msg_open o = open_msg;
		struct msg_note t = note;
		struct msg_error e = error_msg;
		struct pack_item it = { .kind = ITEM_SYMLINK,
					.name = "a",
					.name_len = 1 };
		struct buf b;

		buf_init(&b, 1 << 20);
		o.name = t.name = e.text = it.target = name;
		o.name_len = t.name_len = e.text_len = it.target_len = lens[i];
		msg_put_open(&b, &o, DIGEST, FILE_META_BASIC);
		assert_int_equal(b.failed, 1);
		buf_reset(&b);
		msg_put_note(&b, &t);
		assert_int_equal(b.failed, 1);
		buf_reset(&b);
		msg_put_error(&b, &e);
		assert_int_equal(b.failed, lens[i] > 0);
		buf_reset(&b);
		pack_put_item(&b, &it, &(struct pack_form){
						 DIGEST, FILE_META_BASIC });
		assert_int_equal(b.failed, 1);
		buf_release(&b);
	}
	free(name);
}

static void full_buffers_are_noticed(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGES; i++) {
		for (size_t max = 0; max < messages[i].len; max++) {
			struct buf b;

			buf_init(&b, max);
			messages[i].put(&b);
			assert_int_equal(b.failed, 1);
			assert_true(b.len <= max);
			buf_release(&b);
		}
	}
}

/* Bytes changed at random: whatever is understood means exactly those
 * bytes (decode() checks that). */
static void random_changes_do_no_harm(void **state)
{
	unsigned accepted = 0, refused = 0;
	uint32_t x = 123456789;

	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		const struct message *m = &messages[round % MESSAGES];
		size_t n;
		uint8_t *p;

		if (!m->again)
			continue;
		p = body_of(m, &n, 0);
		for (unsigned k = 0; k < 1 + round % 3; k++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			p[(x >> 8) % n] = (uint8_t)(x & 0xff);
		}
		if (decode(m, p, n) == 0)
			accepted++;
		else
			refused++;
		free(p);
	}
	assert_true(accepted > 1000 && refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_has_a_message),
		cmocka_unit_test(every_message_has_its_bytes),
		cmocka_unit_test(every_message_comes_back),
		cmocka_unit_test(the_version_of_any_release),
		cmocka_unit_test(hello_has_room_for_more_features),
		cmocka_unit_test(fields_of_session_messages),
		cmocka_unit_test(fields_of_file_messages),
		cmocka_unit_test(fields_of_replies),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(every_excess_is_refused),
		cmocka_unit_test(reserved_bits_are_refused),
		cmocka_unit_test(another_magic_is_refused),
		cmocka_unit_test(ready_ends_with_what_is_accepted),
		cmocka_unit_test(kinds_of_delete_and_extra),
		cmocka_unit_test(every_field_at_its_limits),
		cmocka_unit_test(kinds_of_a_delta),
		cmocka_unit_test(texts_at_their_limits),
		cmocka_unit_test(encoders_refuse_what_is_too_long),
		cmocka_unit_test(full_buffers_are_noticed),
		cmocka_unit_test(random_changes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
