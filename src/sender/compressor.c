/*
 * A stream's codec and the buffer for its output.
 */
#include "sender/compressor.h"

#include <stdlib.h>

#include "session/features.h"
#include "wire/frame.h"

enum {
	/* Data is worth moving together where at least 1/ZEROS_DIVISOR of a
	 * chunk is zeros, and not worth compressing where at most
	 * 1/DATA_DIVISOR of it is data. */
	ZEROS_DIVISOR = 16,
	DATA_DIVISOR = 64,
};

int compressor_init(struct compressor *c, const struct codec_choice *asked,
		    uint32_t features, struct err *e)
{
	struct codec_choice choice;
	int rc = features_choose_codec(features, asked, &choice, e);

	c->may_be_sparse = features_allow_codec(features, CODEC_SPARSE);
	c->packed_cap = CHUNK_MAX;
	if (rc || choice.ops->id == CODEC_NONE)
		return rc;
	c->packed_cap = choice.ops->bound(CHUNK_MAX);
	c->packed = malloc(c->packed_cap);
	c->codec = codec_new(&choice);
	if (c->packed && c->codec)
		return 0;
	return err_set(e, ERR_RESOURCE, "out of memory");
}

void compressor_release(struct compressor *c)
{
	codec_free(c->codec);
	free(c->packed);
}

/* Leave zeros out where the rest fits into `most` bytes.  Returns whether it
 * does. */
static int leave_zeros_out(struct compressor *c, const uint8_t *raw, size_t n,
			   size_t most, struct payload *out)
{
	if (!c->may_be_sparse || n < 2)
		return 0;
	if (!c->packed)
		c->packed = malloc(c->packed_cap);
	out->data = c->packed;
	out->codec = CODEC_SPARSE;
	out->len = c->packed ? codec_sparse.compress(NULL, c->packed, most, raw,
						     n) : 0;
	return out->len > 0;
}

struct payload compressor_run(struct compressor *c, const uint8_t *raw,
			      size_t n, int has_holes)
{
	struct payload out;

	if (has_holes && leave_zeros_out(c, raw, n, n / DATA_DIVISOR, &out))
		return out;
	if (c->codec && n > 0) {
		out.data = c->packed;
		out.len = codec_compress(c->codec, c->packed, c->packed_cap,
					 raw, n, &out.codec);
		if (out.len > 0)
			return out;
	}
	if (has_holes &&
	    leave_zeros_out(c, raw, n, n - n / ZEROS_DIVISOR, &out))
		return out;
	return (struct payload){ raw, n, CODEC_NONE };
}

void compressor_sent(struct compressor *c, uint64_t ns)
{
	if (c->codec)
		codec_sent(c->codec, ns);
}
