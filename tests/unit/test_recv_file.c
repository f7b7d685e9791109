/*
 * Files in chunks, frame by frame: OPEN, CHUNK, HOLE, CHECK, FILE_END and
 * FILE_ABORT, with what was there before.
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

#include <dlfcn.h>

#include "receiver/commit.h"
#include "receiver/file.h"
#include "receiver/file_table.h"
#include "receiver/held_dir.h"
#include "receiver/kept.h"
#include "receiver/parts.h"

enum { LEAF = TREE_LEAF };

/* Larger than what is resumed. */
static const struct lab_content large = { "abcdefghi", 8 * LEAF + 5 };

static void send_leaves(struct recv_lab *lab, uint64_t id,
			const struct lab_content *c, uint64_t from, uint64_t to)
{
	struct err e;

	for (uint64_t i = from; i < to; i++)
		assert_int_equal(lab_chunk(lab, id, c, i, &e), 0);
}

static void end_file(struct recv_lab *lab, uint64_t id,
		     const struct lab_content *c)
{
	struct err e;

	assert_int_equal(lab_file_end(lab, id, c, &e), 0);
}

static void chunks_in_any_order(void **state)
{
	static const struct lab_content c = { "abc", 2 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct stat st;
	struct err e;

	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "d/f", &c, &m), STATE_SEND);
	send_leaves(lab, 1, &c, 2, 3);
	end_file(lab, 1, &c);
	send_leaves(lab, 1, &c, 1, 2);
	send_leaves(lab, 1, &c, 1, 2); /* once more: passed over */
	lab_assert_no_reply(lab);
	assert_gone(lab, "d/f");
	send_leaves(lab, 1, &c, 0, 1);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "d/f", &c);
	assert_int_equal(fstatat(lab->dir, "d/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_mtim.tv_sec, LAB_MTIME);
	assert_int_equal(lab->file[0].size, c.size);
	/* What still comes of it is late, and passed over. */
	assert_int_equal(lab_chunk(lab, 1, &c, 0, &e), 0);
	lab_assert_no_reply(lab);
	/* What never was is not. */
	assert_int_equal(lab_chunk(lab, 2, &c, 0, &e), ERR_PROTOCOL);
}

static void a_stream_of_unknown_size(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 9 };
	struct recv_lab *lab = *state;
	const struct msg_open open = { .id = 3, .size = WIRE_SIZE_UNKNOWN,
				       .name = "s" };
	struct err e;

	lab_begin(lab);
	assert_int_equal(lab_open(lab, &open, &e), 0);
	assert_int_equal(lab_reply(lab), FRAME_STATE);
	send_leaves(lab, 3, &c, 0, 2);
	end_file(lab, 3, &c);
	lab_expect(lab, 3, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "s", &c);
	assert_int_equal(lab->file[0].size, c.size);
}

/* A stream's bytes are counted as they come. */
static void a_stream_over_the_quota_fails(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 9 };
	struct recv_lab *lab = *state;
	const struct msg_open open = { .id = 3, .size = WIRE_SIZE_UNKNOWN,
				       .name = "s" };
	struct err e;

	lab->cfg.max_size = LEAF + 8;
	lab_begin(lab);
	assert_int_equal(lab_open(lab, &open, &e), 0);
	assert_int_equal(lab_reply(lab), FRAME_STATE);
	send_leaves(lab, 3, &c, 0, 1);
	lab_assert_no_reply(lab);
	send_leaves(lab, 3, &c, 1, 2);
	lab_expect(lab, 3, 1, STATUS_FAILED, CAUSE_LIMIT);
	end_file(lab, 3, &c);
	lab_assert_no_reply(lab);
	assert_int_equal(lab_names(lab), 0);
}

static void a_file_over_the_quota_is_refused(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 9 };
	struct recv_lab *lab = *state;
	struct msg_verdict v;
	struct msg_state m;

	lab->cfg.max_size = LEAF + 8;
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_REFUSED);
	v = lab_verdict(lab);
	assert_int_equal(v.cause, CAUSE_LIMIT);
	assert_int_equal(v.need, LEAF + 9);
	assert_int_equal(v.have, LEAF + 8);
	assert_int_equal(lab_names(lab), 0);
}

/* What was refused for another reason is not counted. */
static void a_refused_file_gives_its_quota_back(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 9 };
	struct recv_lab *lab = *state;
	struct msg_state m;

	put_file(lab->dir, "f", "old");
	lab->cfg.max_files = 1;
	lab->cfg.max_size = LEAF + 9;
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_REFUSED);
	lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_EXISTS);
	assert_int_equal(lab_open_file(lab, 2, "g", &c, &m), STATE_SEND);
}

static void a_file_too_large_is_refused(void **state)
{
	const struct lab_content c = { "", RECV_FILE_SIZE_MAX + 1 };
	struct recv_lab *lab = *state;
	struct msg_verdict v;
	struct msg_state m;

	lab->cfg.max_size = RECV_FILE_SIZE_MAX + 2;
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_REFUSED);
	v = lab_verdict(lab);
	assert_int_equal(v.cause, CAUSE_TOO_LARGE);
	assert_int_equal(v.have, RECV_FILE_SIZE_MAX);
}

/* Before its content is sent.  Nothing of it stays, and its limit is given
 * back. */
static void a_file_without_room_is_refused(void **state)
{
	static const struct lab_content huge = { "", RECV_FILE_SIZE_MAX };
	static const struct lab_content small = { "ab", LEAF + 9 };
	struct recv_lab *lab = *state;
	struct msg_verdict v;
	struct msg_state m;

	lab->cfg.max_files = 1;
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &huge, &m), STATE_REFUSED);
	v = lab_verdict(lab);
	assert_int_equal(v.status, STATUS_FAILED);
	/* or no file can be so large */
	assert_true(v.cause == CAUSE_NO_SPACE || v.cause == CAUSE_TOO_LARGE);
	assert_int_equal(lab_names(lab), 0);
	assert_int_equal(lab_open_file(lab, 2, "g", &small, &m), STATE_SEND);
}

/* ---- what is wrong ---- */

static void damage_is_asked_for_again(void **state)
{
	static const struct lab_content c = { "abc", 2 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct msg_chunk m = { .id = 1, .offset = 2 * LEAF, .raw_len = 5 };
	struct msg_state s;
	struct buf b;
	struct err e;

	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &s), STATE_SEND);
	/* its digest is another's */
	buf_init(&b, 256);
	msg_put_chunk(&b, &m, lab->digest->size, 5);
	assert_int_equal(lab_frame(lab, &b, "ccccc", 5, &e), 0);
	lab_expect_resend(lab, 1, 2 * LEAF);
	/* it does not expand */
	for (unsigned codec = CODEC_ZLIB; codec <= CODEC_ZSTD; codec++) {
		m.codec = (uint8_t)codec;
		buf_init(&b, 256);
		msg_put_chunk(&b, &m, lab->digest->size, 3);
		assert_int_equal(lab_frame(lab, &b, "bad", 3, &e), 0);
		lab_expect_resend(lab, 1, 2 * LEAF);
	}
	assert_int_equal(lab->session->transfer.resent_bytes, 15);
	send_leaves(lab, 1, &c, 0, 3);
	end_file(lab, 1, &c);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &c);
}

static void what_lies_outside_ends_the_session(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 5 };
	static const struct lab_content longer = { "ab", LEAF + 6 };
	static const struct lab_content beyond = { "abc", 2 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct err e;

	for (int which = 0; which < 6; which++) {
		lab_begin(lab);
		assert_int_equal(lab_open_file(lab, 1, "f", &c, &m),
				 STATE_SEND);
		if (which == 0)
			assert_int_equal(lab_chunk(lab, 1, &longer, 1, &e),
					 ERR_PROTOCOL);
		if (which == 1)
			assert_int_equal(lab_chunk(lab, 1, &beyond, 2, &e),
					 ERR_PROTOCOL);
		if (which == 2)
			assert_int_equal(lab_hole(lab, 1, 1, 1, &e),
					 ERR_PROTOCOL);
		if (which == 3)
			assert_int_equal(lab_check(lab, 1, &c, 0, 1, &e),
					 ERR_PROTOCOL);
		if (which == 4)
			assert_int_equal(lab_file_end(lab, 1, &longer, &e),
					 ERR_PROTOCOL);
		if (which == 5)
			assert_int_equal(lab_hole(lab, 1, UINT64_MAX >> 21, 1,
						  &e),
					 ERR_PROTOCOL);
		lab_end(lab);
		assert_int_equal(lab_names(lab), 0);
	}
}

static void a_hole_over_data_ends_the_session(void **state)
{
	static const struct lab_content c = { "a.c", 2 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct err e;

	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_SEND);
	send_leaves(lab, 1, &c, 0, 1);
	assert_int_equal(lab_hole(lab, 1, 0, 2, &e), ERR_PROTOCOL);
}

static void a_hole_reads_as_zeros(void **state)
{
	static const struct lab_content c = { "a..d", 3 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct err e;

	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_SEND);
	assert_int_equal(lab_hole(lab, 1, 1, 2, &e), 0);
	send_leaves(lab, 1, &c, 0, 1);
	send_leaves(lab, 1, &c, 3, 4);
	end_file(lab, 1, &c);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &c);
}

static void another_digest_is_a_mismatch(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 5 };
	static const struct lab_content other = { "ax", LEAF + 5 };
	struct recv_lab *lab = *state;
	struct msg_state m;

	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_SEND);
	send_leaves(lab, 1, &c, 0, 2);
	end_file(lab, 1, &other);
	lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_MISMATCH);
	assert_int_equal(lab->file[0].status, STATUS_FAILED);
	assert_int_equal(lab_names(lab), 0);
}

static void the_sender_gives_a_file_up(void **state)
{
	const struct msg_file_abort m = { 1, CAUSE_CHANGED };
	struct recv_lab *lab = *state;
	struct msg_state s;
	struct buf b;
	struct err e;

	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &large, &s), STATE_SEND);
	send_leaves(lab, 1, &large, 0, 2);
	buf_init(&b, 256);
	msg_put_file_abort(&b, &m);
	assert_int_equal(lab_frame(lab, &b, NULL, 0, &e), 0);
	/* It knows why: no verdict. */
	lab_assert_no_reply(lab);
	assert_int_equal(lab->files, 1);
	assert_int_equal(lab->file[0].status, STATUS_FAILED);
	assert_non_null(strstr(lab->file[0].error, "changed while"));
	assert_int_equal(file_table_count(lab->session->transfer.files), 0);
	/* Nothing is kept of it. */
	assert_int_equal(lab_names(lab), 0);
	assert_int_equal(lab_chunk(lab, 1, &large, 2, &e), 0);
}

static void bad_opens(void **state)
{
	static const char *const names[] = { "../f", "/f", "a//b", "." };
	struct recv_lab *lab = *state;
	struct msg_open open = { .id = 1, .size = 5, .name = "f" };
	struct msg_state m;
	struct buf b;
	struct err e;

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		lab_begin(lab);
		open.name = names[i];
		assert_int_equal(lab_open(lab, &open, &e), ERR_PROTOCOL);
		lab_end(lab);
	}
	lab_begin(lab);
	open.name = "f";
	open.name_len = 1;
	buf_init(&b, 256);
	/* without its digest */
	msg_put_open(&b, &open, lab->digest->size, FILE_META_BASIC);
	assert_int_equal(lab_frame(lab, &b, NULL, 0, &e), ERR_CORRUPT);
	lab_end(lab);
	/* an id twice */
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "g", &large, &m), STATE_SEND);
	assert_int_equal(lab_open(lab, &open, &e), ERR_PROTOCOL);
}

/* ---- what was there before ---- */

static void a_conflict_is_refused_at_once(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 5 };
	struct recv_lab *lab = *state;
	struct msg_state m;

	put_file(lab->dir, "f", "old");
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_REFUSED);
	lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_EXISTS);
	lab_end(lab);
	lab->cfg.existing = CONFLICT_SKIP;
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_REFUSED);
	lab_expect(lab, 1, 1, STATUS_SKIPPED, CAUSE_NONE);
	lab_end(lab);
	assert_int_equal(unlinkat(lab->dir, "f", 0), 0);
	assert_int_equal(mkdirat(lab->dir, "f", 0755), 0);
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_REFUSED);
	lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_IS_DIR);
	assert_int_equal(lab_names(lab), 1);
}

/* A small file of the same size may be the same: it comes, and is compared when
 * it would get its name. */
static void a_small_file_that_is_the_same(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 5 };
	static const struct lab_content other = { "ax", LEAF + 5 };
	struct recv_lab *lab = *state;
	struct msg_state m;

	put_leaves(lab, "f", &c, 1);
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_SEND);
	send_leaves(lab, 1, &c, 0, 2);
	end_file(lab, 1, &c);
	lab_expect(lab, 1, 1, STATUS_UPDATED, CAUSE_NONE);
	assert_int_equal(lab_open_file(lab, 2, "f", &other, &m), STATE_SEND);
	send_leaves(lab, 2, &other, 0, 2);
	end_file(lab, 2, &other);
	lab_expect(lab, 2, 1, STATUS_FAILED, CAUSE_EXISTS);
	assert_leaves(lab, "f", &c);
	assert_int_equal(lab_names(lab), 1);
}

/* All leaves of a basis are unverified. */
static void open_basis(struct recv_lab *lab, const struct lab_content *c)
{
	struct msg_state m;

	assert_int_equal(lab_open_file(lab, 1, "f", c, &m), STATE_RESUME);
	assert_int_equal(m.run_count, 1);
	assert_int_equal(m.runs[0].first, 0);
	assert_int_equal(m.runs[0].count, tree_leaf_count(c->size));
}

static void a_basis_that_is_the_same(void **state)
{
	struct recv_lab *lab = *state;
	struct err e;

	put_leaves(lab, "f", &large, 1);
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_check(lab, 1, &large, 0, 9, &e), 0);
	assert_int_equal(lab_checked(lab), 0);
	end_file(lab, 1, &large);
	/* its time differed */
	lab_expect(lab, 1, 1, STATUS_UPDATED, CAUSE_NONE);
	assert_int_equal(lab_names(lab), 1);
	/* Each leaf is checked once. */
	open_basis(lab, &large);
	assert_int_equal(lab_check(lab, 1, &large, 0, 1, &e), 0);
	assert_int_equal(lab_check(lab, 1, &large, 0, 1, &e), ERR_PROTOCOL);
}

/* A range of leaves by one digest: all of them are the same, or none counts. */
static void a_basis_is_checked_by_range(void **state)
{
	static const struct lab_content other = { "abcdXfghi", 8 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct err e;

	put_leaves(lab, "f", &large, LAB_MTIME);
	lab->cfg.existing = CONFLICT_REPLACE;
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_check_as(lab, CHECK_RANGE, 1, &large, 0, 9, &e),
			 0);
	assert_int_equal(lab_checked(lab), 0);
	end_file(lab, 1, &large);
	lab_expect(lab, 1, 1, STATUS_UNCHANGED, CAUSE_NONE);
	open_basis(lab, &other);
	assert_int_equal(lab_check_as(lab, CHECK_RANGE, 1, &other, 0, 9, &e),
			 0);
	assert_int_equal(lab_checked(lab), 0x1ff);
	lab_end(lab);
	/* less than a whole one */
	lab_begin(lab);
	open_basis(lab, &other);
	assert_int_equal(lab_check_as(lab, CHECK_RANGE, 1, &other, 0, 8, &e),
			 ERR_PROTOCOL);
}

/* Where it is not replaced, nobody is told which of its leaves are the same. */
static void a_basis_that_stays_is_compared_as_a_whole(void **state)
{
	static const struct lab_content other = { "abcdXfghi", 8 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct err e;

	put_leaves(lab, "f", &other, 1);
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_check(lab, 1, &large, 0, 9, &e), 0);
	assert_int_equal(lab_checked(lab), 0);
	end_file(lab, 1, &large);
	lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_EXISTS);
	assert_leaves(lab, "f", &other);
	assert_int_equal(lab_names(lab), 1);
	lab_end(lab);
	/* There is no part to write to. */
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_chunk(lab, 1, &large, 0, &e), ERR_PROTOCOL);
	lab_end(lab);
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_hole(lab, 1, 0, 1, &e), ERR_PROTOCOL);
}

/* Where it is replaced, what is the same is copied, the rest is sent. */
static void a_basis_that_differs_gives_what_is_the_same(void **state)
{
	static const struct lab_content other = { "abcdXfghi", 8 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct err e;

	put_leaves(lab, "f", &other, LAB_MTIME);
	lab->cfg.existing = CONFLICT_REPLACE;
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_check(lab, 1, &large, 0, 3, &e), 0);
	assert_int_equal(lab_checked(lab), 0);
	assert_int_equal(lab_check(lab, 1, &large, 3, 6, &e), 0);
	assert_int_equal(lab_checked(lab), 1 << 1);
	end_file(lab, 1, &large);
	send_leaves(lab, 1, &large, 4, 5);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &large);
	assert_int_equal(lab_names(lab), 1);
}

/* Somebody writes one byte of the basis, which keeps its time. */
static void touch_basis(struct recv_lab *lab, uint64_t off)
{
	const struct timespec times[2] = { { LAB_MTIME, 0 }, { LAB_MTIME, 0 } };
	int fd = openat(lab->dir, "f", O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "X", 1, (off_t)off), 1);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

/* Where the file there is changed after a leaf of it was checked, that leaf is
 * no longer the sender's. */
static void a_basis_that_changes_is_not_copied(void **state)
{
	static const struct lab_content other = { "abcdXfghi", 8 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct err e;

	put_leaves(lab, "f", &other, LAB_MTIME);
	lab->cfg.existing = CONFLICT_REPLACE;
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_check(lab, 1, &large, 0, 3, &e), 0);
	assert_int_equal(lab_checked(lab), 0);
	touch_basis(lab, LEAF + 7);
	assert_int_equal(lab_check(lab, 1, &large, 3, 6, &e), 0);
	lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_OTHER_BASIS);
	lab_end(lab);
	/* sent again */
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_check(lab, 1, &large, 0, 9, &e), 0);
	assert_int_equal(lab_checked(lab), 1 << 1 | 1 << 4);
	send_leaves(lab, 1, &large, 1, 2);
	send_leaves(lab, 1, &large, 4, 5);
	end_file(lab, 1, &large);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &large);
	assert_int_equal(lab_names(lab), 1);
}

/* The same where a whole range was found to be the same by one digest. */
static void a_range_of_a_basis_that_changes_is_not_copied(void **state)
{
	static const char same[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
				   "RSTUVWXYZ0123456789+/12";
	static const char last[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
				   "RSTUVWXYZ0123456789+/XY";
	const struct lab_content new = { same, 65 * LEAF + 5 };
	const struct lab_content other = { last, 65 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct err e;

	lab->cfg.existing = CONFLICT_REPLACE;
	for (int changes = 1; changes >= 0; changes--) {
		put_leaves(lab, "f", &other, LAB_MTIME);
		lab_begin(lab);
		open_basis(lab, &new);
		assert_int_equal(
			lab_check_as(lab, CHECK_RANGE, 1, &new, 0, 64, &e), 0);
		assert_int_equal(lab_checked(lab), 0);
		if (changes)
			touch_basis(lab, 5 * LEAF + 7);
		assert_int_equal(
			lab_check_as(lab, CHECK_RANGE, 1, &new, 64, 2, &e), 0);
		if (changes) {
			lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_OTHER_BASIS);
			lab_end(lab);
			assert_int_equal(unlinkat(lab->dir, "f", 0), 0);
			continue;
		}
		assert_int_equal(lab_checked(lab), 3);
		send_leaves(lab, 1, &new, 64, 66);
		end_file(lab, 1, &new);
		lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
		assert_leaves(lab, "f", &new);
		assert_int_equal(lab_names(lab), 1);
	}
}

/* ---- a call that fails ---- */

static int truncate_errno; /* 0: it does not fail */

int ftruncate(int fd, off_t size)
{
	static int (*real)(int, off_t);

	if (truncate_errno) {
		errno = truncate_errno;
		return -1;
	}
	if (!real) {
		/* ISO C converts no pointer to an object to one to a
		 * function. */
		void *symbol = dlsym(RTLD_NEXT, "ftruncate");

		memcpy(&real, &symbol, sizeof(symbol));
	}
	return real(fd, size);
}

/* ---- resuming ---- */

/* Leave a part with the first three leaves. */
static void leave_part(struct recv_lab *lab, const struct lab_content *c)
{
	struct msg_state m;

	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", c, &m), STATE_SEND);
	send_leaves(lab, 1, c, 0, 3);
	lab_end(lab);
	assert_int_equal(lab_names(lab), 2); /* part and journal */
}

static void a_kept_part_is_resumed(void **state)
{
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct err e;

	leave_part(lab, &large);
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 7, "f", &large, &m), STATE_RESUME);
	/* any sender could have left it */
	assert_int_equal(m.digest, DIGEST_SHA256);
	assert_int_equal(m.run_count, 1);
	assert_int_equal(m.runs[0].first, 0);
	assert_int_equal(m.runs[0].count, 3);
	assert_int_equal(lab_check(lab, 7, &large, 0, 3, &e), 0);
	assert_int_equal(lab_checked(lab), 0);
	send_leaves(lab, 7, &large, 3, 9);
	end_file(lab, 7, &large);
	lab_expect(lab, 7, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &large);
	assert_int_equal(lab_names(lab), 1);
}

/* The journal of a part that the same sender left says what is in it. */
static void the_same_sender_resumes_by_its_journal(void **state)
{
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct err e;

	lab->is_known = 1;
	leave_part(lab, &large);
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 7, "f", &large, &m), STATE_RESUME);
	assert_int_equal(m.digest, lab->digest->id);
	assert_int_equal(lab_check(lab, 7, &large, 0, 3, &e), 0);
	assert_int_equal(lab_checked(lab), 0);
	send_leaves(lab, 7, &large, 3, 9);
	end_file(lab, 7, &large);
	lab_expect(lab, 7, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &large);
}

/* A digest of another size than that of the algorithm that STATE named. */
static void a_check_by_another_digest_ends_the_session(void **state)
{
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct err e;

	leave_part(lab, &large);
	for (int known = 0; known < 2; known++) {
		lab->is_known = known;
		lab_begin(lab);
		assert_int_equal(lab_open_file(lab, 1, "f", &large, &m),
				 STATE_RESUME);
		lab->check_digest = known ? &digest_sha256 : &digest_xxh3;
		assert_int_equal(lab_check(lab, 1, &large, 0, 3, &e),
				 ERR_PROTOCOL);
		lab_end(lab);
	}
}

static int count_threads(void)
{
	return count_entries(opendir("/proc/self/task"));
}

/* How many threads opening a file starts that would be resumed. */
static int threads_of_open(struct recv_lab *lab)
{
	struct msg_state m;
	int before;

	lab_begin(lab);
	before = count_threads();
	assert_int_equal(lab_open_file(lab, 1, "f", &large, &m), STATE_SEND);
	return count_threads() - before;
}

static void a_large_file_is_flushed_meanwhile(void **state)
{
	struct recv_lab *lab = *state;

	lab->cfg.sync = SYNC_BATCH;
	assert_int_equal(threads_of_open(lab), 1);
}

static void nothing_is_flushed_with_sync_none(void **state)
{
	struct recv_lab *lab = *state;

	lab->cfg.sync = SYNC_NONE;
	assert_int_equal(threads_of_open(lab), 0);
}

/* Resume a kept part of large as another content, whose second leaf of the
 * three that are there differs. */
static void resume_as(struct recv_lab *lab, const struct lab_content *other)
{
	struct msg_state m;
	struct err e;

	leave_part(lab, &large);
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", other, &m), STATE_RESUME);
	assert_int_equal(lab_check(lab, 1, other, 0, 3, &e), 0);
	assert_int_equal(lab_checked(lab), 1 << 1);
}

static void leaves_of_a_kept_part_that_differ(void **state)
{
	static const struct lab_content other = { "aXcdefghi", 8 * LEAF + 5 };
	struct recv_lab *lab = *state;

	resume_as(lab, &other);
	send_leaves(lab, 1, &other, 1, 2);
	send_leaves(lab, 1, &other, 3, 9);
	end_file(lab, 1, &other);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &other);
}

/* A hole over what an earlier session left there. */
static void a_hole_in_a_kept_part_reads_as_zeros(void **state)
{
	static const struct lab_content other = { "a.cdefghi", 8 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct err e;

	resume_as(lab, &other);
	assert_int_equal(lab_hole(lab, 1, 1, 1, &e), 0);
	send_leaves(lab, 1, &other, 3, 9);
	end_file(lab, 1, &other);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &other);
}

/* Write one byte of a kept part. */
static void touch_part(struct recv_lab *lab, uint64_t off)
{
	const struct dirent *d;
	DIR *dir;
	int fd = -1;

	dir = opendir(lab->path);
	while ((d = readdir(dir))) {
		if (strstr(d->d_name, ".part"))
			fd = openat(lab->dir, d->d_name, O_WRONLY | O_CLOEXEC);
	}
	closedir(dir);
	assert_int_equal(pwrite(fd, "X", 1, (off_t)off), 1);
	close(fd);
}

/* Somebody wrote to the part: the journal is not believed, by any later
 * session, even if the next one ends before the leaves were checked. */
static void a_part_that_was_touched_is_read_again(void **state)
{
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct err e;

	lab->is_known = 1;
	leave_part(lab, &large);
	touch_part(lab, 2 * LEAF + 7);
	for (int i = 0; i < 3; i++) {
		lab_begin(lab);
		assert_int_equal(lab_open_file(lab, 1, "f", &large, &m),
				 STATE_RESUME);
		assert_int_equal(m.digest, DIGEST_SHA256);
		if (i == 1)
			send_leaves(lab, 1, &large, 5, 6);
		if (i < 2)
			lab_end(lab);
	}
	assert_int_equal(lab_check(lab, 1, &large, 0, 3, &e), 0);
	assert_int_equal(lab_checked(lab), 1 << 2);
}

/* There are a kept part, sealed with leaves of the source, and a file of the
 * same size under the name: the journal must not answer for that one. */
static void the_journal_does_not_answer_for_the_basis(void **state)
{
	static const struct lab_content other = { "xyzdefghi", 8 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct err e;

	leave_part(lab, &large);
	put_leaves(lab, "f", &other, LAB_MTIME);
	lab->cfg.existing = CONFLICT_REPLACE;
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_check(lab, 1, &large, 0, 1, &e), 0);
	assert_int_equal(lab_checked(lab), 1);
	/* now there is the part, with its journal */
	assert_int_equal(lab_check(lab, 1, &large, 1, 8, &e), 0);
	assert_int_equal(lab_checked(lab), 3);
	send_leaves(lab, 1, &large, 0, 3);
	end_file(lab, 1, &large);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &large);
	assert_int_equal(lab_names(lab), 1);
}

/* What an earlier session kept is removed where the file is there. */
static void a_part_beside_the_same_file_is_removed(void **state)
{
	struct recv_lab *lab = *state;
	struct err e;

	leave_part(lab, &large);
	put_leaves(lab, "f", &large, 1);
	lab_begin(lab);
	open_basis(lab, &large);
	assert_int_equal(lab_check(lab, 1, &large, 0, 9, &e), 0);
	assert_int_equal(lab_checked(lab), 0);
	end_file(lab, 1, &large);
	lab_expect(lab, 1, 1, STATUS_UPDATED, CAUSE_NONE);
	assert_int_equal(lab_names(lab), 1);
}

/* A file that is too small now to be resumed: the part that was kept of it is
 * removed, for nobody else would. */
static void a_part_of_a_larger_file_is_removed(void **state)
{
	static const struct lab_content small = { "ab", LEAF + 9 };
	struct recv_lab *lab = *state;
	struct msg_state m;

	leave_part(lab, &large);
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &small, &m), STATE_SEND);
	send_leaves(lab, 1, &small, 0, 2);
	end_file(lab, 1, &small);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "f", &small);
	assert_int_equal(lab_names(lab), 1);
}

/* An old part, of another source, that cannot be emptied: it is closed and
 * given back, so that another try can have it. */
static void a_part_that_cannot_be_emptied(void **state)
{
	struct recv_lab *lab = *state;
	struct parts *parts = &lab->worker.parts;
	struct runs unverified;
	struct parts_found found = { .unverified = &unverified };
	struct commit *c;
	struct err e;
	int fds;

	leave_part(lab, &large);
	lab_begin(lab);
	parts->placed = lab->session->transfer.placed;
	runs_init(&unverified, 1);
	c = commit_new("f", 1);
	assert_non_null(c);
	c->dir = held_dir_new(lab->dir, parts->root_dev);
	c->size = large.size + 1;
	c->meta.mode = 0644;
	for (int is_kept = 0; is_kept <= 1; is_kept++) {
		/* the other is made by this tag where there are no nameless
		 * files */
		parts->names.is_visible = 1;
		fds = count_fds();
		err_clear(&e);
		truncate_errno = ENOSPC;
		assert_int_equal(is_kept ? parts_create_kept(parts, c, lab->dir,
							     "f", &found, &e) :
					   parts_create(parts, c, lab->dir, "f",
							&e),
				 ERR_LOCAL);
		truncate_errno = 0;
		assert_int_equal(e.sys_errno, ENOSPC);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(c->part.fd, -1);
		err_clear(&e);
		assert_int_equal(parts_create_kept(parts, c, lab->dir, "f",
						   &found, &e),
				 0);
		assert_non_null(c->journal);
		journal_close(c->journal);
		c->journal = NULL;
		io_close(&c->part.fd);
		commit_drop_part(c);
		c->size++;
	}
	assert_int_equal(lab_names(lab), 2);
	commit_free(c);
	runs_release(&unverified);
}

/* What the sender is using is not counted among what can give way: the other
 * part is not removed where it alone is too small. */
static void only_parts_that_can_go_give_way(void **state)
{
	static const char *const names[] = { "f", "g" };
	struct recv_lab *lab = *state;
	const struct kept_config cfg = { .root_fd = lab->dir,
					 .keep_s = 1000,
					 .max_bytes = UINT64_MAX,
					 .events = &lab->events };
	struct kept_sender s = { .kept = kept_new(&cfg) };
	struct msg_state m;
	struct part used;
	uint64_t tag[2];
	int was_there;

	assert_non_null(s.kept);
	lab_begin(lab);
	for (unsigned i = 0; i < 2; i++) {
		tag[i] = parts_tag(&lab->worker.parts, names[i]);
		assert_int_equal(lab_open_file(lab, i + 1, names[i], &large,
					       &m),
				 STATE_SEND);
		send_leaves(lab, i + 1, &large, 0, 3);
	}
	lab_end(lab);
	assert_int_equal(lab_names(lab), 4);
	lab_begin(lab);
	s.peer_id = lab->session->peer_id;
	for (unsigned i = 0; i < 2; i++)
		kept_note(&s, names[i], 1, tag[i]);
	assert_int_equal(part_open_leftover(&used, lab->dir, tag[0],
					    &was_there),
			 0);
	assert_int_equal(kept_give_way(&s, lab->dir, 4 * LEAF, ENOSPC), 0);
	assert_int_equal(lab_names(lab), 4);
	assert_int_equal(kept_give_way(&s, lab->dir, 2 * LEAF, ENOSPC), 1);
	assert_int_equal(lab_names(lab), 2);
	assert_int_equal(kept_give_way(&s, lab->dir, 0, ENOSPC), 0);
	io_close(&used.fd);
	assert_int_equal(kept_give_way(&s, lab->dir, 2 * LEAF, ENOSPC), 1);
	assert_int_equal(lab_names(lab), 0);
	kept_free(s.kept);
}

/* ---- standard output ---- */

static void standard_output_comes_in_order(void **state)
{
	static const struct lab_content c = { "a.c", 2 * LEAF + 5 };
	struct recv_lab *lab = *state;
	struct lab_content c_there = c;
	struct msg_state m;
	struct err e;

	lab->cfg.to_stdout = 1;
	lab->cfg.stdout_fd = openat(lab->dir, "out",
				    O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_SEND);
	send_leaves(lab, 1, &c, 0, 1);
	assert_int_equal(lab_hole(lab, 1, 1, 1, &e), 0);
	send_leaves(lab, 1, &c, 2, 3);
	end_file(lab, 1, &c);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_leaves(lab, "out", &c_there);
	assert_int_equal(lab_names(lab), 1);
	/* One that is not the next. */
	assert_int_equal(lab_open_file(lab, 2, "g", &c, &m), STATE_SEND);
	assert_int_equal(lab_chunk(lab, 2, &c, 1, &e), ERR_PROTOCOL);
	close(lab->cfg.stdout_fd);
}

/* What went to standard output cannot be put in order any more. */
static void damage_ends_standard_output(void **state)
{
	static const struct lab_content c = { "ab", LEAF + 5 };
	const struct msg_chunk chunk = { .id = 1, .raw_len = LEAF,
					 .codec = CODEC_ZSTD };
	struct recv_lab *lab = *state;
	struct msg_state m;
	struct buf b;
	struct err e;

	lab->cfg.to_stdout = 1;
	lab->cfg.stdout_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	lab_begin(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &m), STATE_SEND);
	buf_init(&b, 256);
	msg_put_chunk(&b, &chunk, lab->digest->size, 3);
	assert_int_equal(lab_frame(lab, &b, "bad", 3, &e), ERR_CORRUPT);
	close(lab->cfg.stdout_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		lab_test(chunks_in_any_order),
		lab_test(a_stream_of_unknown_size),
		lab_test(a_stream_over_the_quota_fails),
		lab_test(a_file_over_the_quota_is_refused),
		lab_test(a_refused_file_gives_its_quota_back),
		lab_test(a_file_too_large_is_refused),
		lab_test(a_file_without_room_is_refused),
		lab_test(damage_is_asked_for_again),
		lab_test(what_lies_outside_ends_the_session),
		lab_test(a_hole_over_data_ends_the_session),
		lab_test(a_hole_reads_as_zeros),
		lab_test(another_digest_is_a_mismatch),
		lab_test(the_sender_gives_a_file_up),
		lab_test(bad_opens),
		lab_test(a_conflict_is_refused_at_once),
		lab_test(a_small_file_that_is_the_same),
		lab_test(a_basis_that_is_the_same),
		lab_test(a_basis_is_checked_by_range),
		lab_test(a_basis_that_stays_is_compared_as_a_whole),
		lab_test(a_basis_that_differs_gives_what_is_the_same),
		lab_test(a_kept_part_is_resumed),
		lab_test(the_same_sender_resumes_by_its_journal),
		lab_test(a_basis_that_changes_is_not_copied),
		lab_test(a_range_of_a_basis_that_changes_is_not_copied),
		lab_test(a_check_by_another_digest_ends_the_session),
		lab_test(a_large_file_is_flushed_meanwhile),
		lab_test(nothing_is_flushed_with_sync_none),
		lab_test(leaves_of_a_kept_part_that_differ),
		lab_test(a_hole_in_a_kept_part_reads_as_zeros),
		lab_test(a_part_that_was_touched_is_read_again),
		lab_test(the_journal_does_not_answer_for_the_basis),
		lab_test(a_part_beside_the_same_file_is_removed),
		lab_test(a_part_of_a_larger_file_is_removed),
		lab_test(a_part_that_cannot_be_emptied),
		lab_test(only_parts_that_can_go_give_way),
		lab_test(standard_output_comes_in_order),
		lab_test(damage_ends_standard_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
