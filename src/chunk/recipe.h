/*
 * recipe.h - a chunk as a recipe: ranges to copy from the basis, and literal
 * bytes.
 *
 * Layer: chunk.  Pure, but for the function that reads the basis.
 * Specified in ferry-protocol(7), DELTA.
 *
 *	u8[32] SHA-256 of the raw bytes | u32 literal bytes | u8 codec of the
 *	literals | u8[3] reserved | u32 operations | operations times (u32
 *	length | u64 offset in the basis; 2^64-1: literal) | literals
 *
 * The operations, in order, make exactly the raw bytes.  A recipe that does
 * not, or that reaches beyond its basis, is refused before anything is read.
 * The SHA-256 makes a wrong basis cost another transmission, never a wrong
 * file, whatever digest the session's chunks have.
 */
#ifndef FERRY_CHUNK_RECIPE_H
#define FERRY_CHUNK_RECIPE_H

#include <stddef.h>
#include <stdint.h>

#define RECIPE_LITERAL UINT64_MAX

enum {
	RECIPE_SHA = 32,
	RECIPE_FIXED = RECIPE_SHA + 12,
	RECIPE_OP = 12,
	RECIPE_OPS_MAX = 1024,
	/* The most bytes before the literals. */
	RECIPE_HEAD_MAX = RECIPE_FIXED + RECIPE_OPS_MAX * RECIPE_OP,
};

struct recipe_op {
	uint64_t off; /* in the basis; or RECIPE_LITERAL */
	uint32_t len; /* not 0 */
};

/* ---- making one ---- */

struct recipe_plan {
	struct recipe_op ops[RECIPE_OPS_MAX];
	uint32_t count;
	uint32_t literal_len, copy_len;
};

void recipe_plan_init(struct recipe_plan *plan);

/*
 * The next len bytes (not 0) are a copy of the basis at off, or literal.  What
 * continues the last operation is joined to it.  Where there are too many
 * operations the bytes become literal.
 */
void recipe_plan_add(struct recipe_plan *plan, uint64_t off, size_t len);

/* Copy the literal bytes of raw, which the plan was made for, to dst
 * (plan->literal_len bytes). */
void recipe_plan_literals(const struct recipe_plan *plan, const uint8_t *raw,
			  uint8_t *dst);

/* Write everything before the literals to dst (RECIPE_HEAD_MAX bytes).  Returns
 * its length. */
size_t recipe_plan_put(const struct recipe_plan *plan, const uint8_t *sha,
		       uint8_t codec, uint8_t *dst);

/* ---- taking one ---- */

struct recipe {
	const uint8_t *sha;      /* RECIPE_SHA bytes; borrowed, as are: */
	const uint8_t *ops;
	const uint8_t *literals; /* as they came: payload_len bytes, */
	size_t payload_len;
	uint8_t codec;           /* in this codec, */
	uint32_t literal_len;    /* which expand to so many */
	uint32_t count;
};

/*
 * Decode and check a recipe of n bytes for raw_len raw ones, with a basis of
 * basis_size bytes.  Returns 0 or ERR_CORRUPT.
 */
int recipe_get(struct recipe *r, const uint8_t *p, size_t n, size_t raw_len,
	       uint64_t basis_size);

/* The i-th operation; i is less than r->count. */
struct recipe_op recipe_op_at(const struct recipe *r, uint32_t i);

/* Read exactly n bytes of the basis at off to dst.  Returns 0, or -1. */
typedef int (*recipe_read_fn)(void *ctx, void *dst, size_t n, uint64_t off);

/*
 * Make the raw_len bytes that recipe_get() was given, in dst, whose last
 * r->literal_len bytes are the literals, expanded.  Returns 0; ERR_CORRUPT
 * where read returned -1: dst is then undefined.
 */
int recipe_expand(const struct recipe *r, uint8_t *dst, size_t raw_len,
		  recipe_read_fn read, void *ctx);

#endif
