/*
 * A file whose basis is compared and copied from, frame by frame: SIGNATURE,
 * COMPARE and recipes, honest and hostile ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recv_fixture.h"
#include "within.h"

#include "chunk/codec.h"
#include "chunk/cut.h"
#include "chunk/delta_key.h"
#include "chunk/recipe.h"
#include "receiver/file.h"

enum { LEAF = TREE_LEAF, LEAVES = 9 };

/* What is there, and what is sent: its fifth leaf differs. */
static const struct lab_content old = { "abcdefghi", 8 * LEAF + 5 };
static const struct lab_content new = { "abcdXfghi", 8 * LEAF + 5 };

/* Open the new file where the old one is going to be replaced. */
static void begin(struct recv_lab *lab)
{
	struct msg_state m;

	if (faccessat(lab->dir, "f", F_OK, 0))
		put_leaves(lab, "f", &old, 1);
	lab->cfg.existing = CONFLICT_REPLACE;
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &new, &m), STATE_SEND);
}

/* Ask to compare leaves from `first` on. */
static int compare(struct recv_lab *lab, uint64_t first, uint32_t count,
		   struct err *e)
{
	uint8_t leaves[COMPARE_LEAVES_MAX * COMPARE_LEAF];
	uint8_t sums[SIGNATURE_BLOCKS_MAX * DELTA_SUM];
	const struct msg_compare m = { .id = 1, .offset = first * LEAF,
				       .count = count, .kind = COMPARE_LEAVES,
				       .leaves = leaves };
	uint8_t *raw = malloc(LEAF);
	struct buf b;

	assert_non_null(raw);
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t leaf = (first + i) % LEAVES;
		const size_t n = lab_leaf(&new, leaf, raw);
		uint8_t *at = leaves + i * COMPARE_LEAF;

		digest_sha256.sum(raw, n, at);
		be_put64(at + COMPARE_SHA,
			 delta_key_blocks(delta_key_get(lab->session->transfer
								 .delta_key),
					  raw, n, sums));
	}
	free(raw);
	buf_init(&b, 1 << 14);
	msg_put_compare(&b, &m);
	return lab_frame(lab, &b, NULL, 0, e);
}

static int ask_pieces(struct recv_lab *lab, uint64_t first, uint32_t count,
		      unsigned bits, unsigned stride, struct err *e)
{
	const struct msg_compare m = { .id = 1, .offset = first * LEAF,
				       .count = count, .kind = COMPARE_PIECES,
				       .bits = (uint8_t)bits,
				       .stride = (uint16_t)stride };
	struct buf b;

	buf_init(&b, 1 << 14);
	msg_put_compare(&b, &m);
	return lab_frame(lab, &b, NULL, 0, e);
}

/* The next frame is a SIGNATURE of this kind about this place. */
static struct msg_signature expect(struct recv_lab *lab,
				   enum signature_kind kind, uint64_t offset,
				   uint32_t count)
{
	struct msg_signature m;

	assert_int_equal(lab_reply(lab), FRAME_SIGNATURE);
	assert_int_equal(msg_get_signature(&m, lab->body.data, lab->body.len),
			 0);
	assert_int_equal(m.kind, kind);
	assert_int_equal(m.offset, offset);
	assert_int_equal(m.count, count);
	return m;
}

/* Send leaf i of the new file as this recipe, which is not compressed; sha
 * NULL: the right one. */
static int send_recipe(struct recv_lab *lab, uint64_t i,
		       const struct recipe_plan *plan, const uint8_t *sha,
		       struct err *e)
{
	const struct digest_ops *ops = lab->digest;
	uint8_t *raw = malloc(LEAF), *payload = malloc(LEAF + RECIPE_HEAD_MAX);
	struct msg_chunk m = { .id = 1, .offset = i * LEAF,
			       .codec = CODEC_RECIPE };
	uint8_t sum[DIGEST_MAX];
	struct buf b;
	size_t n;
	int rc;

	assert_non_null(raw);
	assert_non_null(payload);
	m.raw_len = (uint32_t)lab_leaf(&new, i, raw);
	ops->sum(raw, m.raw_len, m.digest);
	digest_sha256.sum(raw, m.raw_len, sum);
	n = recipe_plan_put(plan, sha ? sha : sum, CODEC_NONE, payload);
	recipe_plan_literals(plan, raw, payload + n);
	n += plan->literal_len;
	buf_init(&b, 1 << 14);
	msg_put_chunk(&b, &m, ops->size, (uint32_t)n);
	rc = lab_frame(lab, &b, payload, n, e);
	free(payload);
	free(raw);
	return rc;
}

static void what_is_the_same_is_taken(void **state)
{
	struct recv_lab *lab = *state;
	struct msg_signature m;
	struct err e;

	begin(lab);
	assert_int_equal(compare(lab, 0, LEAVES, &e), 0);
	m = expect(lab, SIGNATURE_BLOCKS, 4 * LEAF, 256);
	/* all of its blocks are the letter of the old one */
	assert_memory_equal(m.list, m.list + DELTA_SUM, DELTA_SUM);
	expect(lab, SIGNATURE_SAME, 0, 4);
	expect(lab, SIGNATURE_SAME, 5 * LEAF, 4);
	lab_assert_no_reply(lab);
	assert_int_equal(lab_chunk(lab, 1, &new, 4, &e), 0);
	assert_int_equal(lab_file_end(lab, 1, &new, &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &new);
	assert_int_equal(lab_names(lab), 1);
}

static void recipes_are_expanded(void **state)
{
	struct recv_lab *lab = *state;
	struct recipe_plan plan;
	struct err e;

	begin(lab);
	for (uint64_t i = 0; i < LEAVES; i++) {
		recipe_plan_init(&plan);
		recipe_plan_add(&plan, i * LEAF, LEAF - 2);
		recipe_plan_add(&plan, RECIPE_LITERAL, 1);
		recipe_plan_add(&plan, i * LEAF, 1);
		/* A recipe of literals alone, or of a few bytes, is longer than
		 * the chunk. */
		assert_int_equal(i == 4 || i == 8 ?
					 lab_chunk(lab, 1, &new, i, &e) :
					 send_recipe(lab, i, &plan, NULL, &e),
				 0);
	}
	assert_int_equal(lab_file_end(lab, 1, &new, &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &new);
}

/* What the recipe copies is not what it says: the chunk is asked for again, and
 * nothing of it is kept. */
static void a_recipe_that_does_not_fit(void **state)
{
	struct recv_lab *lab = *state;
	const uint8_t wrong[RECIPE_SHA] = { 1 };
	struct recipe_plan plan;
	struct err e;

	begin(lab);
	/* of another leaf; of the right one with another SHA-256; beyond what
	 * the basis had when its size was told */
	recipe_plan_init(&plan);
	recipe_plan_add(&plan, 0, LEAF);
	assert_int_equal(send_recipe(lab, 1, &plan, NULL, &e), 0);
	lab_expect_resend(lab, 1, LEAF);
	assert_int_equal(send_recipe(lab, 0, &plan, wrong, &e), 0);
	lab_expect_resend(lab, 1, 0);
	recipe_plan_init(&plan);
	recipe_plan_add(&plan, 7 * LEAF + 6, LEAF);
	assert_int_equal(send_recipe(lab, 7, &plan, NULL, &e), 0);
	lab_expect_resend(lab, 1, 7 * LEAF);
	/* It is no damage, up to once a leaf. */
	assert_int_equal(lab->session->transfer.resends, 0);
	for (unsigned i = 0; i < LEAVES; i++) {
		assert_int_equal(send_recipe(lab, 7, &plan, NULL, &e), 0);
		lab_expect_resend(lab, 1, 7 * LEAF);
	}
	assert_int_equal(lab->session->transfer.resends, 3);
	for (uint64_t i = 0; i < LEAVES; i++)
		assert_int_equal(lab_chunk(lab, 1, &new, i, &e), 0);
	assert_int_equal(lab_file_end(lab, 1, &new, &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &new);
}

/* The basis is emptied after its size was told. */
static void a_basis_that_vanishes(void **state)
{
	struct recv_lab *lab = *state;
	struct recipe_plan plan;
	struct err e;
	int fd;

	begin(lab);
	fd = openat(lab->dir, "f", O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(compare(lab, 0, 2, &e), 0);
	expect(lab, SIGNATURE_BLOCKS, 0, 0);
	expect(lab, SIGNATURE_BLOCKS, LEAF, 0);
	assert_int_equal(ask_pieces(lab, 0, 9, CUT_BITS_MIN, 0, &e), 0);
	expect(lab, SIGNATURE_END, 0, 0);
	recipe_plan_init(&plan);
	recipe_plan_add(&plan, 0, LEAF);
	assert_int_equal(send_recipe(lab, 0, &plan, NULL, &e), 0);
	lab_expect_resend(lab, 1, 0);
}

static void pieces_are_named(void **state)
{
	struct recv_lab *lab = *state;
	uint64_t at = 0;
	struct err e;

	begin(lab);
	assert_int_equal(ask_pieces(lab, 0, UINT32_MAX, CUT_BITS_MIN, 0, &e),
			 0);
	for (;;) {
		struct msg_signature m;

		assert_int_equal(lab_reply(lab), FRAME_SIGNATURE);
		assert_int_equal(msg_get_signature(&m, lab->body.data,
						   lab->body.len),
				 0);
		if (m.kind == SIGNATURE_END)
			break;
		assert_int_equal(m.kind, SIGNATURE_PIECES);
		assert_int_equal(m.offset, at);
		for (uint32_t i = 0; i < m.count; i++)
			at += be_get16(m.list + i * SIGNATURE_PIECE) + 1u;
	}
	assert_int_equal(at, old.size);
	/* samples, of every third leaf, and beyond the end */
	assert_int_equal(ask_pieces(lab, 1, 9, CUT_BITS_MAX, 3, &e), 0);
	for (uint64_t leaf = 1; leaf < LEAVES; leaf += 3) {
		struct msg_signature m;

		assert_int_equal(lab_reply(lab), FRAME_SIGNATURE);
		assert_int_equal(msg_get_signature(&m, lab->body.data,
						   lab->body.len),
				 0);
		assert_int_equal(m.kind, SIGNATURE_PIECES);
		assert_int_equal(m.offset, leaf * LEAF);
	}
	expect(lab, SIGNATURE_END, LEAF, 0);
	assert_int_equal(ask_pieces(lab, 1000, 9, CUT_BITS_MAX, 0, &e), 0);
	expect(lab, SIGNATURE_END, 1000 * (uint64_t)LEAF, 0);
}

/* ---- hostile senders ---- */

static void what_lies_outside_is_refused(void **state)
{
	struct recv_lab *lab = *state;
	struct err e;

	begin(lab);
	assert_int_equal(compare(lab, 8, 2, &e), ERR_PROTOCOL);
	lab_end(lab);
	begin(lab);
	assert_int_equal(compare(lab, LEAVES, 1, &e), ERR_PROTOCOL);
	lab_end(lab);
	begin(lab);
	assert_int_equal(ask_pieces(lab, 0, 1, CUT_BITS_MIN - 1, 0, &e),
			 ERR_PROTOCOL);
	lab_end(lab);
	begin(lab);
	assert_int_equal(ask_pieces(lab, 0, 1, CUT_BITS_MAX + 1, 0, &e),
			 ERR_PROTOCOL);
}

/* The same work over and over. */
static void too_much_is_refused(void **state)
{
	struct recv_lab *lab = *state;
	unsigned n = 0;
	struct err e;
	int rc;

	begin(lab);
	do {
		rc = ask_pieces(lab, 0, 9, CUT_BITS_MAX, 0, &e);
		while (rc == 0 && lab_reply(lab) == FRAME_SIGNATURE) {
			struct msg_signature m;

			assert_int_equal(msg_get_signature(&m, lab->body.data,
							   lab->body.len),
					 0);
			if (m.kind == SIGNATURE_END)
				break;
		}
	} while (rc == 0 && n++ < 100);
	assert_int_equal(rc, ERR_PROTOCOL);
	assert_within(n, 2, 30);
}

/* A file that is not replaced is not told about, and nothing of it is
 * copied. */
static void a_file_that_stays_is_no_basis(void **state)
{
	static const enum conflict_policy stays[] = {
		CONFLICT_FAIL, CONFLICT_SKIP, CONFLICT_RENAME,
	};
	static const struct lab_content longer = { "abcdefghij",
						   9 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct recipe_plan plan;
	struct msg_state m;
	struct err e;

	recipe_plan_init(&plan);
	recipe_plan_add(&plan, 0, LEAF);
	put_leaves(lab, "f", &old, 1);
	for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++) {
		lab->cfg.existing = stays[i];
		lab_begin(lab);
		/* Where the name is free there is none either. */
		assert_int_equal(lab_open_file(lab, 1, "g", &new, &m),
				 STATE_SEND);
		assert_int_equal(compare(lab, 0, 1, &e), ERR_PROTOCOL);
		lab_end(lab);
		lab_begin(lab);
		assert_int_equal(lab_open_file(lab, 1, "g", &new, &m),
				 STATE_SEND);
		assert_int_equal(send_recipe(lab, 0, &plan, NULL, &e),
				 ERR_PROTOCOL);
		lab_end(lab);
	}
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &longer, &m), STATE_SEND);
	assert_int_equal(compare(lab, 0, 1, &e), ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		lab_test(what_is_the_same_is_taken),
		lab_test(recipes_are_expanded),
		lab_test(a_recipe_that_does_not_fit),
		lab_test(a_basis_that_vanishes),
		lab_test(pieces_are_named),
		lab_test(what_lies_outside_is_refused),
		lab_test(too_much_is_refused),
		lab_test(a_file_that_stays_is_no_basis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
