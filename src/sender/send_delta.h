/*
 * send_delta.h - a leaf as a recipe: reading it, and making its payload.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_SEND_DELTA_H
#define FERRY_SENDER_SEND_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sender/compressor.h"

struct delta_take;
struct outfile;
struct send_stream;

/* What is needed to make recipes, for one stream; all zero at first, the
 * buffers are allocated on first use. */
struct delta_buffers {
	uint8_t *read;    /* a leaf, and what lies before and after it */
	size_t before;    /* where the leaf begins in it, */
	size_t len;       /* and how many bytes are in it */
	/* where the last leaf that was looked up ends, and how much before that
	 * its last piece begins */
	uint64_t last_id, last_end;
	size_t last_piece;
	uint8_t *payload; /* a recipe with its literals */
	struct recipe_plan *plan;
};
void send_delta_release(struct delta_buffers *b);

/* A leaf that was read. */
struct delta_read {
	const uint8_t *raw; /* its n bytes, in a buffer of the stream */
	size_t n;
	/* NULL; or where only those bytes were read that are literal in its
	 * recipe, the session's digest of all when they were compared */
	const uint8_t *digest;
};

/*
 * Read the r->n bytes of a leaf, or what is needed of them, for the way in t.
 * *r is valid until the next call, and as long as t.  Returns 0; ERR_RESOURCE;
 * otherwise as source_read().
 */
int send_delta_read(struct send_stream *st, const struct outfile *f,
		    uint64_t leaf, const struct delta_take *t,
		    struct delta_read *r, struct err *fe);

struct delta_result {
	struct payload payload; /* no data: the leaf is sent as it is */
	size_t found; /* bytes of it in the basis */
};

/* Make the payload for the leaf of file id that was just read; none where a
 * recipe saves little, but always where only its literals were read.  Cannot
 * fail. */
struct delta_result send_delta_make(struct send_stream *st, uint64_t id,
				    uint64_t leaf, const struct delta_read *r,
				    const struct delta_take *t);

#endif
