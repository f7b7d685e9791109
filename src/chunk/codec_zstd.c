/*
 * Zstandard: each chunk is one RFC 8878 frame, without the frame's checksum, as
 * the chunk has a digest.
 */
#include "chunk/codec.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "base/err.h"

/* RFC 8878, 3.1.1.1.2, recommends that every decoder supports windows of 8 MiB;
 * a chunk is smaller than that. */
enum { WINDOW_MAX = 8 << 20 };

struct state {
	ZSTD_CCtx *out;
	ZSTD_DCtx *in;
	int level;     /* wanted */
	int out_level; /* that out is set to */
};

static size_t bound(size_t n)
{
	return ZSTD_compressBound(n);
}

static void *zstd_open(int level)
{
	struct state *s = calloc(1, sizeof(*s));

	if (s)
		s->level = level;
	return s;
}

static void zstd_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	ZSTD_freeCCtx(s->out);
	ZSTD_freeDCtx(s->in);
	free(s);
}

static void set_level(void *state, int level)
{
	struct state *s = state;

	s->level = level;
}

static int prepare_out(struct state *s)
{
	if (s->out && s->level == s->out_level)
		return 0;
	if (!s->out)
		s->out = ZSTD_createCCtx();
	if (!s->out ||
	    ZSTD_isError(ZSTD_CCtx_reset(s->out, ZSTD_reset_session_only)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(s->out, ZSTD_c_compressionLevel,
						s->level)))
		return -1;
	s->out_level = s->level;
	return 0;
}

static size_t compress_to(void *state, void *dst, size_t cap, const void *src,
			  size_t n)
{
	struct state *s = state;
	size_t len;

	if (prepare_out(s))
		return 0;
	len = ZSTD_compress2(s->out, dst, cap, src, n);
	return ZSTD_isError(len) ? 0 : len;
}

/*
 * Whether the frame's header asks for a window of more than WINDOW_MAX.
 * libzstd checks that in streaming mode only, and expanding to one buffer needs
 * no window; but the protocol does not allow such a frame.
 */
static int is_window_too_large(const uint8_t *p, size_t n)
{
	uint64_t base;

	/* Single segment flag (RFC 8878, 3.1.1.1.1): the window is as large as
	 * the content, which the caller has checked. */
	if (n < 6 || p[4] & 0x20)
		return 0;
	base = (uint64_t)1 << (10 + (p[5] >> 3));
	return base + base / 8 * (p[5] & 7) > WINDOW_MAX;
}

/* Whether src is exactly one frame, of a kind that the protocol allows. */
static int is_one_plain_frame(const uint8_t *src, size_t n, size_t raw_len)
{
	/* Check the magic first: libzstd also accepts skippable frames and may
	 * accept those of versions before 0.8. */
	static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
	unsigned long long content;

	if (n < sizeof(magic) || memcmp(src, magic, sizeof(magic)) != 0)
		return 0;
	if (ZSTD_findFrameCompressedSize(src, n) != n)
		return 0;
	content = ZSTD_getFrameContentSize(src, n);
	if (content != ZSTD_CONTENTSIZE_UNKNOWN && content != raw_len)
		return 0;
	return ZSTD_getDictID_fromFrame(src, n) == 0 &&
	       !is_window_too_large(src, n);
}

static int expand(void *state, void *dst, size_t raw_len, const void *src,
		  size_t n)
{
	struct state *s = state;
	char nothing;
	size_t len;

	if (!is_one_plain_frame(src, n, raw_len))
		return ERR_CORRUPT;
	if (!s->in)
		s->in = ZSTD_createDCtx();
	if (!s->in)
		return ERR_RESOURCE;
	len = ZSTD_decompressDCtx(s->in, raw_len > 0 ? dst : &nothing, raw_len,
				  src, n);
	if (ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation)
		return ERR_RESOURCE;
	return len == raw_len ? 0 : ERR_CORRUPT;
}

/* Negative levels are faster, but the bytes that they add take longer to send;
 * levels above 19 take too much memory for chunks of 1 MiB. */
const struct codec_ops codec_zstd = {
	.id = CODEC_ZSTD,
	.name = "zstd",
	.level_min = 1,
	.level_max = 19,
	.level_default = 3,
	.bound = bound,
	.open = zstd_open,
	.close = zstd_close,
	.set_level = set_level,
	.compress = compress_to,
	.expand = expand,
};
