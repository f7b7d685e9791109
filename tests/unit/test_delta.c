/*
 * Unit tests of the parts of a delta: keyed digests, content-defined cutting,
 * the index of pieces, recipes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "within.h"

#include "base/buf.h"
#include "base/err.h"
#include "chunk/cut.h"
#include "chunk/delta_key.h"
#include "chunk/digest.h"
#include "chunk/match.h"
#include "chunk/piece_index.h"
#include "chunk/recipe.h"

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static uint8_t *random_bytes(size_t n, uint64_t seed)
{
	uint8_t *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(next_random(&seed) >> 24);
	return p;
}

/* ---- keys ---- */

/* The derivation is part of the protocol. */
static void test_key(void **state)
{
	const char in[] = "ferry delta\0\0\0\0token";
	struct delta_key a, b;
	uint8_t sum[32];

	(void)state;
	delta_key_derive(&a, "token", 5);
	digest_sha256.sum(in, sizeof(in) - 1, sum);
	assert_memory_equal(a.secret, sum, 32);
	/* 192 bytes of secret are 6 digests; the 7th has the first 4 gears. */
	memcpy(sum, in, sizeof(in) - 1);
	sum[14] = 6;
	digest_sha256.sum(sum, sizeof(in) - 1, sum);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(a.gear[i], be_get64(sum + 8 * i));
	delta_key_derive(&b, "tokem", 5);
	assert_true(delta_key_sum(&a, "x", 1) != delta_key_sum(&b, "x", 1));
	assert_true(a.gear[255] != b.gear[255] && a.gear[254] != a.gear[255]);
}

static void each_session_has_a_key_of_its_own(void **state)
{
	struct delta_session_key *s = delta_key_new();
	struct delta_key wanted;

	(void)state;
	assert_non_null(s);
	delta_key_begin(s, "token", 5);
	delta_key_derive(&wanted, "token", 5);
	assert_memory_equal(delta_key_get(s), &wanted, sizeof(wanted));
	assert_memory_equal(delta_key_get(s), &wanted, sizeof(wanted));
	/* another session has another one */
	delta_key_begin(s, "tokem", 5);
	delta_key_derive(&wanted, "tokem", 5);
	assert_memory_equal(delta_key_get(s), &wanted, sizeof(wanted));
	delta_key_free(s);
}

static void test_blocks(void **state)
{
	const size_t n = 3 * DELTA_BLOCK + 5;
	uint8_t *p = random_bytes(n, 1), sums[4 * DELTA_SUM], old[sizeof(sums)];
	struct delta_key k;
	uint64_t all;

	(void)state;
	delta_key_derive(&k, "token", 5);
	all = delta_key_blocks(&k, p, n, old);
	assert_int_equal(be_get64(old + 3 * DELTA_SUM),
			 delta_key_sum(&k, p + 3 * DELTA_BLOCK, 5));
	p[DELTA_BLOCK] ^= 1;
	assert_true(delta_key_blocks(&k, p, n, sums) != all);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(memcmp(sums + i * DELTA_SUM,
					old + i * DELTA_SUM, DELTA_SUM) != 0,
				 i == 1);
	free(p);
}

/* ---- cutting ---- */

/* Cut all of p, and add the pieces to x, if there is one. */
static size_t cut_all(const struct delta_key *k, unsigned bits,
		      const uint8_t *p, size_t n, struct piece_index *x)
{
	size_t at = 0, count = 0, len;

	for (; at < n; at += len, count++) {
		len = cut_next(k, bits, p + at, n - at);
		assert_within(len, 1, cut_max(bits));
		if (at + len < n)
			assert_true(len >= cut_min(bits));
		if (x)
			assert_int_equal(
				piece_index_add(x,
						delta_key_sum(k, p + at, len),
						at, len),
				0);
	}
	return count;
}

static void test_cut_average(void **state)
{
	const size_t n = 8 << 20;
	uint8_t *p = random_bytes(n, 2);
	struct delta_key k;

	(void)state;
	delta_key_derive(&k, "token", 5);
	for (unsigned bits = CUT_BITS_MIN; bits <= CUT_BITS_MAX; bits++) {
		const size_t average = n / cut_all(&k, bits, p, n, NULL);

		assert_within(average, (size_t)3 << (bits - 2),
				(size_t)6 << (bits - 2));
	}
	free(p);
}

/* What is cut depends on the key and on the last bytes alone. */
static void test_cut_is_local(void **state)
{
	const size_t n = 1 << 20;
	uint8_t *p = random_bytes(n, 3);
	struct delta_key a, b;
	size_t from, len;

	(void)state;
	delta_key_derive(&a, "a", 1);
	delta_key_derive(&b, "b", 1);
	len = cut_next(&a, 13, p, n);
	assert_true(cut_next(&b, 13, p, n) != len);
	/* More bytes after it change nothing, nor do fewer, down to its end. */
	assert_int_equal(cut_next(&a, 13, p, len), len);
	assert_int_equal(cut_next(&a, 13, p, cut_max(13)), len);
	/* The next piece does not depend on this one. */
	from = len;
	len = cut_next(&a, 13, p + from, n - from);
	memset(p, 0, from);
	assert_int_equal(cut_next(&a, 13, p + from, n - from), len);
	free(p);
}

/* As ferry-protocol(7) says it, a byte at a time. */
static size_t plain_cut(const struct delta_key *k, unsigned bits,
			const uint8_t *p, size_t n)
{
	const size_t average = (size_t)1 << bits, max = 4 * average;
	const size_t end = n < max ? n : max;
	uint64_t hash = 0, lowest = UINT64_MAX;
	size_t cut = end;

	for (size_t i = average / 4; i < end; i++) {
		hash = (hash << 1) + k->gear[p[i]];
		if (hash < (uint64_t)1 << (i < average ? 62 - bits : 66 - bits))
			return i + 1;
	}
	hash = 0;
	for (size_t i = average - 64; i < max && n >= max; i++) {
		hash = (hash << 1) + k->gear[p[i]];
		if (i < average || hash > lowest)
			continue;
		lowest = hash;
		cut = i + 1;
	}
	return cut;
}

static void test_cut_as_specified(void **state)
{
	const size_t n = (1 << 20) + 3;
	uint8_t *p = random_bytes(n, 6);
	struct delta_key k;

	(void)state;
	delta_key_derive(&k, "token", 5);
	/* a block without a cut, which is longer than the longest piece */
	for (size_t i = 300000; i < 500000; i++)
		p[i] = p[i - 100];
	for (unsigned bits = CUT_BITS_MIN; bits <= CUT_BITS_MAX; bits++) {
		size_t len;

		for (size_t at = 0; at < n; at += len) {
			len = cut_next(&k, bits, p + at, n - at);
			assert_int_equal(len, plain_cut(&k, bits, p + at,
							n - at));
		}
	}
	free(p);
}

/* With 1,000 bytes in front, nearly all is found in the basis again. */
static void test_shifted(void **state)
{
	enum { SHIFT = 1000, BITS = 13 };
	const size_t n = 4 << 20;
	uint8_t *p = random_bytes(n + SHIFT, 4);
	struct piece_index *x = piece_index_new(n, 12345);
	struct delta_key k;
	size_t at = 0, len, found = 0;
	const struct piece *piece;

	(void)state;
	assert_non_null(x);
	delta_key_derive(&k, "token", 5);
	cut_all(&k, BITS, p + SHIFT, n, x);
	for (; at < n + SHIFT; at += len) {
		len = cut_next(&k, BITS, p + at, n + SHIFT - at);
		piece = piece_index_find(x, delta_key_sum(&k, p + at, len),
					 len);
		if (!piece)
			continue;
		assert_int_equal(piece_off(piece), at - SHIFT);
		found += len;
	}
	assert_true(found > n - 8 * cut_max(BITS));
	piece_index_free(x);
	free(p);
}

/* ---- the index ---- */

/* Zeros, one repeated page, two alternating ones: as many places as there are
 * different pieces. */
static void test_repeated(void **state)
{
	const size_t n = 8 << 20;
	uint8_t *p = malloc(n), *pages = random_bytes(8192, 5);
	struct delta_key k;

	(void)state;
	assert_non_null(p);
	delta_key_derive(&k, "token", 5);
	for (size_t period = 0; period <= 8192; period += 4096) {
		struct piece_index *x = piece_index_new(SIZE_MAX, 99);
		size_t count;

		assert_non_null(x);
		for (size_t i = 0; i < n; i++)
			p[i] = period ? pages[i % period] : 0;
		count = cut_all(&k, 13, p, n, x);
		assert_true(count >= n / cut_max(13));
		assert_within(piece_index_count(x), 1, 16);
		piece_index_free(x);
	}
	free(pages);
	free(p);
}

static void test_index_limits(void **state)
{
	struct piece_index *x = piece_index_new(3, 7);
	const struct piece *piece;

	(void)state;
	assert_non_null(x);
	assert_null(piece_index_find(x, 1, 1));
	assert_int_equal(piece_index_add(x, 1, 0, 0), ERR_RANGE);
	assert_int_equal(piece_index_add(x, 1, 0, 1 << 18), ERR_RANGE);
	assert_int_equal(piece_index_add(x, 1, UINT64_C(1) << 46, 1),
			 ERR_RANGE);
	assert_int_equal(piece_index_add(x, 1, (UINT64_C(1) << 46) - 1, 1), 0);
	assert_int_equal(piece_index_add(x, 2, 77, (1 << 18) - 1), 0);
	/* The first one stays. */
	assert_int_equal(piece_index_add(x, 2, 78, 5), 0);
	piece = piece_index_find(x, 2, (1 << 18) - 1);
	assert_non_null(piece);
	assert_int_equal(piece_off(piece), 77);
	assert_int_equal(piece_len(piece), (1 << 18) - 1);
	assert_null(piece_index_find(x, 2, 5));
	piece = piece_index_find(x, 1, 1);
	assert_non_null(piece);
	assert_int_equal(piece_off(piece), (UINT64_C(1) << 46) - 1);
	assert_int_equal(piece_index_add(x, 3, 5, 5), 0);
	assert_int_equal(piece_index_add(x, 4, 5, 5), ERR_RANGE);
	assert_int_equal(piece_index_count(x), 3);
	piece_index_free(x);
	piece_index_free(NULL);
}

/* The order is kept, also when the index grows; a piece follows only where it
 * adjoins. */
static void test_index_order(void **state)
{
	enum { N = 5000, GAP = 3000 };
	struct piece_index *x = piece_index_new(N, 7);
	const struct piece *piece;
	size_t followed = 1;

	(void)state;
	assert_non_null(x);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(piece_index_add(x, i * 0x9e3779b97f4a7c15,
						 i * 8 + (i >= GAP), 8), 0);
	piece = piece_index_find(x, 0, 8);
	assert_non_null(piece);
	while ((piece = piece_index_after(x, piece))) {
		assert_int_equal(piece_off(piece), followed * 8);
		followed++;
	}
	assert_int_equal(followed, GAP);
	piece = piece_index_find(x, (N - 1) * 0x9e3779b97f4a7c15, 8);
	assert_non_null(piece);
	assert_null(piece_index_after(x, piece));
	piece_index_free(x);
}

/* Digests that would lie in one place, if it could be foreseen: the time stays
 * linear. */
static void test_index_clustered(void **state)
{
	const size_t n = 200000;
	struct piece_index *x = piece_index_new(n, 0x9e3779b97f4a7c15);
	size_t found = 0;
	const struct piece *piece;

	(void)state;
	assert_non_null(x);
	for (size_t i = 1; i <= n; i++)
		assert_int_equal(
			piece_index_add(x, (uint64_t)i << 40, i * 8, 8), 0);
	for (size_t i = 1; i <= n; i++) {
		piece = piece_index_find(x, (uint64_t)i << 40, 8);
		if (!piece)
			continue;
		assert_int_equal(piece_off(piece), i * 8);
		found++;
	}
	assert_int_equal(found, piece_index_count(x));
	assert_true(found > n / 2);
	piece_index_free(x);
}

/* What is planned for all of a file is there in the basis. */
static void check_plan(const struct recipe_plan *plan, const uint8_t *file,
		       size_t n, const uint8_t *basis)
{
	size_t at = 0;

	for (uint32_t i = 0; i < plan->count; i++) {
		const struct recipe_op *op = &plan->ops[i];

		if (op->off != RECIPE_LITERAL)
			assert_memory_equal(file + at, basis + op->off,
					    op->len);
		at += op->len;
	}
	assert_int_equal(at, n);
}

/* Bytes inserted, changed and left out, each in one place. */
static void test_plan_pieces(void **state)
{
	enum { BITS = 12, N = 1 << 20, INSERTED = 10, GONE = 100 };
	uint8_t *basis = random_bytes(N, 9), *file = malloc(N);
	struct piece_index *x = piece_index_new(N, 12345);
	const struct match_range all = { file, N - GONE, 0, N - GONE };
	struct recipe_plan plan;
	struct delta_key k;

	(void)state;
	assert_non_null(x);
	assert_non_null(file);
	delta_key_derive(&k, "token", 5);
	cut_all(&k, BITS, basis, N, x);
	memcpy(file, "ten bytes!", INSERTED);
	memcpy(file + INSERTED, basis, N / 2);
	memcpy(file + INSERTED + N / 2, basis + N / 2 + INSERTED + GONE,
	       N / 2 - INSERTED - GONE);
	file[N / 4]++;
	match_plan_pieces(&k, BITS, x, &all, &plan);
	check_plan(&plan, file, N - GONE, basis);
	assert_true(plan.literal_len > 0);
	assert_true(plan.literal_len < 4 * cut_max(BITS));
	piece_index_free(x);
	free(file);
	free(basis);
}

/* Pieces that adjoin one that is found, and are longer than the file, or other
 * content: of what a receiver names, all may be wrong. */
static void test_plan_wrong_pieces(void **state)
{
	enum { BITS = 12, N = 64 << 10 };
	uint8_t *file = random_bytes(N, 10);
	struct piece_index *x = piece_index_new(N, 1);
	const struct match_range all = { file, N, 0, N };
	struct recipe_plan plan;
	struct delta_key k;
	size_t len;

	(void)state;
	assert_non_null(x);
	delta_key_derive(&k, "token", 5);
	len = cut_next(&k, BITS, file, N);
	piece_index_add(x, delta_key_sum(&k, file, len), 0, len);
	piece_index_add(x, 1, len, (1 << PIECE_LENGTH_BITS) - 1);
	match_plan_pieces(&k, BITS, x, &all, &plan);
	assert_int_equal(plan.copy_len, len);
	assert_int_equal(plan.literal_len, N - len);
	piece_index_free(x);
	x = piece_index_new(N, 1);
	assert_non_null(x);
	piece_index_add(x, delta_key_sum(&k, file, len), 0, len);
	piece_index_add(x, 1, len, 1);
	match_plan_pieces(&k, BITS, x, &all, &plan);
	assert_int_equal(plan.copy_len, len);
	assert_int_equal(plan.literal_len, N - len);
	piece_index_free(x);
	free(file);
}

/* ---- recipes ---- */

struct basis {
	const uint8_t *p;
	size_t n;
	unsigned reads;
};

static int read_basis(void *ctx, void *dst, size_t n, uint64_t off)
{
	struct basis *b = ctx;

	b->reads++;
	if (off > b->n || n > b->n - off)
		return -1;
	memcpy(dst, b->p + off, n);
	return 0;
}

/* Make the recipe of raw, with its literals not compressed, in a malloc() of
 * exactly its size. */
static uint8_t *make_recipe(const struct recipe_plan *plan, const uint8_t *raw,
			    size_t *n)
{
	uint8_t head[RECIPE_HEAD_MAX], sha[RECIPE_SHA] = { 9 }, *p;
	const size_t len = recipe_plan_put(plan, sha, 0, head);

	*n = len + plan->literal_len;
	p = malloc(*n);
	assert_non_null(p);
	memcpy(p, head, len);
	recipe_plan_literals(plan, raw, p + len);
	return p;
}

static void expand(const uint8_t *p, size_t n, const struct basis *from,
		   const uint8_t *want, size_t raw_len)
{
	struct basis basis = *from;
	uint8_t *raw = malloc(raw_len);
	struct recipe r;

	assert_non_null(raw);
	assert_int_equal(recipe_get(&r, p, n, raw_len, basis.n), 0);
	assert_int_equal(r.payload_len, r.literal_len);
	memcpy(raw + raw_len - r.literal_len, r.literals, r.literal_len);
	assert_int_equal(recipe_expand(&r, raw, raw_len, read_basis, &basis),
			 0);
	assert_memory_equal(raw, want, raw_len);
	free(raw);
}

static void test_recipe(void **state)
{
	uint8_t *old = random_bytes(5000, 6), *raw = random_bytes(3000, 7), *p;
	const struct basis basis = { old, 5000, 0 };
	struct recipe_plan plan;
	size_t n;

	(void)state;
	/* literal 100 | copy 1000 at 4000, in two that join | literal 200, in
	 * two | copy 700 at 0 | copy 900 at 0 | literal 100 */
	recipe_plan_init(&plan);
	recipe_plan_add(&plan, RECIPE_LITERAL, 100);
	recipe_plan_add(&plan, 4000, 600);
	recipe_plan_add(&plan, 4600, 400);
	recipe_plan_add(&plan, RECIPE_LITERAL, 150);
	recipe_plan_add(&plan, RECIPE_LITERAL, 50);
	recipe_plan_add(&plan, 0, 700);
	recipe_plan_add(&plan, 0, 900);
	recipe_plan_add(&plan, RECIPE_LITERAL, 100);
	assert_int_equal(plan.count, 6);
	assert_int_equal(plan.literal_len, 400);
	assert_int_equal(plan.copy_len, 2600);
	memcpy(raw + 100, old + 4000, 1000);
	memcpy(raw + 1300, old, 700);
	memcpy(raw + 2000, old, 900);
	p = make_recipe(&plan, raw, &n);
	assert_int_equal(n, RECIPE_FIXED + 6 * RECIPE_OP + 400);
	expand(p, n, &basis, raw, 3000);
	free(p);
	free(old);
	free(raw);
}

static void test_recipe_too_many(void **state)
{
	const size_t n = 4096;
	uint8_t *old = random_bytes(n, 8), *raw = malloc(n), *p;
	const struct basis basis = { old, n, 0 };
	struct recipe_plan plan;
	size_t len;

	(void)state;
	assert_non_null(raw);
	recipe_plan_init(&plan);
	/* backwards, so that nothing joins */
	for (size_t i = 0; i < n; i += 2) {
		memcpy(raw + i, old + n - 2 - i, 2);
		recipe_plan_add(&plan, n - 2 - i, 2);
	}
	assert_int_equal(plan.count, RECIPE_OPS_MAX);
	p = make_recipe(&plan, raw, &len);
	expand(p, len, &basis, raw, n);
	free(p);
	free(raw);
	free(old);
}

static int get(const uint8_t *p, size_t n, size_t raw_len, uint64_t basis)
{
	struct recipe r;
	uint8_t *copy = malloc(n ? n : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, p, n);
	rc = recipe_get(&r, copy, n, raw_len, basis);
	free(copy);
	return rc;
}

/* What a hostile sender can make of one. */
static void test_recipe_refused(void **state)
{
	uint8_t raw[100] = { 0 }, *p, *op;
	struct recipe_plan plan;
	size_t n;

	(void)state;
	recipe_plan_init(&plan);
	recipe_plan_add(&plan, 50, 60);
	recipe_plan_add(&plan, RECIPE_LITERAL, 40);
	p = make_recipe(&plan, raw, &n);
	op = p + RECIPE_FIXED;
	assert_int_equal(get(p, n, 100, 110), 0);
	assert_int_equal(get(p, n, 100, 109), ERR_CORRUPT);
	assert_int_equal(get(p, n, 100, 49), ERR_CORRUPT);
	assert_int_equal(get(p, n, 100, 0), ERR_CORRUPT);
	assert_int_equal(get(p, n, 99, 110), ERR_CORRUPT);
	assert_int_equal(get(p, n, 101, 110), ERR_CORRUPT);
	for (size_t cut = 0; cut < RECIPE_FIXED + 2 * RECIPE_OP; cut++)
		assert_int_equal(get(p, cut, 100, 110), ERR_CORRUPT);
	/* an offset whose end overflows; lengths that add up modulo 2^32 */
	be_put64(op + 4, UINT64_MAX - 1);
	assert_int_equal(get(p, n, 100, UINT64_MAX), ERR_CORRUPT);
	be_put64(op + 4, 50);
	be_put32(op, UINT32_MAX - 9);
	be_put32(op + RECIPE_OP, 110);
	assert_int_equal(get(p, n, 100, UINT64_MAX - 1), ERR_CORRUPT);
	/* nothing, and literals that are not announced */
	be_put32(op, 0);
	be_put32(op + RECIPE_OP, 100);
	assert_int_equal(get(p, n, 100, 110), ERR_CORRUPT);
	be_put32(op, 59);
	be_put32(op + RECIPE_OP, 41);
	assert_int_equal(get(p, n, 100, 110), ERR_CORRUPT);
	/* a reserved byte; too many operations */
	be_put32(op, 60);
	be_put32(op + RECIPE_OP, 40);
	assert_int_equal(get(p, n, 100, 110), 0);
	p[RECIPE_SHA + 6] = 1;
	assert_int_equal(get(p, n, 100, 110), ERR_CORRUPT);
	p[RECIPE_SHA + 6] = 0;
	be_put32(p + RECIPE_SHA + 8, RECIPE_OPS_MAX + 1);
	assert_int_equal(get(p, n, 100, 110), ERR_CORRUPT);
	be_put32(p + RECIPE_SHA + 8, UINT32_MAX);
	assert_int_equal(get(p, n, 100, 110), ERR_CORRUPT);
	free(p);
}

/* The basis has become shorter since its size was told. */
static void test_recipe_basis_shrinks(void **state)
{
	uint8_t old[10] = { 0 }, raw[100] = { 0 };
	struct basis basis = { old, sizeof(old), 0 };
	struct recipe_plan plan;
	struct recipe r;
	uint8_t *p;
	size_t n;

	(void)state;
	recipe_plan_init(&plan);
	recipe_plan_add(&plan, 50, 100);
	p = make_recipe(&plan, raw, &n);
	assert_int_equal(recipe_get(&r, p, n, 100, 150), 0);
	assert_int_equal(recipe_expand(&r, raw, 100, read_basis, &basis),
			 ERR_CORRUPT);
	assert_int_equal(basis.reads, 1);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(
			each_session_has_a_key_of_its_own),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_cut_average),
		cmocka_unit_test(test_cut_is_local),
		cmocka_unit_test(test_cut_as_specified),
		cmocka_unit_test(test_shifted),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_index_limits),
		cmocka_unit_test(test_index_order),
		cmocka_unit_test(test_index_clustered),
		cmocka_unit_test(test_plan_pieces),
		cmocka_unit_test(test_plan_wrong_pieces),
		cmocka_unit_test(test_recipe),
		cmocka_unit_test(test_recipe_too_many),
		cmocka_unit_test(test_recipe_refused),
		cmocka_unit_test(test_recipe_basis_shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
