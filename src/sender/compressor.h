/*
 * compressor.h - what a stream compresses its payloads with.
 *
 * Layer: sender.  Uses chunk/codec.h, session/features.h.
 * Threads: a struct compressor belongs to one thread.
 */
#ifndef FERRY_SENDER_COMPRESSOR_H
#define FERRY_SENDER_COMPRESSOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chunk/codec.h"

/* All zero: none was made yet, and nothing is compressed. */
struct compressor {
	struct codec *codec; /* NULL: nothing is compressed */
	uint8_t *packed;     /* packed_cap bytes */
	size_t packed_cap;
};

/*
 * Make it, once READY has said which features the session may use.  Returns 0;
 * ERR_RESOURCE; ERR_PROTOCOL as features_choose_codec().  In all cases
 * compressor_release() frees it.
 */
int compressor_init(struct compressor *c, const struct codec_choice *asked,
		    uint32_t features, struct err *e);
void compressor_release(struct compressor *c);

/*
 * Compress n raw bytes where that pays.  Returns the payload to be sent, which
 * is raw itself or the compressor's buffer; *len and *codec (its wire id, for
 * the frame) are its own.  Cannot fail.
 */
const uint8_t *compressor_run(struct compressor *c, const uint8_t *raw,
			      size_t n, size_t *len, uint8_t *codec);

/* What was compressed last was sent, which took so long: see codec_sent(). */
void compressor_sent(struct compressor *c, uint64_t ns);

#endif
