/*
 * body.h - what the files of the wire layer share: the lengths of bodies and
 * the few shapes that come up in several of them.
 *
 * Layer: wire, private to it.  Uses base only.  Pure.
 */
#ifndef FERRY_WIRE_BODY_H
#define FERRY_WIRE_BODY_H

#include "base/buf.h"
#include "wire/msg.h"

/* Bytes of a body; where a name, text or digest follows, of what stands before
 * it. */
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
	BODY_VERDICT = 32,
	BODY_RESEND = 16,
	BODY_NOTE = 6,
	BODY_ERROR = 4,
	BODY_DIGEST_MIN = 4, /* of the shortest digest */
};

/* Append the header of a frame with a body of len bytes. */
void body_begin(struct buf *b, enum frame_type type, size_t len);

/* 0 when the reader is at the end and nothing was wrong, else ERR_PROTOCOL:
 * the last line of every msg_get_*. */
int body_end(const struct rd *r, int is_good);

/* n zero bytes; getting returns whether they were. */
void body_put_zeroes(struct buf *b, size_t n);
int body_get_zeroes(struct rd *r, size_t n);

/* A u16 length and that many bytes.  One that is not in min..max fails the
 * buffer; getting returns whether it is in that range and there. */
void body_put_text(struct buf *b, const char *text, size_t len, size_t min,
		   size_t max);
int body_get_text(struct rd *r, const char **text, size_t *len, size_t min,
		  size_t max);

/* A digest of size bytes, at most WIRE_DIGEST_MAX: as above. */
void body_put_digest(struct buf *b, const uint8_t *digest, size_t size);
int body_get_digest(struct rd *r, uint8_t *digest, size_t size);

/* Whether a chunk can begin there. */
int body_is_offset(uint64_t offset);

/* Whether the ids first, first + 1, ... exist for count items, and count is
 * not 0. */
int body_is_id_run(uint64_t first, uint32_t count);

/* Whether so many chunks may stand in a CHECK. */
int body_is_check_count(uint32_t count);

/* Whether payload_len can be what raw_len bytes became. */
int body_is_payload(uint32_t raw_len, uint8_t codec, size_t payload_len);

#endif
