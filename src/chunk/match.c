/*
 * What a file shares with its basis: blocks at the same offset, pieces
 * anywhere.
 */
#include "chunk/match.h"

#include <string.h>

#include "chunk/cut.h"
#include "chunk/piece_index.h"
#include "chunk/recipe.h"

unsigned match_blocks(const uint8_t *sums, unsigned count,
		      const uint8_t *basis_sums, unsigned others,
		      uint8_t same[MATCH_BITS])
{
	unsigned equal = 0;

	memset(same, 0, MATCH_BITS);
	for (unsigned i = 0; i < count && i < others; i++) {
		if (memcmp(sums + i * DELTA_SUM, basis_sums + i * DELTA_SUM,
			   DELTA_SUM) != 0)
			continue;
		same[i / 8] |= (uint8_t)(1 << i % 8);
		equal++;
	}
	return equal;
}

void match_plan_blocks(const uint8_t same[MATCH_BITS], uint64_t off, size_t n,
		       struct recipe_plan *plan)
{
	recipe_plan_init(plan);
	for (size_t at = 0, i = 0; at < n; at += DELTA_BLOCK, i++) {
		const size_t left = n - at;
		const int is_same = same[i / 8] >> i % 8 & 1;

		recipe_plan_add(plan, is_same ? off + at : RECIPE_LITERAL,
				left < DELTA_BLOCK ? left : DELTA_BLOCK);
	}
}

size_t match_plan_pieces(const struct delta_key *k, unsigned bits,
			 const struct piece_index *x,
			 const struct match_range *r, struct recipe_plan *plan)
{
	size_t at = 0;

	recipe_plan_init(plan);
	while (at < r->to) {
		const size_t len = cut_next(k, bits, r->p + at, r->n - at);
		const size_t first = at < r->from ? r->from : at;
		const size_t end = at + len < r->to ? at + len : r->to;
		uint64_t off;

		/* A piece that reaches beyond is copied in part. */
		if (end > r->from) {
			if (piece_index_find(x, delta_key_sum(k, r->p + at, len),
					     len, &off))
				off = RECIPE_LITERAL;
			else
				off += first - at;
			recipe_plan_add(plan, off, end - first);
		}
		if (at + len > r->to)
			break;
		at += len;
	}
	return at;
}
