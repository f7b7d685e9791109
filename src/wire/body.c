/*
 * Fields that several bodies have.
 */
#include "wire/body.h"

#include "base/err.h"

void body_begin(struct buf *b, enum frame_type type, size_t len)
{
	uint8_t *p;

	if (len > UINT32_MAX) {
		b->failed = 1;
		return;
	}
	p = buf_extend(b, FRAME_HEADER);
	if (p)
		frame_put(p, type, (uint32_t)len);
}

int body_end(const struct rd *r, int is_good)
{
	return rd_at_end(r) && is_good ? 0 : ERR_PROTOCOL;
}

void body_put_zeroes(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_put_u8(b, 0);
}

int body_get_zeroes(struct rd *r, size_t n)
{
	uint8_t any = 0;

	while (n-- > 0)
		any |= rd_u8(r);
	return any == 0;
}

void body_put_text(struct buf *b, const char *text, size_t len, size_t min,
		   size_t max)
{
	if (len < min || len > max) {
		b->failed = 1;
		return;
	}
	buf_put_u16(b, (uint16_t)len);
	buf_put(b, text, len);
}

int body_get_text(struct rd *r, const char **text, size_t *len, size_t min,
		  size_t max)
{
	*len = rd_u16(r);
	*text = (const char *)rd_bytes(r, *len);
	return *text && *len >= min && *len <= max;
}

void body_put_digest(struct buf *b, const uint8_t *digest, size_t size)
{
	if (size > WIRE_DIGEST_MAX)
		b->failed = 1;
	else
		buf_put(b, digest, size);
}

int body_get_digest(struct rd *r, uint8_t *digest, size_t size)
{
	if (size > WIRE_DIGEST_MAX)
		return 0;
	rd_copy(r, digest, size);
	return 1;
}

int body_is_offset(uint64_t offset)
{
	return offset % CHUNK_MAX == 0 && offset < WIRE_SIZE_MAX;
}

int body_is_id_run(uint64_t first, uint32_t count)
{
	return count > 0 && first <= UINT64_MAX - (count - 1);
}

int body_is_check_count(uint32_t count)
{
	return count >= 1 && count <= CHECK_LEAVES_MAX;
}

int body_is_payload(uint32_t raw_len, uint8_t codec, size_t payload_len)
{
	if (codec == 0)
		return payload_len == raw_len;
	return payload_len <= raw_len && (payload_len > 0 || raw_len == 0);
}
