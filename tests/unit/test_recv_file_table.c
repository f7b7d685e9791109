/*
 * The table of open files: uses, where chunks may lie, when a file is whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "receiver/file_priv.h"
#include "receiver/file_table.h"
#include "receiver/kept.h"
#include "wire/msg.h"

static const struct digest_ops *const ops = &digest_xxh3;
static const uint8_t a[DIGEST_MAX] = { 1 }, b[DIGEST_MAX] = { 2 };

static const struct kept_sender nobody = { NULL, NULL, 0 };

static struct recv_file *open_file(struct file_table *t, uint64_t id,
				   uint64_t size, int rc)
{
	const struct msg_open m = { .id = id, .size = size, .name = "f",
				    .name_len = 1 };
	struct recv_file *f = recv_file_new(&m, ops, &nobody);
	struct err e;

	assert_non_null(f);
	assert_int_equal(file_table_add(t, f, &e), rc);
	return f;
}

static void answer(struct file_table *t, struct recv_file *f, int state)
{
	struct msg_state m;

	file_table_answer(t, f, state == STATE_REFUSED, &m);
	assert_int_equal(m.state, state);
}

static enum chunk_place place(struct file_table *t, struct recv_file *f,
			      uint64_t offset, uint32_t raw_len)
{
	const struct msg_chunk m = { .offset = offset, .raw_len = raw_len };

	return file_table_place(t, f, &m, 0);
}

static void a_file_from_its_opening_to_its_end(void **state)
{
	struct file_table *t = file_table_new(ops, 2);
	const struct msg_file_end end = { .size = TREE_LEAF + 5 };
	const struct msg_file_end wrong = { .size = TREE_LEAF + 6 };
	struct recv_file *f = open_file(t, 7, TREE_LEAF + 5, 0), *used;
	struct err e;

	(void)state;
	/* Before STATE nobody may send of it; twice it cannot be opened. */
	assert_int_equal(file_table_acquire(t, 7, &used), FILE_EARLY);
	recv_file_free(open_file(t, 7, 1, ERR_PROTOCOL));
	answer(t, f, STATE_SEND);
	assert_int_equal(file_table_acquire(t, 8, &used), FILE_NONE);
	assert_null(used);
	assert_int_equal(file_table_acquire(t, 7, &used), FILE_FOUND);
	assert_ptr_equal(used, f);
	assert_int_equal(place(t, f, 0, TREE_LEAF), CHUNK_WANTED);
	assert_int_equal(place(t, f, 0, TREE_LEAF - 1), CHUNK_OUTSIDE);
	assert_int_equal(place(t, f, TREE_LEAF, 5), CHUNK_WANTED);
	assert_int_equal(place(t, f, TREE_LEAF, 6), CHUNK_OUTSIDE);
	assert_int_equal(place(t, f, 2 * TREE_LEAF, 5), CHUNK_OUTSIDE);
	assert_int_equal(file_table_put_leaf(t, f, 0, a, &e), 0);
	assert_int_equal(place(t, f, 0, TREE_LEAF), CHUNK_HERE);
	assert_true(file_table_has_leaf(t, f, 0));
	assert_true(file_table_is_next(t, f, 1));
	assert_int_equal(file_table_end(t, f, &wrong), ERR_PROTOCOL);
	assert_int_equal(file_table_end(t, f, &end), 0);
	assert_int_equal(file_table_end(t, f, &end), ERR_PROTOCOL);
	assert_int_equal(file_table_release(t, f), FILE_STAYS);
	assert_int_equal(file_table_put_leaf(t, f, 1, b, &e), 0);
	assert_int_equal(file_table_count(t), 1);
	assert_int_equal(file_table_release(t, f), FILE_WHOLE);
	assert_int_equal(file_table_count(t), 0);
	recv_file_free(f);
	file_table_free(t);
}

static void no_more_than_the_sender_was_told(void **state)
{
	struct file_table *t = file_table_new(ops, 2);
	struct recv_file *f = open_file(t, 1, 1, 0), *used;

	(void)state;
	open_file(t, 2, 1, 0);
	recv_file_free(open_file(t, 3, 1, ERR_PROTOCOL));
	answer(t, f, STATE_REFUSED);
	assert_int_equal(file_table_acquire(t, 1, &used), FILE_DONE);
	assert_int_equal(file_table_release(t, f), FILE_OVER);
	recv_file_free(f);
	/* Their sizes together are bounded too; it is in the table then. */
	open_file(t, 3, RECV_FILE_SIZE_MAX, ERR_RESOURCE);
	assert_int_equal(file_table_count(t), 2);
	file_table_free(t);
}

static void another_content_ends_the_file(void **state)
{
	struct file_table *t = file_table_new(ops, 1);
	struct recv_file *f = open_file(t, 1, 2 * TREE_LEAF, 0);
	struct err e;

	(void)state;
	assert_int_equal(file_table_put_leaf(t, f, 0, a, &e), 0);
	assert_int_equal(file_table_put_leaf(t, f, 0, a, &e), 0);
	assert_int_equal(file_table_put_leaf(t, f, 0, b, &e), ERR_PROTOCOL);
	assert_false(file_table_give_up(t, f));
	assert_int_equal(file_table_release(t, f), FILE_OVER);
	recv_file_free(f);
	file_table_free(t);
}

static void a_stream_ends_where_its_short_chunk_does(void **state)
{
	struct file_table *t = file_table_new(ops, 1);
	struct recv_file *f = open_file(t, 1, TREE_SIZE_UNKNOWN, 0);
	const struct msg_file_end early = { .size = TREE_LEAF };
	const struct msg_file_end end = { .size = TREE_LEAF + 9 };
	struct err e;

	(void)state;
	assert_int_equal(place(t, f, TREE_LEAF, 0), CHUNK_OUTSIDE);
	assert_int_equal(place(t, f, TREE_LEAF, 9), CHUNK_WANTED);
	assert_int_equal(file_table_put_leaf(t, f, 1, b, &e), 0);
	assert_int_equal(place(t, f, 2 * TREE_LEAF, 1), CHUNK_OUTSIDE);
	assert_int_equal(place(t, f, 0, TREE_LEAF), CHUNK_WANTED);
	assert_int_equal(file_table_put_leaf(t, f, 0, a, &e), 0);
	assert_int_equal(file_table_end(t, f, &early), ERR_PROTOCOL);
	assert_int_equal(file_table_end(t, f, &end), 0);
	assert_int_equal(file_table_release(t, f), FILE_WHOLE);
	recv_file_free(f);
	file_table_free(t);
}

static void holes_and_checks(void **state)
{
	struct file_table *t = file_table_new(ops, 1);
	struct recv_file *f = open_file(t, 1, 8 * TREE_LEAF, 0);
	struct msg_state m;
	struct err e;

	(void)state;
	assert_int_equal(runs_add(&f->locked->unverified, 2, 3), 0);
	file_table_answer(t, f, 0, &m);
	assert_int_equal(m.state, STATE_RESUME);
	assert_int_equal(m.run_count, 1);
	assert_int_equal(m.runs[0].first, 2);
	assert_int_equal(m.runs[0].count, 3);
	assert_false(file_table_start_check(t, f, 1, 2));
	assert_true(file_table_start_check(t, f, 2, 2));
	assert_false(file_table_start_check(t, f, 2, 1));
	/* A chunk needs no check any more. */
	assert_int_equal(file_table_put_leaf(t, f, 4, a, &e), 0);
	assert_false(file_table_start_check(t, f, 4, 1));
	assert_int_equal(file_table_put_hole(t, f, 0, 2, &e), 0);
	assert_true(file_table_has_leaf(t, f, 1));
	assert_int_equal(file_table_put_hole(t, f, 3, 2, &e), ERR_PROTOCOL);
	file_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_from_its_opening_to_its_end),
		cmocka_unit_test(no_more_than_the_sender_was_told),
		cmocka_unit_test(another_content_ends_the_file),
		cmocka_unit_test(a_stream_ends_where_its_short_chunk_does),
		cmocka_unit_test(holes_and_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
