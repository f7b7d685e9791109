/*
 * Bounded buffers, and reading from them.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/wipe.h"

enum { FIRST_CAP = 256 };

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void buf_init_secret(struct buf *b, size_t max)
{
	buf_init(b, max);
	b->is_secret = 1;
}

void buf_release(struct buf *b)
{
	const int is_secret = b->is_secret;

	if (b->data && is_secret)
		wipe(b->data, b->cap);
	free(b->data);
	buf_init(b, b->max);
	b->is_secret = is_secret;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = 0;
}

/* Make room for n more bytes. */
static int reserve_bytes(struct buf *b, size_t n)
{
	size_t want, cap = b->cap ? b->cap : FIRST_CAP;
	uint8_t *p;

	if (n > b->max || b->len > b->max - n)
		return -1;
	want = b->len + n;
	if (want <= b->cap)
		return 0;
	/* Doubled, so that appending byte by byte takes linear time. */
	while (cap < want)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	/* realloc() could leave a secret in memory that it frees. */
	p = b->is_secret ? malloc(cap) : realloc(b->data, cap);
	if (!p)
		return -1;
	if (b->is_secret && b->data) {
		memcpy(p, b->data, b->len);
		wipe(b->data, b->cap);
		free(b->data);
	}
	b->data = p;
	b->cap = cap;
	return 0;
}

uint8_t *buf_extend(struct buf *b, size_t n)
{
	uint8_t *p;

	if (b->failed || reserve_bytes(b, n)) {
		b->failed = 1;
		return NULL;
	}
	/* With n 0 nothing may be allocated yet, but NULL means failure. */
	if (!b->data && reserve_bytes(b, 1)) {
		b->failed = 1;
		return NULL;
	}
	p = b->data + b->len;
	b->len += n;
	return p;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *dst;

	if (n == 0)
		return;
	dst = buf_extend(b, n);
	if (dst)
		memcpy(dst, p, n);
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
	uint8_t *p = buf_extend(b, 2);

	if (p)
		be_put16(p, v);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t *p = buf_extend(b, 4);

	if (p)
		be_put32(p, v);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	uint8_t *p = buf_extend(b, 8);

	if (p)
		be_put64(p, v);
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len -= n;
	if (b->len > 0)
		memmove(b->data, b->data + n, b->len);
}

void buf_set_u32(struct buf *b, size_t off, uint32_t v)
{
	assert(off <= b->len && b->len - off >= 4);
	be_put32(b->data + off, v);
}

void rd_init(struct rd *r, const void *p, size_t n)
{
	r->p = p;
	r->left = n;
	r->failed = 0;
}

const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->failed || n > r->left) {
		r->failed = 1;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p ? p[0] : 0;
}

uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p ? be_get16(p) : 0;
}

uint32_t rd_u32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return p ? be_get32(p) : 0;
}

uint64_t rd_u64(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 8);

	return p ? be_get64(p) : 0;
}

void rd_copy(struct rd *r, void *dst, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

int rd_at_end(const struct rd *r)
{
	return !r->failed && r->left == 0;
}

uint16_t be_get16(const uint8_t *p)
{
	return (uint16_t)(((unsigned)p[0] << 8) | p[1]);
}

uint32_t be_get32(const uint8_t *p)
{
	return (uint32_t)be_get16(p) << 16 | be_get16(p + 2);
}

uint64_t be_get64(const uint8_t *p)
{
	return (uint64_t)be_get32(p) << 32 | be_get32(p + 4);
}

void be_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)(v & 0xff);
}

void be_put32(uint8_t *p, uint32_t v)
{
	be_put16(p, (uint16_t)(v >> 16));
	be_put16(p + 2, (uint16_t)(v & 0xffff));
}

void be_put64(uint8_t *p, uint64_t v)
{
	be_put32(p, (uint32_t)(v >> 32));
	be_put32(p + 4, (uint32_t)(v & 0xffffffff));
}
