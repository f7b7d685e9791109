/*
 * compressor.h - a stream's codec and the buffer for its output.
 *
 * Layer: sender.
 * Threads: a struct compressor belongs to one thread.
 */
#ifndef FERRY_SENDER_COMPRESSOR_H
#define FERRY_SENDER_COMPRESSOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chunk/codec.h"

/* All zero (before compressor_init()): nothing is compressed. */
struct compressor {
	struct codec *codec; /* NULL: nothing is compressed */
	int may_be_sparse;   /* CODEC_SPARSE was granted */
	uint8_t *packed;     /* packed_cap bytes, or NULL before first use */
	size_t packed_cap;
};

/*
 * Set up the codec that was asked for, within the features that READY granted.
 * Returns 0; ERR_RESOURCE; ERR_PROTOCOL as features_choose_codec().  Whatever
 * is returned, compressor_release() frees c.
 */
int compressor_init(struct compressor *c, const struct codec_choice *asked,
		    uint32_t features, struct err *e);
void compressor_release(struct compressor *c);

/* What is sent for raw bytes. */
struct payload {
	const uint8_t *data; /* raw itself, or the compressor's buffer: valid
				until the next call */
	size_t len;
	uint8_t codec; /* its wire id */
};

/* Compress n raw bytes where that pays; where they come from a file with holes,
 * and are not compressed, leave zeros out.  Cannot fail. */
struct payload compressor_run(struct compressor *c, const uint8_t *raw,
			      size_t n, int has_holes);

/* The last payload was sent, which took ns nanoseconds: see codec_sent(). */
void compressor_sent(struct compressor *c, uint64_t ns);

#endif
