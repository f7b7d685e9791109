/*
 * The pieces in the order in which they were added, and a hash table with open
 * addressing of their numbers, at most half full.
 */
#include "chunk/piece_index.h"

#include <stdlib.h>

#include "base/err.h"

enum {
	PIECES_FIRST = 512,
	/* How many slots are looked at.  With honest digests and a table that
	 * is half full, longer ways are rarer than one in a million. */
	PROBES_MAX = 64,
};

struct piece_index {
	struct piece *pieces;
	size_t count, room, max;
	uint32_t *slots;   /* 0: free; else one more than the piece's number */
	size_t slot_count; /* 2 * room, a power of two */
	uint64_t salt;
};

struct piece_index *piece_index_new(size_t max, uint64_t salt)
{
	struct piece_index *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->max = max;
	x->salt = salt | 1;
	x->room = PIECES_FIRST;
	x->slot_count = (size_t)2 * PIECES_FIRST;
	x->pieces = malloc(x->room * sizeof(*x->pieces));
	x->slots = calloc(x->slot_count, sizeof(*x->slots));
	if (!x->pieces || !x->slots) {
		piece_index_free(x);
		return NULL;
	}
	return x;
}

void piece_index_free(struct piece_index *x)
{
	if (!x)
		return;
	free(x->pieces);
	free(x->slots);
	free(x);
}

/* Where a digest's slots begin.  A product with a random odd number: its upper
 * bits cannot be foreseen by who chose the digest. */
static size_t first_slot(const struct piece_index *x, uint64_t digest)
{
	const uint64_t mixed = (digest ^ digest >> 32) * x->salt;

	return (size_t)(mixed >> 32) & (x->slot_count - 1);
}

/* The slot of the piece with the digest, or else the free one to put it in;
 * NULL where neither is near. */
static uint32_t *find_slot(const struct piece_index *x, uint64_t digest)
{
	const size_t first = first_slot(x, digest);

	for (size_t i = 0; i < PROBES_MAX; i++) {
		uint32_t *s = &x->slots[(first + i) & (x->slot_count - 1)];

		if (*s == 0 || x->pieces[*s - 1].digest == digest)
			return s;
	}
	return NULL;
}

/* Double the room.  A piece without a free slot near where it belongs then is
 * left out. */
static int grow(struct piece_index *x)
{
	const size_t room = x->room * 2, count = x->count;
	struct piece *pieces;
	uint32_t *slots;

	if (room > UINT32_MAX / 2 || room > SIZE_MAX / sizeof(*pieces))
		return ERR_RESOURCE;
	pieces = realloc(x->pieces, room * sizeof(*pieces));
	if (!pieces)
		return ERR_RESOURCE;
	x->pieces = pieces;
	slots = calloc(room * 2, sizeof(*slots));
	if (!slots)
		return ERR_RESOURCE;
	free(x->slots);
	x->slots = slots;
	x->room = room;
	x->slot_count = room * 2;
	x->count = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t *s = find_slot(x, pieces[i].digest);

		if (s) {
			pieces[x->count] = pieces[i];
			*s = (uint32_t)++x->count;
		}
	}
	return 0;
}

int piece_index_add(struct piece_index *x, uint64_t digest, uint64_t off,
		    size_t len)
{
	uint32_t *s;

	if (len == 0 || len >> PIECE_LENGTH_BITS || off >> PIECE_OFFSET_BITS)
		return ERR_RANGE;
	if (x->count == x->room && grow(x))
		return ERR_RESOURCE;
	s = find_slot(x, digest);
	if (!s || *s)
		return 0;
	if (x->count >= x->max)
		return ERR_RANGE;
	x->pieces[x->count].digest = digest;
	x->pieces[x->count].place = off << PIECE_LENGTH_BITS | len;
	*s = (uint32_t)++x->count;
	return 0;
}

const struct piece *piece_index_find(const struct piece_index *x,
				     uint64_t digest, size_t len)
{
	const uint32_t *s = find_slot(x, digest);
	const struct piece *p = s && *s ? &x->pieces[*s - 1] : NULL;

	return p && piece_len(p) == len ? p : NULL;
}

const struct piece *piece_index_after(const struct piece_index *x,
				      const struct piece *p)
{
	const struct piece *next = p + 1;

	return (size_t)(next - x->pieces) < x->count &&
			       piece_off(next) == piece_off(p) + piece_len(p) ?
		       next :
		       NULL;
}

size_t piece_index_count(const struct piece_index *x)
{
	return x->count;
}
