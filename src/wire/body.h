/*
 * body.h - what the files of wire/ share: the lengths of bodies, and fields
 * that several bodies have.
 *
 * Layer: wire, private to it.  Uses base only.  Pure.
 */
#ifndef FERRY_WIRE_BODY_H
#define FERRY_WIRE_BODY_H

#include "base/buf.h"
#include "wire/msg.h"

/* Bytes of a body; of one with a name, text, digests or runs, of the fields
 * before them. */
enum {
	BODY_HELLO = 36,
	BODY_JOIN = 28,
	BODY_READY = 28,
	BODY_HOLE = 24,
	BODY_FILE_END = 16,
	BODY_FILE_ABORT = 10,
	BODY_FINISH = 32,
	BODY_SUMMARY = 40,
	BODY_STATE = 16,
	BODY_RUN = 16,
	BODY_CHECK = 24,
	BODY_CHECKED = 32,
	BODY_OFFERED = 16,
	BODY_DELETE = 4,
	BODY_EXTRA = 8,
	BODY_LISTED = 16,
	BODY_COMPARE = 24,
	BODY_SIGNATURE = 24,
	BODY_VERDICT = 32,
	BODY_RESEND = 16,
	BODY_NOTE = 6,
	BODY_TIMEOUT = 4,
	BODY_PROGRESS = 44,
	BODY_DIRECT = 36,
	BODY_STREAMS = 4,
	BODY_ERROR = 4,
	BODY_DIGEST_MIN = 4, /* of the shortest digest */
};

/* Append the header of a frame with a body of len bytes. */
void body_begin(struct buf *b, enum frame_type type, size_t len);

/* The result of a msg_get_*: 0 where all bytes were read and the fields are
 * valid (is_good), else ERR_PROTOCOL. */
int body_end(const struct rd *r, int is_good);

/* n zero bytes.  body_get_zeroes() returns whether they were zero. */
void body_put_zeroes(struct buf *b, size_t n);
int body_get_zeroes(struct rd *r, size_t n);

/* A u16 length and that many bytes.  A length that is not in min..max fails the
 * buffer; body_get_text() returns whether it is in that range and the bytes are
 * there. */
void body_put_text(struct buf *b, const char *text, size_t len, size_t min,
		   size_t max);
int body_get_text(struct rd *r, const char **text, size_t *len, size_t min,
		  size_t max);

/* A digest of size bytes, at most WIRE_DIGEST_MAX.  A larger size fails the
 * buffer; body_get_digest() returns whether size is allowed. */
void body_put_digest(struct buf *b, const uint8_t *digest, size_t size);
int body_get_digest(struct rd *r, uint8_t *digest, size_t size);

/* Whether a chunk can begin at this offset. */
int body_is_offset(uint64_t offset);

/* Whether count is not 0, and the ids of count items from first on fit in 64
 * bits. */
int body_is_id_run(uint64_t first, uint32_t count);

/* Whether a CHECK may have this many chunks. */
int body_is_check_count(uint32_t count);

/* Whether raw_len bytes can have become payload_len with this codec. */
int body_is_payload(uint32_t raw_len, uint8_t codec, size_t payload_len);

#endif
