/*
 * A stream's codec and the buffer for its output.
 */
#include "sender/compressor.h"

#include <stdlib.h>

#include "session/features.h"
#include "wire/frame.h"

int compressor_init(struct compressor *c, const struct codec_choice *asked,
		    uint32_t features, struct err *e)
{
	struct codec_choice choice;
	int rc = features_choose_codec(features, asked, &choice, e);

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

const uint8_t *compressor_run(struct compressor *c, const uint8_t *raw,
			      size_t n, size_t *len, uint8_t *codec)
{
	size_t packed = 0;

	*codec = CODEC_NONE;
	if (c->codec && n > 0)
		packed = codec_compress(c->codec, c->packed, c->packed_cap, raw,
					n, codec);
	*len = packed > 0 ? packed : n;
	return packed > 0 ? c->packed : raw;
}

void compressor_sent(struct compressor *c, uint64_t ns)
{
	if (c->codec)
		codec_sent(c->codec, ns);
}
