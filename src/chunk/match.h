/*
 * match.h - makes the plan of a recipe from what is known of a basis.
 *
 * Layer: chunk.  Pure.
 */
#ifndef FERRY_CHUNK_MATCH_H
#define FERRY_CHUNK_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "chunk/delta_key.h"

struct piece_index;
struct recipe_plan;

enum { MATCH_BITS = 32 }; /* bytes: a bit for each block of a leaf */

/*
 * Compare the digests of count blocks of a leaf with those of the first
 * `others` blocks of the basis there (both of DELTA_SUM bytes each): bit i of
 * same[] is set where they are equal.  Returns how many are.  count is at most
 * 8 * MATCH_BITS.
 */
unsigned match_blocks(const uint8_t *sums, unsigned count,
		      const uint8_t *basis_sums, unsigned others,
		      uint8_t same[MATCH_BITS]);

/* The plan for n bytes at off, whose blocks are in the basis at the same offset
 * where a bit is set. */
void match_plan_blocks(const uint8_t same[MATCH_BITS], uint64_t off, size_t n,
		       struct recipe_plan *plan);

/* Part of a file: the bytes from `from` to `to` of the n bytes at p. */
struct match_range {
	const uint8_t *p;
	size_t n, from, to;
};

/*
 * The plan for a range, whose pieces are looked up in x.  Pieces are cut from p
 * on, so the bytes before `from` are there to cut as the basis was cut, which
 * takes some pieces; where n is more than `to`, it is so by cut_max(bits).
 * Returns where the first piece begins that does not end before `to`: who goes
 * on from there loses none.
 */
size_t match_plan_pieces(const struct delta_key *k, unsigned bits,
			 const struct piece_index *x,
			 const struct match_range *r, struct recipe_plan *plan);

#endif
