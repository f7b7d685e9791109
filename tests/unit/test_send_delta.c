/*
 * Unit tests of the state of a file's delta in the sender (sender/delta.h).
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
#include "chunk/piece_index.h"
#include "chunk/tree.h"
#include "sender/delta_priv.h"

static struct delta *d;
static struct runs todo;

/* A delta of a file of so many leaves, all of which are to be sent. */
static void begin(uint64_t leaves, uint64_t basis_leaves, int may_find)
{
	d = delta_new(basis_leaves * TREE_LEAF, leaves, may_find, 77);
	assert_non_null(d);
	runs_init(&todo, DELTA_RUNS_MAX);
	assert_int_equal(runs_add(&todo, 0, leaves), 0);
	assert_int_equal(delta_compare_leaves(d, &todo, 0, leaves), 0);
}

static int end(void **state)
{
	(void)state;
	delta_free(d);
	d = NULL;
	runs_release(&todo);
	return 0;
}

/* Digests of the blocks of a leaf; `equal` of them are what the basis has. */
static void fill_sums(uint8_t *sums, uint64_t leaf, unsigned equal)
{
	for (unsigned i = 0; i < DELTA_BLOCKS; i++)
		be_put64(sums + i * DELTA_SUM,
			 leaf << 16 | (i < equal ? i : i + 0x8000));
}

/* Take the next leaf and have it compared. */
static uint64_t compare_next(unsigned equal)
{
	struct delta_leaf *l = calloc(
		1, sizeof(*l) + DELTA_BLOCKS * (size_t)DELTA_SUM);

	assert_non_null(l);
	assert_true(delta_may_compare(d) > 0);
	assert_int_equal(delta_take_compare(d, 1, &l->leaf), 1);
	l->blocks = DELTA_BLOCKS;
	fill_sums(l->sums, l->leaf, equal);
	delta_add(d, l);
	return l->leaf;
}

static int differs(uint64_t leaf)
{
	uint8_t sums[DELTA_BLOCKS * DELTA_SUM];

	fill_sums(sums, leaf, DELTA_BLOCKS);
	return delta_differs(d, &todo, leaf, sums, DELTA_BLOCKS);
}

static struct delta_take take(uint64_t leaf)
{
	struct delta_take t;

	delta_take(d, leaf, 0, &t);
	return t;
}

static void give(struct delta_take *t, uint64_t leaf, int as_recipe)
{
	assert_int_equal(delta_give(d, t, leaf, as_recipe, 0), 0);
}

static int name_pieces(uint64_t off, uint32_t count, size_t len)
{
	uint8_t list[SIGNATURE_PIECES_MAX * SIGNATURE_PIECE];
	const struct msg_signature m = { .offset = off, .count = count,
					 .kind = SIGNATURE_PIECES,
					 .list = list };

	for (uint32_t i = 0; i < count; i++) {
		be_put16(list + i * SIGNATURE_PIECE, (uint16_t)(len - 1));
		be_put64(list + i * SIGNATURE_PIECE + 2, off + i * len + 1);
	}
	return delta_pieces(d, &m);
}

static int end_pieces(uint64_t leaf)
{
	const struct msg_signature m = { .offset = leaf * TREE_LEAF,
					 .kind = SIGNATURE_END };

	return delta_pieces_end(d, &m);
}

/* ---- comparing ---- */

static void what_the_basis_has_is_compared(void **state)
{
	(void)state;
	begin(10, 4, 1);
	assert_int_equal(runs_count(&d->compare), 4);
	assert_int_equal(runs_count(&todo), 6);
	/* What lies beyond may be found elsewhere, so it waits. */
	assert_false(delta_may_send(d, 4));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(compare_next(DELTA_BLOCKS), i);
	assert_int_equal(delta_same(d, &todo, 0, 4), 0);
	assert_int_equal(d->mode, DELTA_UNASKED);
	assert_true(delta_may_send(d, 4));
	assert_int_equal(take(4).way, DELTA_AS_IS);
}

static void a_leaf_that_differs_is_sent_by_blocks(void **state)
{
	struct delta_take t;

	(void)state;
	begin(10, 10, 1);
	compare_next(200);
	assert_int_equal(differs(0), 0);
	assert_true(runs_has(&todo, 0));
	t = take(0);
	assert_int_equal(t.way, DELTA_BY_BLOCKS);
	assert_int_equal(t.leaf->equal, 200);
	give(&t, 0, 1);
	/* once only */
	assert_int_equal(take(0).way, DELTA_AS_IS);
}

static void only_few_are_compared_at_first(void **state)
{
	unsigned first;

	(void)state;
	begin(1000, 1000, 1);
	first = delta_may_compare(d);
	assert_within(first, 4, 16);
	for (unsigned i = 0; i < first; i++)
		compare_next(DELTA_BLOCKS);
	assert_int_equal(delta_may_compare(d), 0);
	assert_int_equal(delta_same(d, &todo, 0, first), 0);
	assert_true(delta_may_compare(d) > 100);
}

/* Answers that a hostile receiver invents. */
static void what_was_not_asked_for_is_refused(void **state)
{
	uint8_t sums[8] = { 0 };

	(void)state;
	begin(10, 10, 1);
	assert_int_equal(delta_same(d, &todo, 0, 1), ERR_PROTOCOL);
	assert_int_equal(delta_differs(d, &todo, 3, sums, 1), ERR_PROTOCOL);
	compare_next(0);
	assert_int_equal(delta_same(d, &todo, 0, 2), ERR_PROTOCOL);
	compare_next(0);
	assert_int_equal(differs(1), 0);
	assert_int_equal(differs(1), ERR_PROTOCOL);
	assert_int_equal(delta_same(d, &todo, 1, 1), ERR_PROTOCOL);
	assert_int_equal(name_pieces(0, 1, 4096), ERR_PROTOCOL);
	assert_int_equal(end_pieces(0), ERR_PROTOCOL);
}

/* ---- pieces ---- */

/* Compare leaves that have nothing in common until pieces are to be asked
 * for. */
static void find_nothing(void)
{
	for (unsigned i = 0; d->mode == DELTA_UNASKED; i++) {
		assert_true(i < 8);
		compare_next(0);
		assert_int_equal(differs(i), 0);
	}
	assert_int_equal(d->mode, DELTA_ASKING);
}

static void a_sample_shows_that_nothing_is_in_common(void **state)
{
	struct delta_take t;

	(void)state;
	begin(100, 100, 1);
	find_nothing();
	assert_int_equal(d->request.leaf, 0);
	assert_int_equal(d->request.count, 100);
	assert_int_equal(d->request.stride, 1);
	/* Nothing is compared any more, and nothing sent until the answer. */
	assert_int_equal(d->compare.len, 0);
	assert_int_equal(runs_count(&todo), 100);
	assert_false(delta_may_send(d, 0));
	assert_int_equal(take(0).way, DELTA_HELD);
	delta_ask(d);
	assert_int_equal(name_pieces(0, 10, 4096), 0);
	assert_int_equal(name_pieces(TREE_LEAF, 10, 4096), 0);
	assert_int_equal(end_pieces(0), 0);
	assert_int_equal(d->mode, DELTA_PROBING);
	for (uint64_t i = 0; i < 100; i++) {
		t = take(i);
		assert_true(t.way == DELTA_PROBE || t.way == DELTA_AS_IS);
		give(&t, i, 0);
	}
	assert_within(d->probes, 50, 100);
}

/* Where nothing is found, looking up costs less and less, but never ends. */
static void probes_become_rarer(void **state)
{
	const uint64_t leaves = 10000;
	uint64_t last = 0, count = 0;
	struct delta_take t;

	(void)state;
	begin(leaves, leaves, 1);
	find_nothing();
	delta_ask(d);
	assert_int_equal(name_pieces(0, 10, 4096), 0);
	assert_int_equal(end_pieces(0), 0);
	for (uint64_t i = 0; i < leaves; i++) {
		t = take(i);
		if (t.way == DELTA_PROBE) {
			assert_true(i - last <= 4 || i - last <= i / 8);
			assert_true(i - last <= 64);
			last = i;
			count++;
		}
		give(&t, i, 0);
		if (i == 7)
			assert_int_equal(count, 8);
		if (i == 255)
			assert_within(count, 20, 40);
	}
	assert_within(count, leaves / 64, leaves / 50);
	assert_true(leaves - last <= 64);
}

static void pieces_of_the_sample_make_it_ask_for_all(void **state)
{
	struct delta_take t;

	(void)state;
	begin(100, 100, 1);
	find_nothing();
	delta_ask(d);
	assert_int_equal(name_pieces(0, 10, 4096), 0);
	assert_int_equal(end_pieces(0), 0);
	t = take(0);
	assert_int_equal(t.way, DELTA_PROBE);
	/* The leaf is held: it is to be looked up when all pieces are there. */
	assert_int_equal(delta_give(d, &t, 0, 0, 100000), 1);
	assert_int_equal(d->mode, DELTA_ASKING);
	assert_int_equal(d->request.stride, 0);
	assert_int_equal(d->request.count, 100);
	delta_ask(d);
	assert_int_equal(name_pieces(0, 10, 4096), 0);
	assert_int_equal(end_pieces(0), 0);
	assert_int_equal(d->mode, DELTA_FINDING);
	t = take(0);
	assert_int_equal(t.way, DELTA_BY_PIECES);
	assert_int_equal(piece_index_count(t.index->pieces), 10);
	give(&t, 0, 1);
}

/* A database of which some large parts were rewritten in place: what comparing
 * finds is still used. */
static void comparing_goes_on_where_it_finds_most(void **state)
{
	(void)state;
	begin(100, 100, 1);
	for (unsigned i = 0; i < 40; i++) {
		compare_next(i % 5 ? DELTA_BLOCKS : 0);
		if (i % 5)
			assert_int_equal(delta_same(d, &todo, i, 1), 0);
		else
			assert_int_equal(differs(i), 0);
		/* Those of which little was found wait, up to some. */
		if (d->mode == DELTA_UNASKED)
			assert_int_equal(todo.len, 0);
	}
	assert_int_equal(d->mode, DELTA_ASKING);
	assert_true(d->is_comparing);
	assert_int_equal(runs_count(&todo), 8);
}

static void few_that_differ_are_sent_in_the_end(void **state)
{
	(void)state;
	begin(100, 100, 1);
	for (unsigned i = 0; i < 100; i++) {
		compare_next(i == 50 ? 0 : DELTA_BLOCKS);
		if (i == 50)
			assert_int_equal(differs(i), 0);
		else
			assert_int_equal(delta_same(d, &todo, i, 1), 0);
	}
	assert_int_equal(d->mode, DELTA_UNASKED);
	assert_int_equal(runs_count(&todo), 1);
	assert_true(runs_has(&todo, 50));
}

/* Also where the last leaf is not compared after all, as it is a hole. */
static void a_hole_at_the_end_keeps_nothing_back(void **state)
{
	uint64_t leaf;

	(void)state;
	begin(20, 20, 1);
	for (unsigned i = 0; i < 19; i++) {
		compare_next(i == 5 ? 0 : DELTA_BLOCKS);
		if (i == 5)
			assert_int_equal(differs(i), 0);
		else
			assert_int_equal(delta_same(d, &todo, i, 1), 0);
	}
	assert_int_equal(todo.len, 0);
	assert_int_equal(delta_take_compare(d, 1, &leaf), 1);
	assert_int_equal(delta_skip(d, &todo, 1), 0);
	assert_true(runs_has(&todo, 5));
}

static void without_pieces_all_is_sent(void **state)
{
	(void)state;
	begin(100, 100, 0);
	for (unsigned i = 0; i < 4; i++) {
		compare_next(0);
		assert_int_equal(differs(i), 0);
	}
	assert_int_equal(d->mode, DELTA_UNASKED);
	assert_int_equal(runs_count(&todo), 100);
	assert_true(delta_may_send(d, 0));
}

/* What a hostile receiver can name instead of the pieces. */
static void pieces_that_lie(void **state)
{
	uint64_t off = 0;
	int rc = 0;

	(void)state;
	begin(10, 10, 1);
	find_nothing();
	assert_int_equal(d->request.stride, 0);
	assert_int_equal(name_pieces(0, 1, 4096), ERR_PROTOCOL);
	delta_ask(d);
	assert_int_equal(name_pieces(4096, 2, 4096), 0);
	/* backwards, beyond the basis, without end */
	assert_int_equal(name_pieces(8192, 1, 4096), ERR_PROTOCOL);
	assert_int_equal(name_pieces(10 * TREE_LEAF - 1, 1, 2), ERR_PROTOCOL);
	assert_int_equal(name_pieces(11 * (uint64_t)TREE_LEAF, 1, 1),
			 ERR_PROTOCOL);
	assert_int_equal(end_pieces(1), ERR_PROTOCOL);
	for (off = 12288; rc == 0 && off < 10 * TREE_LEAF; off += 1000)
		rc = name_pieces(off, 1000, 1);
	assert_int_equal(rc, ERR_PROTOCOL);
	assert_true(piece_index_count(d->index->pieces) <=
		    10 * TREE_LEAF / cut_min(12) + 2);
}

/* Of a basis of 1 TiB, pieces are known of a window at a time. */
static void windows(void **state)
{
	const uint64_t leaves = 1 << 20;
	struct delta_take t;

	(void)state;
	begin(leaves + 20000, leaves, 1);
	find_nothing();
	assert_int_equal(d->request.bits, 14);
	assert_true(leaves / d->request.stride <= 4096);
	delta_ask(d);
	assert_int_equal(name_pieces(0, 5, 16384), 0);
	assert_int_equal(end_pieces(0), 0);
	t = take(9);
	assert_int_equal(t.way, DELTA_PROBE);
	assert_int_equal(delta_give(d, &t, 9, 0, 100000), 1);
	assert_int_equal(d->request.leaf, 0);
	assert_int_equal(d->request.count, DELTA_WINDOW + DELTA_MARGIN);
	delta_ask(d);
	assert_int_equal(name_pieces(0, 5, 16384), 0);
	assert_int_equal(end_pieces(0), 0);
	assert_true(delta_may_send(d, DELTA_WINDOW - 1));
	/* Another stream is at work with the pieces while others are asked
	 * for. */
	t = take(DELTA_WINDOW - 1);
	assert_false(delta_may_send(d, 3 * DELTA_WINDOW + 7));
	assert_int_equal(d->request.leaf, 3 * DELTA_WINDOW - DELTA_MARGIN);
	assert_int_equal(d->request.count, DELTA_WINDOW + 2 * DELTA_MARGIN);
	delta_ask(d);
	assert_int_equal(piece_index_count(t.index->pieces), 5);
	give(&t, DELTA_WINDOW - 1, 1);
	assert_int_equal(name_pieces(d->request.leaf * TREE_LEAF, 5, 16384), 0);
	assert_int_equal(end_pieces(d->request.leaf), 0);
	/* The last window is shorter, and beyond it there is none. */
	assert_false(delta_may_send(d, leaves - 1));
	assert_int_equal(d->request.leaf + d->request.count, leaves);
	delta_ask(d);
	assert_int_equal(name_pieces(d->request.leaf * TREE_LEAF, 5, 16384), 0);
	assert_int_equal(end_pieces(d->request.leaf), 0);
	assert_true(delta_may_send(d, leaves + 19000));
	assert_int_equal(d->mode, DELTA_OFF);
	assert_int_equal(take(leaves + 19000).way, DELTA_AS_IS);
}

/* ---- a basis that changes ---- */

static void misfits_end_it(void **state)
{
	int rc, n = 0;

	(void)state;
	begin(1000, 1000, 1);
	assert_int_equal(delta_misfit(d, &todo, 0, &rc), 0);
	for (uint64_t i = 0; i < 100; i++) {
		struct delta_take t;

		if (d->compare.len == 0)
			break;
		compare_next(255);
		assert_int_equal(differs(i), 0);
		t = take(i);
		assert_int_equal(t.way, DELTA_BY_BLOCKS);
		give(&t, i, 1);
		assert_int_equal(delta_misfit(d, &todo, i, &rc), 1);
		assert_int_equal(rc, 0);
		/* Asked for again once more, it was not a recipe. */
		assert_int_equal(delta_misfit(d, &todo, i, &rc), 0);
		n++;
	}
	assert_within(n, 2, 20);
	assert_int_equal(d->mode, DELTA_OFF);
	assert_true(runs_count(&todo) >= 1000 - (uint64_t)n);
}

/* ---- a network that is faster ---- */

/* What was compared is used, and all the rest is sent as it is. */
static void it_is_given_up(void **state)
{
	struct delta_take t;

	(void)state;
	begin(1000, 1000, 1);
	compare_next(DELTA_BLOCKS - 1);
	compare_next(0);
	compare_next(DELTA_BLOCKS);
	assert_int_equal(differs(0), 0);
	assert_int_equal(delta_stop(d, &todo), 0);
	assert_int_equal(d->compare.len, 0);
	/* but for the two whose answers are on their way */
	assert_int_equal(runs_count(&todo), 998);
	assert_int_equal(differs(1), 0);
	assert_int_equal(delta_same(d, &todo, 2, 1), 0);
	assert_int_equal(runs_count(&todo), 999);
	assert_int_equal(delta_compare_leaves(d, &todo, 0, 1000), 0);
	assert_int_equal(d->compare.len, 0);
	assert_int_equal(d->mode, DELTA_UNASKED);
	for (uint64_t i = 0; i < 10; i++) {
		assert_true(delta_may_send(d, i));
		t = take(i);
		assert_int_equal(t.way,
				 i == 0 ? DELTA_BY_BLOCKS : DELTA_AS_IS);
		give(&t, i, i == 0);
	}
}

/* Pieces that were asked for are used, no more are asked for. */
static void it_is_given_up_while_pieces_come(void **state)
{
	struct delta_take t;

	(void)state;
	begin(100, 100, 1);
	find_nothing();
	assert_int_equal(delta_stop(d, &todo), 0);
	assert_int_equal(d->mode, DELTA_OFF);
	assert_true(delta_may_send(d, 0));
	end(NULL);

	begin(100, 100, 1);
	find_nothing();
	delta_ask(d);
	assert_int_equal(delta_stop(d, &todo), 0);
	assert_false(delta_may_send(d, 0));
	assert_int_equal(name_pieces(0, 10, 4096), 0);
	assert_int_equal(end_pieces(0), 0);
	t = take(0);
	assert_int_equal(t.way, DELTA_PROBE);
	assert_int_equal(delta_stop(d, &todo), 0);
	assert_int_equal(delta_give(d, &t, 0, 0, 100000), 0);
	assert_int_equal(d->mode, DELTA_OFF);
	assert_int_equal(runs_count(&todo), 100);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, end)
	const struct CMUnitTest tests[] = {
		TEST(what_the_basis_has_is_compared),
		TEST(a_leaf_that_differs_is_sent_by_blocks),
		TEST(only_few_are_compared_at_first),
		TEST(what_was_not_asked_for_is_refused),
		TEST(a_sample_shows_that_nothing_is_in_common),
		TEST(probes_become_rarer),
		TEST(pieces_of_the_sample_make_it_ask_for_all),
		TEST(comparing_goes_on_where_it_finds_most),
		TEST(few_that_differ_are_sent_in_the_end),
		TEST(a_hole_at_the_end_keeps_nothing_back),
		TEST(without_pieces_all_is_sent),
		TEST(pieces_that_lie),
		TEST(windows),
		TEST(misfits_end_it),
		TEST(it_is_given_up),
		TEST(it_is_given_up_while_pieces_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
