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
	uint8_t *packed;     /* packed_cap bytes */
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

/*
 * Compress n raw bytes where that pays.  Returns the payload to be sent, which
 * is raw itself or the compressor's buffer, valid until the next call.  *len is
 * set to its length and *codec to its codec's wire id.  Cannot fail.
 */
const uint8_t *compressor_run(struct compressor *c, const uint8_t *raw,
			      size_t n, size_t *len, uint8_t *codec);

/* The last payload was sent, which took ns nanoseconds: see codec_sent(). */
void compressor_sent(struct compressor *c, uint64_t ns);

#endif
