/*
 * Unit tests of the file digest: recomputed here straight from its definition
 * in tree.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <malloc.h>

#include <cmocka.h>

#include "base/err.h"
#include "chunk/tree.h"
#include "within.h"

static const uint64_t MIB = 1 << 20;

static const struct digest_ops *const algorithms[] = {
	&digest_xxh3,
	&digest_sha256,
	&digest_crc32,
};

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* A digest for each of count leaves; they need not be of any data. */
static uint8_t *make_leaves(const struct digest_ops *ops, uint64_t count)
{
	uint8_t *all = malloc((size_t)count * ops->size);
	uint32_t x = 88172645;

	assert_non_null(all);
	for (size_t i = 0; i < (size_t)count * ops->size; i++)
		all[i] = (uint8_t)(next_random(&x) >> 11);
	return all;
}

/* The definition, from all the leaves at once. */
static void expect(const struct digest_ops *ops, uint64_t size,
		   const uint8_t *leaves, uint8_t *out)
{
	size_t count = size ? (size_t)((size + MIB - 1) / MIB) : 1;
	size_t ranges = (count + 63) / 64;
	uint8_t *all = malloc(ranges * ops->size + 8);

	assert_non_null(all);
	if (count == 1) {
		memcpy(out, leaves, ops->size);
		free(all);
		return;
	}
	for (size_t i = 0; i < ranges; i++) {
		size_t n = count - i * 64 < 64 ? count - i * 64 : 64;

		ops->sum(leaves + i * 64 * ops->size, n * ops->size,
			 all + i * ops->size);
	}
	for (unsigned i = 0; i < 8; i++)
		all[ranges * ops->size + i] = (uint8_t)(size >> (56 - 8 * i));
	ops->sum(all, ranges * ops->size + 8, out);
	free(all);
}

static void put(struct tree *t, uint64_t index, const uint8_t *digest,
		size_t size)
{
	uint8_t *copy = malloc(size);

	assert_non_null(copy);
	memcpy(copy, digest, size);
	assert_int_equal(tree_put(t, index, copy), 0);
	free(copy);
}

static void check_final(struct tree *t, const struct digest_ops *ops,
			uint64_t size, const uint8_t *leaves)
{
	uint8_t want[DIGEST_MAX], *got = malloc(ops->size);

	assert_non_null(got);
	expect(ops, size, leaves, want);
	assert_int_equal(tree_is_complete(t), 1);
	assert_int_equal(tree_final(t, got), 0);
	assert_memory_equal(got, want, ops->size);
	free(got);
}

/* 0 .. count-1 in an order that seed decides. */
static uint64_t *shuffled(uint64_t count, uint32_t seed)
{
	uint64_t *order = malloc((size_t)count * sizeof(*order));

	assert_non_null(order);
	for (uint64_t i = 0; i < count; i++)
		order[i] = i;
	for (uint64_t i = count; seed && i > 1; i--) {
		uint64_t k = next_random(&seed) % i, was = order[k];

		order[k] = order[i - 1];
		order[i - 1] = was;
	}
	return order;
}

static void check_order(const struct digest_ops *ops, uint64_t size,
			int is_known, uint32_t seed)
{
	uint64_t count = tree_leaf_count(size);
	uint8_t *leaves = make_leaves(ops, count);
	uint64_t *order = shuffled(count, seed);
	struct tree *t = tree_new(ops, is_known ? size : TREE_SIZE_UNKNOWN);

	assert_non_null(t);
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *digest = leaves + order[i] * ops->size;

		assert_int_equal(tree_is_complete(t), 0);
		assert_int_equal(tree_has(t, order[i]), 0);
		put(t, order[i], digest, ops->size);
		put(t, order[i], digest, ops->size); /* sent twice */
		assert_int_equal(tree_has(t, order[i]), 1);
		assert_int_equal(tree_have_count(t), i + 1);
		/* the size may be learnt at any time */
		if (!is_known && i == seed % count)
			assert_int_equal(tree_set_size(t, size), 0);
	}
	assert_int_equal(tree_next_missing(t, 0), count);
	check_final(t, ops, size, leaves);
	/* and asking again changes nothing */
	check_final(t, ops, size, leaves);
	tree_free(t);
	free(order);
	free(leaves);
}

static void any_order_gives_the_same_digest(void **state)
{
	static const uint64_t counts[] = { 1,  2,   3,   63,  64,  65,
					   66, 127, 128, 129, 200, 321 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (uint32_t seed = 0; seed < 6; seed++) {
			const struct digest_ops *ops = algorithms[seed % 3];
			uint64_t size = counts[i] * MIB - (seed & 1) * 77;

			check_order(ops, size, 1, seed * 7919);
			check_order(ops, size, 0, seed * 7919);
		}
	}
}

static void many_pages_of_ranges(void **state)
{
	(void)state;
	/* beyond 256 ranges, in order and not */
	check_order(&digest_crc32, 16500 * MIB + 1, 1, 0);
	check_order(&digest_xxh3, 33000 * MIB, 0, 12345);
}

static void one_leaf_is_the_plain_digest(void **state)
{
	static const size_t sizes[] = { 0, 1, 1000, (1 << 20) - 1, 1 << 20 };
	uint8_t *data = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < 5; i++) {
		for (size_t k = 0; k < 3; k++) {
			const struct digest_ops *ops = algorithms[k];
			uint8_t plain[DIGEST_MAX], got[DIGEST_MAX];
			struct tree *t = tree_new(ops, sizes[i]);

			assert_non_null(t);
			ops->sum(data, sizes[i], plain);
			put(t, 0, plain, ops->size);
			assert_int_equal(tree_final(t, got), 0);
			assert_memory_equal(got, plain, ops->size);
			tree_free(t);
		}
	}
	free(data);
}

/* The size is part of it: same leaf digests, another size. */
static void size_changes_the_digest(void **state)
{
	uint8_t *leaves = make_leaves(&digest_xxh3, 2);
	uint8_t got[2][16];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct tree *t = tree_new(&digest_xxh3, 2 * MIB - i);

		assert_non_null(t);
		put(t, 0, leaves, 16);
		put(t, 1, leaves + 16, 16);
		assert_int_equal(tree_final(t, got[i]), 0);
		tree_free(t);
	}
	assert_memory_not_equal(got[0], got[1], 16);
	free(leaves);
}

static void leaves_are_counted_and_measured(void **state)
{
	(void)state;
	assert_int_equal(tree_leaf_count(0), 1);
	assert_int_equal(tree_leaf_count(1), 1);
	assert_int_equal(tree_leaf_count(MIB), 1);
	assert_int_equal(tree_leaf_count(MIB + 1), 2);
	assert_true(tree_leaf_count(TREE_SIZE_MAX) == (uint64_t)1 << 33);
	assert_int_equal(tree_leaf_size(0, 0), 0);
	assert_int_equal(tree_leaf_size(1, 0), 1);
	assert_int_equal(tree_leaf_size(1, 1), 0);
	assert_int_equal(tree_leaf_size(MIB, 0), MIB);
	assert_int_equal(tree_leaf_size(MIB, 1), 0);
	assert_int_equal(tree_leaf_size(3 * MIB + 5, 2), MIB);
	assert_int_equal(tree_leaf_size(3 * MIB + 5, 3), 5);
	assert_int_equal(tree_leaf_size(3 * MIB + 5, 4), 0);
	assert_int_equal(tree_leaf_size(3 * MIB + 5, UINT64_MAX), 0);
	assert_int_equal(tree_leaf_size(TREE_SIZE_MAX, ((uint64_t)1 << 33) - 1),
			 MIB);
}

static void put_refuses_what_cannot_be(void **state)
{
	uint8_t *leaves = make_leaves(&digest_xxh3, 200);
	struct tree *t = tree_new(&digest_xxh3, 65 * MIB);
	uint8_t out[16];

	(void)state;
	assert_non_null(t);
	assert_int_equal(tree_put(t, 65, leaves), ERR_RANGE);
	assert_int_equal(tree_put(t, (uint64_t)1 << 32, leaves), ERR_RANGE);
	assert_int_equal(tree_put(t, UINT64_MAX, leaves), ERR_RANGE);
	assert_int_equal(tree_has(t, UINT64_MAX), 0);
	assert_int_equal(tree_has(t, 65), 0);
	put(t, 3, leaves, 16);
	assert_int_equal(tree_put(t, 3, leaves + 16), ERR_PROTOCOL);
	assert_int_equal(tree_have_count(t), 1);
	assert_true(tree_final(t, out) < 0);
	assert_int_equal(tree_set_size(t, 65 * MIB), 0);
	assert_int_equal(tree_set_size(t, 65 * MIB - 1), ERR_PROTOCOL);
	assert_int_equal(tree_set_size(t, TREE_SIZE_UNKNOWN), ERR_PROTOCOL);
	tree_free(t);
	/* one beyond lies in a range that is not there at all */
	t = tree_new(&digest_xxh3, 64 * MIB);
	assert_non_null(t);
	put(t, 0, leaves, 16);
	assert_int_equal(tree_has(t, 64), 0);
	assert_int_equal(tree_put(t, 64, leaves), ERR_RANGE);
	tree_free(t);
	assert_null(tree_new(&digest_xxh3, TREE_SIZE_MAX + 1));
	assert_null(tree_new(&digest_xxh3, UINT64_MAX - 1));
	free(leaves);
}

/* After its range is whole, a leaf that comes again has no effect. */
static void late_doubles_have_no_effect(void **state)
{
	uint8_t *leaves = make_leaves(&digest_xxh3, 65);
	struct tree *t = tree_new(&digest_xxh3, 65 * MIB);

	(void)state;
	assert_non_null(t);
	for (uint64_t i = 0; i < 64; i++)
		put(t, i, leaves + 16 * i, 16);
	put(t, 5, leaves, 16);
	put(t, 63, leaves, 16);
	assert_int_equal(tree_have_count(t), 64);
	put(t, 64, leaves + 16 * 64, 16);
	put(t, 64, leaves, 16);
	check_final(t, &digest_xxh3, 65 * MIB, leaves);
	tree_free(t);
	free(leaves);
}

static void unknown_size_is_checked_when_it_is_said(void **state)
{
	uint8_t *leaves = make_leaves(&digest_xxh3, 130);
	struct tree *t = tree_new(&digest_xxh3, TREE_SIZE_UNKNOWN);

	(void)state;
	assert_non_null(t);
	for (uint64_t i = 0; i < 65; i++)
		put(t, i, leaves + 16 * i, 16);
	assert_int_equal(tree_is_complete(t), 0);
	assert_int_equal(tree_put(t, (uint64_t)1 << 33, leaves), ERR_RANGE);
	/* leaf 64 lies beyond */
	assert_int_equal(tree_set_size(t, 64 * MIB), ERR_PROTOCOL);
	assert_int_equal(tree_set_size(t, 0), ERR_PROTOCOL);
	assert_int_equal(tree_set_size(t, TREE_SIZE_MAX + 1), ERR_PROTOCOL);
	assert_int_equal(tree_set_size(t, TREE_SIZE_UNKNOWN), ERR_PROTOCOL);
	/* and a refused size is forgotten */
	assert_int_equal(tree_is_complete(t), 0);
	assert_int_equal(tree_set_size(t, 66 * MIB), 0);
	assert_int_equal(tree_is_complete(t), 0);
	assert_int_equal(tree_next_missing(t, 0), 65);
	assert_int_equal(tree_put(t, 66, leaves), ERR_RANGE);
	put(t, 65, leaves + 16 * 65, 16);
	check_final(t, &digest_xxh3, 66 * MIB, leaves);
	tree_free(t);
	free(leaves);
}

static void unknown_size_may_be_nothing(void **state)
{
	struct tree *t = tree_new(&digest_crc32, TREE_SIZE_UNKNOWN);
	uint8_t got[4];

	(void)state;
	assert_non_null(t);
	assert_int_equal(tree_set_size(t, 0), 0);
	assert_int_equal(tree_is_complete(t), 0);
	put(t, 0, (const uint8_t *)"\0\0\0\0", 4);
	assert_int_equal(tree_final(t, got), 0);
	assert_memory_equal(got, "\0\0\0\0", 4);
	tree_free(t);
}

static void unknown_size_may_be_the_largest(void **state)
{
	uint64_t last = tree_leaf_count(TREE_SIZE_MAX) - 1;
	uint8_t digest[4] = { 1 };
	struct tree *t = tree_new(&digest_crc32, TREE_SIZE_UNKNOWN);

	(void)state;
	assert_non_null(t);
	put(t, last, digest, 4);
	assert_int_equal(tree_set_size(t, TREE_SIZE_MAX), 0);
	assert_int_equal(tree_has(t, last), 1);
	tree_free(t);
}

static void missing_leaves_are_found(void **state)
{
	const uint64_t count = 40000;
	uint8_t *leaves = make_leaves(&digest_crc32, 1);
	uint8_t *has = calloc(1, (size_t)count);
	struct tree *t = tree_new(&digest_crc32, count * MIB - 1);
	uint64_t *order = shuffled(count, 99);
	uint64_t want = count;

	(void)state;
	assert_non_null(t);
	assert_non_null(has);
	assert_int_equal(tree_next_missing(t, 0), 0);
	/* runs, and single ones all over, but not pages 1 and 2 */
	for (uint64_t i = 0; i < count; i++) {
		if ((i > 100 && i < 300) || (i > 39000 && i != 39500) ||
		    (order[i] % 3 && i < 16384))
			has[i] = 1;
		if (has[i])
			put(t, i, leaves, 4);
	}
	for (uint64_t i = count; i-- > 0;) {
		if (!has[i])
			want = i;
		assert_int_equal(tree_has(t, i), has[i]);
		assert_int_equal(tree_next_missing(t, i), want);
	}
	assert_int_equal(tree_next_missing(t, count), count);
	assert_int_equal(tree_next_missing(t, UINT64_MAX), count);
	tree_free(t);
	free(order);
	free(has);
	free(leaves);
}

/* Bytes that malloc has given out. */
static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Under ASan malloc has no such count: run there for its checks alone. */
static void huge_files_cost_little(void **state)
{
	uint64_t last = tree_leaf_count(TREE_SIZE_MAX) - 1;
	uint8_t digest[16] = { 1 };
	size_t before = in_use();
	struct tree *t = tree_new(&digest_xxh3, TREE_SIZE_MAX);

	(void)state;
	assert_non_null(t);
	put(t, 0, digest, 16);
	assert_within(in_use() - before, 0, 8192);
	put(t, last, digest, 16);
	assert_within(in_use() - before, 0, 5 << 20);
	assert_int_equal(tree_has(t, last), 1);
	assert_int_equal(tree_next_missing(t, last), last + 1);
	tree_free(t);
}

/* The same tree, leaf by leaf and by runs: all lengths around a range and a
 * page. */
static void check_same(uint64_t size, const uint64_t *runs, size_t count)
{
	const struct digest_ops *ops = &digest_xxh3;
	const uint64_t leaves = tree_leaf_count(size);
	struct tree *one = tree_new(ops, size), *two = tree_new(ops, size);
	uint8_t zero[DIGEST_MAX] = { 1 }, other[DIGEST_MAX] = { 2 };
	uint8_t a[DIGEST_MAX], b[DIGEST_MAX];
	uint64_t at = 0;

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(tree_put_same(two, at, runs[i], zero), 0);
		assert_int_equal(tree_has(two, at + runs[i] - 1), 1);
		/* Twice, also a part. */
		assert_int_equal(tree_put_same(two, at, 1, zero), ERR_PROTOCOL);
		assert_int_equal(tree_put_same(two, at + runs[i] - 1, 1, zero),
				 ERR_PROTOCOL);
		for (uint64_t k = 0; k < runs[i]; k++)
			put(one, at++, zero, ops->size);
		if (at < leaves) {
			put(one, at, other, ops->size);
			put(two, at++, other, ops->size);
		}
		assert_int_equal(tree_have_count(two), at);
		assert_int_equal(tree_next_missing(two, 0), at);
	}
	assert_int_equal(at, leaves);
	assert_int_equal(tree_put_same(two, leaves, 1, zero), ERR_RANGE);
	assert_int_equal(tree_put_same(two, 0, leaves + 1, zero), ERR_RANGE);
	assert_int_equal(tree_final(one, a), 0);
	assert_int_equal(tree_final(two, b), 0);
	assert_memory_equal(a, b, ops->size);
	tree_free(one);
	tree_free(two);
}

static void holes_are_as_their_leaves(void **state)
{
	static const uint64_t runs[] = { 1, 62, 63, 64, 65, 127, 128, 200, 300,
					 64 * 256 - 1, 64 * 256, 3 * 64 * 256,
					 129 };
	uint64_t size = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		check_same(runs[i] * TREE_LEAF, &runs[i], 1);
		check_same((runs[i] + 1) * TREE_LEAF - 1, &runs[i], 1);
		size += (runs[i] + 1) * TREE_LEAF;
		check_same(size, runs, i + 1);
	}
}

/* A frame of some bytes announces it. */
static void a_huge_hole_costs_little(void **state)
{
	const uint64_t size = (uint64_t)1 << 53;
	const size_t before = in_use();
	struct tree *t = tree_new(&digest_xxh3, size);
	uint8_t zero[DIGEST_MAX] = { 1 };

	(void)state;
	assert_int_equal(tree_put_same(t, 5, tree_leaf_count(size) - 5, zero),
			 0);
	assert_within(in_use() - before, 0, 5 << 20);
	assert_int_equal(tree_next_missing(t, 0), 0);
	tree_free(t);
}

/* What tree.h says of 1 TiB. */
static void whole_ranges_give_their_memory_back(void **state)
{
	uint64_t count = 1 << 20;
	uint8_t digest[16] = { 2 };
	size_t before = in_use();
	struct tree *t = tree_new(&digest_xxh3, count * MIB);

	(void)state;
	assert_non_null(t);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(tree_put(t, i, digest), 0);
	assert_within(in_use() - before, 0, 1 << 20);
	assert_int_equal(tree_is_complete(t), 1);
	tree_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_gives_the_same_digest),
		cmocka_unit_test(many_pages_of_ranges),
		cmocka_unit_test(one_leaf_is_the_plain_digest),
		cmocka_unit_test(size_changes_the_digest),
		cmocka_unit_test(leaves_are_counted_and_measured),
		cmocka_unit_test(put_refuses_what_cannot_be),
		cmocka_unit_test(late_doubles_have_no_effect),
		cmocka_unit_test(unknown_size_is_checked_when_it_is_said),
		cmocka_unit_test(unknown_size_may_be_nothing),
		cmocka_unit_test(unknown_size_may_be_the_largest),
		cmocka_unit_test(missing_leaves_are_found),
		cmocka_unit_test(huge_files_cost_little),
		cmocka_unit_test(holes_are_as_their_leaves),
		cmocka_unit_test(a_huge_hole_costs_little),
		cmocka_unit_test(whole_ranges_give_their_memory_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
