/*
 * Frame headers, and the table of frame types: which side sends them, the
 * features that they need, and the range of their lengths.
 */
#include "wire/frame.h"

#include "base/buf.h"
#include "base/err.h"
#include "wire/body.h"
#include "wire/msg_list.h"

enum {
	FROM_SENDER = 1,
	FROM_RECEIVER = 2,
	FROM_BOTH = FROM_SENDER | FROM_RECEIVER,
	/* it brings something, or asks about what is being brought */
	CONTENT = 4,
};
enum { ALWAYS = 0 }; /* without any feature */

struct row {
	uint8_t type;
	uint8_t from;
	uint32_t needs;    /* the features without which it is not used */
	uint32_t min, max; /* bytes of the body */
	const char *name;
};

#define FIXED(type, from, needs, len)                                          \
	FRAME_##type, from, needs, len, len, #type
#define RANGE(type, from, needs, min, max)                                     \
	FRAME_##type, from, needs, min, max, #type

static const struct row rows[] = {
	/* Another version's may be longer; it is then refused by its number. */
	{ RANGE(HELLO, FROM_SENDER, ALWAYS, BODY_HELLO, WIRE_OPENING_MAX) },
	{ RANGE(JOIN, FROM_SENDER, ALWAYS, BODY_JOIN, WIRE_OPENING_MAX) },
	{ RANGE(OPEN, FROM_SENDER | CONTENT, ALWAYS,
		MSG_OPEN_FIXED + 1 + BODY_DIGEST_MIN,
		MSG_OPEN_FIXED + MSG_OPEN_FURTHER_MAX + WIRE_NAME_MAX +
			WIRE_DIGEST_MAX) },
	{ RANGE(CHUNK, FROM_SENDER | CONTENT, ALWAYS,
		MSG_CHUNK_FIXED + BODY_DIGEST_MIN,
		MSG_CHUNK_FIXED + WIRE_DIGEST_MAX + CHUNK_MAX) },
	{ FIXED(HOLE, FROM_SENDER | CONTENT, FEATURE_HOLES, BODY_HOLE) },
	{ RANGE(FILE_END, FROM_SENDER | CONTENT, ALWAYS,
		BODY_FILE_END + BODY_DIGEST_MIN,
		BODY_FILE_END + WIRE_DIGEST_MAX) },
	{ FIXED(FILE_ABORT, FROM_SENDER | CONTENT, ALWAYS, BODY_FILE_ABORT) },
	{ RANGE(PACK, FROM_SENDER | CONTENT, ALWAYS,
		MSG_PACK_FIXED + BODY_DIGEST_MIN + 1,
		MSG_PACK_FIXED + WIRE_DIGEST_MAX + CHUNK_MAX) },
	{ RANGE(OFFER, FROM_SENDER | CONTENT, FEATURE_OFFERS,
		MSG_PACK_FIXED + BODY_DIGEST_MIN + 1,
		MSG_PACK_FIXED + WIRE_DIGEST_MAX + CHUNK_MAX) },
	{ FIXED(STREAM_END, FROM_SENDER, ALWAYS, 0) },
	{ FIXED(FINISH, FROM_SENDER, ALWAYS, BODY_FINISH) },
	{ FIXED(FLUSH, FROM_SENDER, ALWAYS, 0) },
	{ RANGE(CHECK, FROM_SENDER | CONTENT, FEATURE_RESUME,
		BODY_CHECK + BODY_DIGEST_MIN,
		BODY_CHECK + CHECK_LEAVES_MAX * WIRE_DIGEST_MAX) },
	{ RANGE(COMPARE, FROM_SENDER | CONTENT, FEATURE_DELTA, BODY_COMPARE,
		BODY_COMPARE + COMPARE_LEAVES_MAX * COMPARE_LEAF) },
	{ RANGE(LIST, FROM_SENDER, FEATURE_LISTS,
		MSG_LIST_FIXED + BODY_DIGEST_MIN + 1,
		MSG_LIST_FIXED + WIRE_DIGEST_MAX + CHUNK_MAX) },
	{ RANGE(READY, FROM_RECEIVER, ALWAYS, BODY_READY, WIRE_OPENING_MAX) },
	{ RANGE(STATE, FROM_RECEIVER, ALWAYS, BODY_STATE,
		BODY_STATE + STATE_RUNS_MAX * BODY_RUN) },
	{ RANGE(VERDICT, FROM_RECEIVER, ALWAYS, BODY_VERDICT,
		BODY_VERDICT + 2 + WIRE_NAME_MAX) },
	{ FIXED(RESEND, FROM_RECEIVER, ALWAYS, BODY_RESEND) },
	{ RANGE(NOTE, FROM_BOTH, ALWAYS, BODY_NOTE + 1,
		BODY_NOTE + WIRE_NAME_MAX) },
	{ FIXED(SUMMARY, FROM_RECEIVER, ALWAYS, BODY_SUMMARY) },
	{ FIXED(CHECKED, FROM_RECEIVER, FEATURE_RESUME, BODY_CHECKED) },
	{ RANGE(OFFERED, FROM_RECEIVER, FEATURE_OFFERS, BODY_OFFERED + 1,
		BODY_OFFERED + PACK_ITEMS_MAX / 8) },
	{ RANGE(SIGNATURE, FROM_RECEIVER, FEATURE_DELTA, BODY_SIGNATURE,
		BODY_SIGNATURE + SIGNATURE_PIECES_MAX * SIGNATURE_PIECE) },
	{ FIXED(PROGRESS, FROM_BOTH, FEATURE_PROGRESS, BODY_PROGRESS) },
	{ FIXED(STREAMS, FROM_SENDER, FEATURE_DIRECT, BODY_STREAMS) },
	{ RANGE(DIRECT, FROM_BOTH, FEATURE_DIRECT, BODY_DIRECT,
		BODY_DIRECT + DIRECT_ADDRESSES_MAX * DIRECT_ADDRESS) },
	{ RANGE(DELETE, FROM_SENDER, REQUEST_DELETE, BODY_DELETE,
		BODY_DELETE + DELETE_BYTES_MAX) },
	{ RANGE(EXTRA, FROM_RECEIVER, REQUEST_DELETE, BODY_EXTRA,
		BODY_EXTRA + EXTRA_BYTES_MAX) },
	{ RANGE(LISTED, FROM_RECEIVER, FEATURE_LISTS, BODY_LISTED + LISTED_RUN,
		BODY_LISTED + PACK_ITEMS_MAX * LISTED_RUN) },
	{ FIXED(BUSY, FROM_BOTH, FEATURE_BUSY, 0) },
	{ FIXED(TIMEOUT, FROM_BOTH, FEATURE_TIMEOUT, BODY_TIMEOUT) },
	{ FIXED(PING, FROM_BOTH, ALWAYS, 0) },
	{ RANGE(ERROR, FROM_BOTH, ALWAYS, BODY_ERROR,
		BODY_ERROR + WIRE_TEXT_MAX) },
};

_Static_assert(BODY_VERDICT + 2 + WIRE_NAME_MAX <= FRAME_REPLY_MAX,
	       "a verdict with a name fits");
_Static_assert(BODY_NOTE + WIRE_NAME_MAX <= FRAME_REPLY_MAX &&
		       BODY_ERROR + WIRE_TEXT_MAX <= FRAME_REPLY_MAX &&
		       BODY_STATE + STATE_RUNS_MAX * BODY_RUN <=
			       FRAME_REPLY_MAX &&
		       BODY_SIGNATURE + SIGNATURE_PIECES_MAX *
			       SIGNATURE_PIECE <= FRAME_REPLY_MAX &&
		       BODY_EXTRA + EXTRA_BYTES_MAX <= FRAME_REPLY_MAX &&
		       BODY_LISTED + PACK_ITEMS_MAX * LISTED_RUN <=
			       FRAME_REPLY_MAX,
	       "replies fit in the sender's small buffer");

static const struct row *find_type(unsigned type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].type == type)
			return &rows[i];
	}
	return NULL;
}

static uint32_t crc16(uint32_t crc, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		crc ^= (uint32_t)p[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
	}
	return crc;
}

uint16_t frame_header_crc(const uint8_t *header)
{
	uint32_t crc = crc16(0xffff, header, 2);

	return (uint16_t)crc16(crc, header + 4, 4);
}

/* Four bits at a time, with a small table: the fields that it covers are
 * short. */
uint32_t frame_body_crc(const uint8_t *p, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

void frame_put(uint8_t *dst, enum frame_type type, uint32_t len)
{
	dst[0] = (uint8_t)type;
	dst[1] = 0;
	be_put32(dst + 4, len);
	be_put16(dst + 2, frame_header_crc(dst));
	be_put32(dst + 8, 0);
}

void frame_seal(uint8_t *frames, size_t n)
{
	while (n >= FRAME_HEADER) {
		size_t len = be_get32(frames + 4);

		if (len > n - FRAME_HEADER)
			len = n - FRAME_HEADER;
		be_put32(frames + 8,
			 frame_body_crc(frames + FRAME_HEADER, len));
		frames += FRAME_HEADER + len;
		n -= FRAME_HEADER + len;
	}
}

int frame_get(struct frame *f, const uint8_t *src, int from_sender)
{
	const struct row *row = find_type(src[0]);
	uint32_t len = be_get32(src + 4);

	if (!row || !(row->from & (from_sender ? FROM_SENDER : FROM_RECEIVER)))
		return ERR_PROTOCOL;
	if (src[1] != 0 || be_get16(src + 2) != frame_header_crc(src))
		return ERR_PROTOCOL;
	if (len < row->min || len > row->max)
		return ERR_PROTOCOL;
	f->type = row->type;
	f->len = len;
	f->body_check = be_get32(src + 8);
	/* nothing reads an empty body, so its check is checked here */
	return len > 0 || f->body_check == 0 ? 0 : ERR_PROTOCOL;
}

uint32_t frame_needs(unsigned type)
{
	const struct row *row = find_type(type);

	return row ? row->needs : 0;
}

int frame_is_content(unsigned type)
{
	const struct row *row = find_type(type);

	return row && row->from & CONTENT;
}

const char *frame_name(unsigned type)
{
	const struct row *row = find_type(type);

	return row ? row->name : "?";
}
