/*
 * The codec that leaves zeros out: a bit for each unit of 1 KiB (the last one
 * may be shorter), the highest of a byte first, set where there is data, unused
 * bits 0; then the units with data.  1 KiB, as no file system that keeps holes
 * has smaller blocks.
 */
#include "chunk/codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/zeros.h"

enum { UNIT = 1024 };

static size_t map_size(size_t n)
{
	const size_t units = n / UNIT + (n % UNIT != 0);

	return units / 8 + (units % 8 != 0);
}

static size_t bound(size_t n)
{
	return map_size(n) + n;
}

static void *sparse_open(int level)
{
	(void)level;
	/* NULL would mean that memory ran out */
	return malloc(1);
}

static void sparse_close(void *state)
{
	free(state);
}

static void set_level(void *state, int level)
{
	(void)state;
	(void)level;
}

static size_t compress_to(void *state, void *dst, size_t cap, const void *src,
			  size_t n)
{
	const uint8_t *from = src;
	size_t used = map_size(n), run;
	uint8_t *map = dst;
	int is_zero;

	(void)state;
	if (n == 0 || used > cap)
		return 0;
	memset(map, 0, used);
	for (size_t off = 0; off < n; off += run) {
		run = zeros_run(from + off, n - off, UNIT, &is_zero);
		if (is_zero)
			continue;
		if (run > cap - used)
			return 0;
		for (size_t i = off / UNIT; i * UNIT < off + run; i++)
			map[i / 8] |= (uint8_t)(0x80 >> i % 8);
		memcpy(map + used, from + off, run);
		used += run;
	}
	return used;
}

static int expand(void *state, void *dst, size_t raw_len, const void *src,
		  size_t n)
{
	const size_t map_len = map_size(raw_len);
	const uint8_t *map = src, *from = map + map_len;
	size_t left, off = 0;
	uint8_t *to = dst;

	(void)state;
	if (raw_len == 0 || n < map_len)
		return ERR_CORRUPT;
	left = n - map_len;
	for (size_t i = 0; i < map_len * 8; i++) {
		const int has_data = map[i / 8] & 0x80 >> i % 8;
		const size_t len = raw_len - off < UNIT ? raw_len - off : UNIT;

		/* len is 0 after the last unit, where no bit may be set. */
		if (has_data && (len == 0 || left < len))
			return ERR_CORRUPT;
		if (has_data) {
			memcpy(to + off, from, len);
			from += len;
			left -= len;
		} else if (len > 0) {
			memset(to + off, 0, len);
		}
		off += len;
	}
	return left == 0 ? 0 : ERR_CORRUPT;
}

const struct codec_ops codec_sparse = {
	.id = CODEC_SPARSE,
	.bound = bound,
	.open = sparse_open,
	.close = sparse_close,
	.set_level = set_level,
	.compress = compress_to,
	.expand = expand,
};
