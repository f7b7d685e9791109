/*
 * FastCDC with the session's gear table.
 */
#include "chunk/cut.h"

#include "chunk/delta_key.h"

enum {
	/* How much stricter the condition is before the average, and how much
	 * weaker after it, in bits: "normalization level 2" of the paper. */
	NORMALIZE = 2,
	WINDOW = 64, /* the bytes that a hash depends on */
};

size_t cut_max(unsigned bits)
{
	return (size_t)4 << bits;
}

size_t cut_min(unsigned bits)
{
	return ((size_t)1 << bits) / 4;
}

/* Below this the upper bits of a gear hash are 0: these depend on the last 64
 * bytes. */
static uint64_t limit_of(unsigned bits)
{
	return UINT64_C(1) << (64 - bits);
}

/*
 * The end of a piece between at and end: one after the first byte with which
 * the gear hash is below the limit; or 0.  *hash goes on.
 */
static size_t find_cut(const uint64_t *gear, const uint8_t *p, size_t at,
		       size_t end, uint64_t limit, uint64_t *hash)
{
	uint64_t h = *hash;

	/* Four bytes a turn: what they add is computed without waiting for the
	 * hash before. */
	for (; at + 4 <= end; at += 4) {
		const uint64_t a = gear[p[at]];
		const uint64_t b = (a << 1) + gear[p[at + 1]];
		const uint64_t c = (b << 1) + gear[p[at + 2]];
		const uint64_t d = (c << 1) + gear[p[at + 3]];

		if ((h << 1) + a < limit)
			return at + 1;
		if ((h << 2) + b < limit)
			return at + 2;
		if ((h << 3) + c < limit)
			return at + 3;
		h = (h << 4) + d;
		if (h < limit)
			return at + 4;
	}
	for (; at < end; at++) {
		h = (h << 1) + gear[p[at]];
		if (h < limit)
			return at + 1;
	}
	*hash = h;
	return 0;
}

/*
 * The end of a piece without a cut: after the last one of the lowest hashes
 * between at and end.  Blocks that repeat may have no cut in them; where pieces
 * end then must not depend on where the first of them began, either.
 */
static size_t find_lowest(const uint64_t *gear, const uint8_t *p, size_t at,
			  size_t end)
{
	uint64_t hash = 0, lowest = UINT64_MAX;
	size_t cut = end;

	for (size_t i = at - WINDOW; i < end; i++) {
		hash = (hash << 1) + gear[p[i]];
		if (i >= at && hash <= lowest) {
			lowest = hash;
			cut = i + 1;
		}
	}
	return cut;
}

size_t cut_next(const struct delta_key *k, unsigned bits, const uint8_t *p,
		size_t n)
{
	const size_t max = cut_max(bits), average = (size_t)1 << bits;
	const size_t end = n < max ? n : max;
	const size_t middle = end < average ? end : average;
	const size_t from = cut_min(bits);
	uint64_t hash = 0;
	size_t cut;

	if (end <= from)
		return end;
	cut = find_cut(k->gear, p, from, middle, limit_of(bits + NORMALIZE),
		       &hash);
	if (cut == 0)
		cut = find_cut(k->gear, p, middle, end,
			       limit_of(bits - NORMALIZE), &hash);
	if (cut == 0 && end == max)
		cut = find_lowest(k->gear, p, middle, end);
	return cut ? cut : end;
}
