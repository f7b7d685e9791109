/*
 * The codec that copies bytes.
 */
#include "chunk/codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static size_t bound(size_t n)
{
	return n;
}

static void *none_open(int level)
{
	(void)level;
	/* NULL would mean that memory ran out */
	return malloc(1);
}

static void none_close(void *state)
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
	(void)state;
	if (n > cap)
		return 0;
	if (n > 0)
		memcpy(dst, src, n);
	return n;
}

static int expand(void *state, void *dst, size_t raw_len, const void *src,
		  size_t n)
{
	(void)state;
	if (n != raw_len)
		return ERR_CORRUPT;
	if (n > 0)
		memcpy(dst, src, n);
	return 0;
}

const struct codec_ops codec_none = {
	.id = CODEC_NONE,
	.name = "none",
	.bound = bound,
	.open = none_open,
	.close = none_close,
	.set_level = set_level,
	.compress = compress_to,
	.expand = expand,
};
