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

/*
 * The first piece of n bytes at p: its length, and *found where it is in x,
 * else NULL.  next is the piece that would come after the last that was found,
 * or NULL: where that is what is there, it need not be cut to know where it
 * ends, which takes three times as long as its digest.
 */
static size_t take_piece(const struct delta_key *k, unsigned bits,
			 const struct piece_index *x, const uint8_t *p,
			 size_t n, const struct piece *next,
			 const struct piece **found)
{
	size_t len = next ? piece_len(next) : 0;

	*found = next;
	if (next && len <= n && delta_key_sum(k, p, len) == next->digest)
		return len;
	len = cut_next(k, bits, p, n);
	*found = piece_index_find(x, delta_key_sum(k, p, len), len);
	return len;
}

size_t match_plan_pieces(const struct delta_key *k, unsigned bits,
			 const struct piece_index *x,
			 const struct match_range *r, struct recipe_plan *plan)
{
	const struct piece *found = NULL;
	size_t at = 0;

	recipe_plan_init(plan);
	while (at < r->to) {
		const size_t len =
			take_piece(k, bits, x, r->p + at, r->n - at,
				   found ? piece_index_after(x, found) : NULL,
				   &found);
		const size_t first = at < r->from ? r->from : at;
		const size_t end = at + len < r->to ? at + len : r->to;

		/* A piece that reaches beyond is copied in part. */
		if (end > r->from)
			recipe_plan_add(plan,
					found ? piece_off(found) + first - at :
						RECIPE_LITERAL,
					end - first);
		if (at + len > r->to)
			break;
		at += len;
	}
	return at;
}
