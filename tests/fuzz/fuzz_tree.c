/*
 * The digest of a file from its leaves in any order, against a reference that
 * keeps them all.
 *
 * Input: a byte (digest; 0x80: the size is unknown until the end), u16 leaves,
 * u24 bytes in the last one, then steps: u16 index, a byte that makes the
 * digest (the right one: 0).
 */
#include "fuzz.h"

#include "base/buf.h"
#include "base/err.h"
#include "chunk/tree.h"

enum { LEAVES_MAX = 400 };

struct model {
	const struct digest_ops *ops;
	uint64_t size, leaves;
	uint64_t have; /* how many */
	uint64_t end;  /* one beyond the last */
	uint8_t has[LEAVES_MAX];
	uint8_t digests[LEAVES_MAX * DIGEST_MAX];
};

static void digest_of(const struct model *m, uint64_t index, uint8_t change,
		      uint8_t *out)
{
	uint8_t seed[9];

	be_put64(seed, index);
	seed[8] = change;
	m->ops->sum(seed, sizeof(seed), out);
}

/* H(ranges' digests || size), as tree.h defines it. */
static void final(const struct model *m, uint8_t *out)
{
	size_t size = m->ops->size, n = 0;
	uint8_t all[(LEAVES_MAX / TREE_RANGE_LEAVES + 1) * DIGEST_MAX + 8];

	if (m->leaves == 1) {
		memcpy(out, m->digests, size);
		return;
	}
	for (uint64_t i = 0; i < m->leaves; i += TREE_RANGE_LEAVES) {
		uint64_t count = m->leaves - i < TREE_RANGE_LEAVES ?
					 m->leaves - i :
					 TREE_RANGE_LEAVES;

		m->ops->sum(m->digests + i * size, (size_t)count * size,
			    all + n);
		n += size;
	}
	be_put64(all + n, m->size);
	m->ops->sum(all, n + 8, out);
}

static int is_folded(const struct model *m, uint64_t index, int is_known)
{
	uint64_t from = index / TREE_RANGE_LEAVES * TREE_RANGE_LEAVES;
	uint64_t to = from + TREE_RANGE_LEAVES;

	if (is_known && to > m->leaves)
		to = m->leaves;
	for (uint64_t i = from; i < to; i++) {
		if (!m->has[i % LEAVES_MAX] || i >= LEAVES_MAX)
			return 0;
	}
	return !is_known || m->leaves > 1;
}

static void put(struct tree *t, struct model *m, uint64_t index,
		uint8_t change, int is_known)
{
	uint8_t digest[DIGEST_MAX], *place;
	size_t size = m->ops->size;
	int rc;

	digest_of(m, index, change, digest);
	rc = tree_put(t, index, digest);
	if (index >= m->leaves) {
		CHECK(rc == ERR_RANGE);
		return;
	}
	place = m->digests + index * size;
	if (is_folded(m, index, is_known)) {
		CHECK(rc == 0);
	} else if (m->has[index]) {
		CHECK(rc == (memcmp(place, digest, size) ? ERR_PROTOCOL : 0));
	} else {
		CHECK(rc == 0);
		memcpy(place, digest, size);
		m->has[index] = 1;
		m->have++;
	}
	if (m->end < index + 1)
		m->end = index + 1;
}

static uint64_t next_missing(const struct model *m, uint64_t from)
{
	while (from < m->leaves && m->has[from])
		from++;
	return from > m->leaves ? m->leaves : from;
}

static void compare(struct tree *t, const struct model *m, int is_known)
{
	uint8_t got[DIGEST_MAX], want[DIGEST_MAX];

	CHECK(tree_have_count(t) == m->have);
	for (uint64_t i = 0; i < m->leaves; i++)
		CHECK(tree_has(t, i) == m->has[i]);
	if (!is_known) {
		CHECK(!tree_is_complete(t));
		return;
	}
	for (uint64_t i = 0; i <= m->leaves; i += 1 + m->leaves / 50)
		CHECK(tree_next_missing(t, i) == next_missing(m, i));
	CHECK(tree_is_complete(t) == (m->have == m->leaves));
	if (!tree_is_complete(t))
		return;
	final(m, want);
	CHECK(tree_final(t, got) == 0);
	CHECK(memcmp(got, want, m->ops->size) == 0);
}

static void set_size(struct tree *t, const struct model *m)
{
	if (m->end > 1)
		CHECK(tree_set_size(t, (m->end - 1) * TREE_LEAF) ==
		      ERR_PROTOCOL);
	CHECK(tree_set_size(t, TREE_SIZE_MAX + 1) == ERR_PROTOCOL);
	CHECK(tree_set_size(t, m->size) == 0);
	CHECK(tree_set_size(t, m->size) == 0);
	CHECK(tree_set_size(t, m->size + 1) == ERR_PROTOCOL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model m;
	struct tree *t;
	struct rd r;
	uint8_t flags;
	int is_known;

	rd_init(&r, data, size);
	memset(&m, 0, sizeof(m));
	flags = rd_u8(&r);
	is_known = !(flags & 0x80);
	m.ops = digest_by_id(1 + flags % 3);
	m.leaves = 1 + rd_u16(&r) % LEAVES_MAX;
	m.size = (m.leaves - 1) * TREE_LEAF +
		 ((uint64_t)rd_u16(&r) << 5 | rd_u8(&r)) % TREE_LEAF + 1;
	/* an empty file has a leaf, too */
	if (m.size == 1)
		m.size = 0;
	t = tree_new(m.ops, is_known ? m.size : TREE_SIZE_UNKNOWN);
	CHECK(t);
	while (r.left >= 3) {
		uint64_t index = rd_u16(&r);

		/* while the size is unknown there is no leaf too many */
		if (!is_known)
			index %= m.leaves;
		put(t, &m, index, rd_u8(&r), is_known);
	}
	compare(t, &m, is_known);
	if (!is_known)
		set_size(t, &m);
	compare(t, &m, 1);
	for (uint64_t i = m.leaves; i-- > 0;)
		put(t, &m, i, 0, 1);
	compare(t, &m, 1);
	tree_free(t);
	return 0;
}
