/*
 * buf.h - a growable buffer with a hard maximum, and a bounds-checked reader.
 *
 * Layer: base.
 * Threads: none of its own; one owner at a time.
 *
 * All of ferry's formats, on the wire and on disk, are written and read with
 * these functions, so that bounds are checked in one place.  Integers are
 * big-endian.
 */
#ifndef FERRY_BASE_BUF_H
#define FERRY_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned */
	size_t len;    /* bytes in use */
	size_t cap;    /* bytes allocated */
	size_t max;    /* never more than this */
	int failed;    /* a put did not fit, or memory ran out */
	int is_secret; /* memory is overwritten before it is freed */
};

/* Prepare an empty buffer that never grows beyond max bytes.  Allocates
 * nothing yet. */
void buf_init(struct buf *b, size_t max);

/* As buf_init(), for secrets: when the buffer grows or is released, the memory
 * that it had is overwritten first. */
void buf_init_secret(struct buf *b, size_t max);

/* Free the memory; the buffer is as after buf_init() or buf_init_secret(). */
void buf_release(struct buf *b);

/* Empty the buffer and clear b->failed; the memory is kept. */
void buf_reset(struct buf *b);

/*
 * Append n bytes and return a pointer to them, for the caller to fill: not
 * NULL, also for n 0, and valid until the next call on b.  Returns NULL and
 * sets b->failed where they do not fit in max or memory ran out.
 */
uint8_t *buf_extend(struct buf *b, size_t n);

/* Append.  A put that does not fit sets b->failed and changes nothing else;
 * callers check b->failed once, after the last put. */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);

/* Remove the first n bytes (n <= b->len). */
void buf_consume(struct buf *b, size_t n);

/* Overwrite the four bytes at off (which are in use already). */
void buf_set_u32(struct buf *b, size_t off, uint32_t v);

/*
 * A reader over borrowed bytes.  A read beyond the end returns zero or NULL and
 * sets failed.  Callers check once, after the last read, with rd_at_end(),
 * which also finds bytes that are left over.
 */
struct rd {
	const uint8_t *p;
	size_t left;
	int failed;
};

void rd_init(struct rd *r, const void *p, size_t n);
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);

/* The next n bytes, borrowed; NULL and failed when there are fewer. */
const uint8_t *rd_bytes(struct rd *r, size_t n);

/* Copy the next n bytes to dst; fills it with zeroes and sets failed when there
 * are fewer. */
void rd_copy(struct rd *r, void *dst, size_t n);

/* Whether everything was read and nothing failed. */
int rd_at_end(const struct rd *r);

/* Big-endian integers at p, without bounds. */
uint16_t be_get16(const uint8_t *p);
uint32_t be_get32(const uint8_t *p);
uint64_t be_get64(const uint8_t *p);
void be_put16(uint8_t *p, uint16_t v);
void be_put32(uint8_t *p, uint32_t v);
void be_put64(uint8_t *p, uint64_t v);

#endif
