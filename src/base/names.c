/*
 * Hashes of names, and an open hash table of them.
 */
#include "base/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"

enum {
	SLOTS_MIN = 64,
	SLOTS_KEPT = 1 << 16, /* a larger table is freed when it is cleared */
};

/* FNV-1a alone changes few high bits with the last bytes of a name, which would
 * make sums of hashes meet. */
static uint64_t finish(uint64_t h)
{
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

uint64_t names_hash(const char *name, size_t len)
{
	return finish(fnv_bytes(FNV_START, name, len));
}

/* Whether a combining accent (U+0300 to U+036F) follows the letter at name[i]:
 * then both together are also one letter. */
static int is_base(const char *name, size_t len, size_t i)
{
	return i + 1 < len && ((unsigned char)name[i + 1] == 0xcc ||
			       (unsigned char)name[i + 1] == 0xcd);
}

uint64_t names_folded(const char *name, size_t len)
{
	uint64_t h = FNV_START;

	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)name[i];

		if (c < 0x80 && (c == '/' || !is_base(name, len, i)))
			h = fnv_byte(h, (unsigned char)tolower(c));
	}
	return finish(h);
}

void names_sum_add(struct names_sum *s, const char *name, size_t len,
		   int is_dir)
{
	uint64_t h = fnv_bytes(FNV_START, name, len);

	if (is_dir)
		h = fnv_byte(h, '/');
	s->sum += finish(h);
	s->count++;
}

/* ---- sets ---- */

/* 0 is a free slot. */
static uint64_t key_of(uint64_t hash)
{
	return hash ? hash : 1;
}

static size_t slot_of(const struct names_set *s, uint64_t key)
{
	size_t i = (size_t)key & (s->size - 1);

	while (s->slots[i] && s->slots[i] != key)
		i = (i + 1) & (s->size - 1);
	return i;
}

static int grow(struct names_set *s)
{
	struct names_set larger = { .size = s->size ? 2 * s->size : SLOTS_MIN,
				    .count = s->count };

	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	if (!larger.slots)
		return -1;
	for (size_t i = 0; i < s->size; i++) {
		if (s->slots[i])
			larger.slots[slot_of(&larger, s->slots[i])] =
				s->slots[i];
	}
	free(s->slots);
	*s = larger;
	return 0;
}

int names_set_add(struct names_set *s, uint64_t hash)
{
	const uint64_t key = key_of(hash);
	size_t i;

	/* at most three quarters full */
	if (4 * (s->count + 1) > 3 * s->size && grow(s) < 0)
		return -1;
	i = slot_of(s, key);
	s->count += s->slots[i] == 0;
	s->slots[i] = key;
	return 0;
}

int names_set_has(const struct names_set *s, uint64_t hash)
{
	const uint64_t key = key_of(hash);

	return s->size > 0 && s->slots[slot_of(s, key)] == key;
}

void names_set_clear(struct names_set *s)
{
	if (s->size > SLOTS_KEPT) {
		names_set_release(s);
		return;
	}
	if (s->count > 0)
		memset(s->slots, 0, s->size * sizeof(*s->slots));
	s->count = 0;
}

void names_set_release(struct names_set *s)
{
	free(s->slots);
	*s = (struct names_set){ 0 };
}
