/*
 * zlib: each chunk is one RFC 1950 stream.  The z_streams are reset for each
 * chunk and not created again, which would allocate 256 KiB each time.
 */
#define ZLIB_CONST
#include "chunk/codec.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/err.h"

struct state {
	z_stream out, in;
	int has_out, has_in;
	int level;     /* wanted */
	int out_level; /* that out is set to */
};

static size_t bound(size_t n)
{
	return compressBound(n);
}

static void *zlib_open(int level)
{
	struct state *s = calloc(1, sizeof(*s));

	if (s)
		s->level = level;
	return s;
}

static void zlib_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	if (s->has_out)
		deflateEnd(&s->out);
	if (s->has_in)
		inflateEnd(&s->in);
	free(s);
}

static void set_level(void *state, int level)
{
	struct state *s = state;

	s->level = level;
}

/* Make s->out ready for a new stream at the wanted level. */
static int prepare_out(struct state *s)
{
	/* Not deflateParams(): before zlib 1.2.12 it may write to the output
	 * buffer of the last stream. */
	if (s->has_out && s->level != s->out_level) {
		deflateEnd(&s->out);
		s->has_out = 0;
	}
	if (s->has_out)
		return deflateReset(&s->out) == Z_OK ? 0 : -1;
	memset(&s->out, 0, sizeof(s->out));
	if (deflateInit(&s->out, s->level) != Z_OK)
		return -1;
	s->has_out = 1;
	s->out_level = s->level;
	return 0;
}

static size_t compress_to(void *state, void *dst, size_t cap, const void *src,
			  size_t n)
{
	struct state *s = state;

	if (n > UINT_MAX || prepare_out(s))
		return 0;
	s->out.next_in = src;
	s->out.avail_in = (uInt)n;
	s->out.next_out = dst;
	s->out.avail_out = cap > UINT_MAX ? UINT_MAX : (uInt)cap;
	if (deflate(&s->out, Z_FINISH) != Z_STREAM_END)
		return 0;
	return s->out.total_out;
}

static int expand(void *state, void *dst, size_t raw_len, const void *src,
		  size_t n)
{
	struct state *s = state;
	Bytef nothing;
	int rc;

	if (n > UINT_MAX || raw_len > UINT_MAX)
		return ERR_CORRUPT;
	rc = s->has_in ? inflateReset(&s->in) : inflateInit(&s->in);
	if (rc != Z_OK)
		return ERR_RESOURCE;
	s->has_in = 1;
	s->in.next_in = src;
	s->in.avail_in = (uInt)n;
	/* zlib refuses a null pointer, even to write 0 bytes to */
	s->in.next_out = raw_len > 0 ? dst : &nothing;
	s->in.avail_out = (uInt)raw_len;
	rc = inflate(&s->in, Z_FINISH);
	if (rc == Z_MEM_ERROR)
		return ERR_RESOURCE;
	if (rc != Z_STREAM_END || s->in.avail_in > 0 || s->in.avail_out > 0)
		return ERR_CORRUPT;
	return 0;
}

const struct codec_ops codec_zlib = {
	.id = CODEC_ZLIB,
	.name = "zlib",
	.level_min = 1,
	.level_max = 9,
	.level_default = 6,
	.bound = bound,
	.open = zlib_open,
	.close = zlib_close,
	.set_level = set_level,
	.compress = compress_to,
	.expand = expand,
};
