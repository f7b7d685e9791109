/*
 * A hash table with open addressing, at most half full.
 */
#include "chunk/piece_index.h"

#include <stdlib.h>

#include "base/err.h"

enum {
	SLOTS_FIRST = 1024,
	/* How many slots are looked at.  With honest digests and a table that
	 * is half full, longer ways are rarer than one in a million. */
	PROBES_MAX = 64,
};

/* place: 0 for a free slot, else offset << PIECE_LENGTH_BITS | length. */
struct slot {
	uint64_t digest;
	uint64_t place;
};

struct piece_index {
	struct slot *slots;
	size_t slot_count; /* a power of two */
	size_t count, max;
	uint64_t salt;
};

struct piece_index *piece_index_new(size_t max, uint64_t salt)
{
	struct piece_index *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->max = max;
	x->salt = salt | 1;
	x->slot_count = SLOTS_FIRST;
	x->slots = calloc(SLOTS_FIRST, sizeof(*x->slots));
	if (!x->slots) {
		free(x);
		return NULL;
	}
	return x;
}

void piece_index_free(struct piece_index *x)
{
	if (!x)
		return;
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

/* The slot with the digest, or else the free one to put it in; NULL where
 * neither is near. */
static struct slot *find_slot(const struct piece_index *x, uint64_t digest)
{
	const size_t first = first_slot(x, digest);

	for (size_t i = 0; i < PROBES_MAX; i++) {
		struct slot *s = &x->slots[(first + i) & (x->slot_count - 1)];

		if (s->place == 0 || s->digest == digest)
			return s;
	}
	return NULL;
}

static int grow(struct piece_index *x)
{
	struct slot *old = x->slots;
	const size_t old_count = x->slot_count;
	struct slot *slots;

	if (old_count > SIZE_MAX / 2 / sizeof(*slots))
		return ERR_RESOURCE;
	slots = calloc(old_count * 2, sizeof(*slots));
	if (!slots)
		return ERR_RESOURCE;
	x->slots = slots;
	x->slot_count = old_count * 2;
	x->count = 0;
	for (size_t i = 0; i < old_count; i++) {
		struct slot *s;

		if (old[i].place == 0)
			continue;
		s = find_slot(x, old[i].digest);
		if (s) {
			*s = old[i];
			x->count++;
		}
	}
	free(old);
	return 0;
}

int piece_index_add(struct piece_index *x, uint64_t digest, uint64_t off,
		    size_t len)
{
	struct slot *s;

	if (len == 0 || len >> PIECE_LENGTH_BITS || off >> PIECE_OFFSET_BITS)
		return ERR_RANGE;
	if (x->count >= x->slot_count / 2 && grow(x))
		return ERR_RESOURCE;
	s = find_slot(x, digest);
	if (!s || s->place)
		return 0;
	if (x->count >= x->max)
		return ERR_RANGE;
	s->digest = digest;
	s->place = off << PIECE_LENGTH_BITS | len;
	x->count++;
	return 0;
}

int piece_index_find(const struct piece_index *x, uint64_t digest, size_t len,
		     uint64_t *off)
{
	const struct slot *s = find_slot(x, digest);

	if (!s || !s->place ||
	    (s->place & ((UINT64_C(1) << PIECE_LENGTH_BITS) - 1)) != len)
		return -1;
	*off = s->place >> PIECE_LENGTH_BITS;
	return 0;
}

size_t piece_index_count(const struct piece_index *x)
{
	return x->count;
}
