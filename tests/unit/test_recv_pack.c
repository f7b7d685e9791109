/*
 * PACK and OFFER, frame by frame.
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

#include "receiver/symlinks.h"

/* ---- PACK ---- */

static void rows_of_all_kinds(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct stat st;
	struct err e;

	lab_begin(lab);
	pack_start(&p, lab, 5);
	pack_dir(&p, "d");
	pack_file(&p, "d/a", "alpha");
	pack_file(&p, "d/empty", "");
	pack_symlink(&p, "link", "d/a");
	pack_file(&p, "new/deep/b", "beta");
	assert_int_equal(pack_take(&p, &e), 0);
	lab_expect(lab, 5, 3, STATUS_COMMITTED, CAUSE_NONE);
	lab_expect(lab, 8, 1, STATUS_DEFERRED, CAUSE_NONE);
	lab_expect(lab, 9, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_content(lab, "d/a", "alpha");
	assert_content(lab, "d/empty", "");
	assert_content(lab, "new/deep/b", "beta");
	assert_gone(lab, "link");
	assert_int_equal(fstatat(lab->dir, "d/a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_mtim.tv_sec, LAB_MTIME);
	assert_int_equal(fstatat(lab->dir, "new", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* Directories are no events. */
	assert_int_equal(lab->files, 3);
	assert_string_equal(lab->file[0].name, "d/a");
	assert_int_equal(lab->file[0].size, 5);
	assert_int_equal(symlinks_make(lab->worker.transfer->symlinks, NULL,
				       &e),
			 0);
	lab_expect(lab, 8, 1, STATUS_COMMITTED, CAUSE_NONE);
}

static void each_codec_is_expanded(void **state)
{
	static const struct codec_ops *const codecs[] = { &codec_none,
							  &codec_zlib,
							  &codec_zstd };
	static const char *const names[] = { "none", "zlib", "zstd" };
	struct recv_lab *lab = *state;
	char text[200];
	struct lab_pack p;
	struct err e;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	lab_begin(lab);
	for (unsigned i = 0; i < 3; i++) {
		pack_start(&p, lab, i + 1);
		p.codec = codecs[i];
		pack_file(&p, names[i], text);
		assert_int_equal(pack_take(&p, &e), 0);
		assert_content(lab, names[i], text);
	}
}

static void a_name_that_is_refused_ends_the_session(void **state)
{
	static const char *const names[] = {
		"../a", "/a", "a/../b", "a//b", ".", "a/.",
		".ferry-0123456789abcdef.part",
		".FERRY-0123456789ABCDEF.PART",
	};
	struct recv_lab *lab = *state;
	struct err e;

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct lab_pack p;

		lab_begin(lab);
		pack_start(&p, lab, 1);
		pack_file(&p, "good", "good");
		pack_file(&p, names[i], "bad");
		assert_int_equal(pack_take(&p, &e), ERR_PROTOCOL);
		/* Nothing of it was written. */
		assert_int_equal(lab_names(lab), 0);
		lab_end(lab);
	}
}

static void a_symlink_that_leads_out_ends_the_session(void **state)
{
	static const char *const targets[] = { "/etc/passwd", "../x",
					       "a/../../x" };
	struct recv_lab *lab = *state;
	struct err e;

	for (unsigned i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		struct lab_pack p;

		lab_begin(lab);
		pack_start(&p, lab, 1);
		pack_symlink(&p, "l", targets[i]);
		assert_int_equal(pack_take(&p, &e), ERR_PROTOCOL);
		lab_end(lab);
	}
}

/* The second row of a name is another file of that name. */
static void a_name_twice_is_a_conflict(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;

	lab_begin(lab);
	pack_start(&p, lab, 1);
	pack_file(&p, "a", "one");
	pack_file(&p, "a", "two");
	pack_file(&p, "a", "one");
	assert_int_equal(pack_take(&p, &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	lab_expect(lab, 2, 1, STATUS_FAILED, CAUSE_EXISTS);
	lab_expect(lab, 3, 1, STATUS_UNCHANGED, CAUSE_NONE);
	assert_content(lab, "a", "one");
	assert_int_equal(lab_names(lab), 1);
}

static void damage_is_asked_for_again(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;

	lab_begin(lab);
	/* the table */
	pack_start(&p, lab, 1);
	pack_file(&p, "a", "alpha");
	p.has_digest = 1;
	assert_int_equal(pack_take(&p, &e), 0);
	lab_expect_resend(lab, 1, 0);
	assert_int_equal(lab->messages, 1);
	/* a file's content, which is counted as sent twice */
	pack_start(&p, lab, 1);
	pack_file(&p, "a", "alpha");
	p.raw.data[2] ^= 1;
	assert_int_equal(pack_take(&p, &e), 0);
	lab_expect_resend(lab, 1, 0);
	assert_int_equal(lab->session->transfer.resent_bytes, 10);
	assert_int_equal(lab_names(lab), 0);
	assert_int_equal(lab_take_file(lab, 1, "a", "alpha", &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
}

/* Sizes that do not fill the pack, or more than it holds. */
static void sizes_have_to_fill_the_pack(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;

	for (int which = 0; which < 3; which++) {
		lab_begin(lab);
		pack_start(&p, lab, 1);
		if (which == 0) {
			struct pack_item it = pack_item(ITEM_FILE, "a");

			it.size = CHUNK_MAX;
			pack_row(&p, &it);
		} else {
			pack_file(&p, "a", "alpha");
		}
		if (which == 1)
			buf_put(&p.raw, "more", 4);
		if (which == 2)
			p.m.count = 2;
		assert_int_equal(pack_take(&p, &e), ERR_PROTOCOL);
		assert_int_equal(lab_names(lab), 0);
		lab_end(lab);
	}
}

static void an_item_that_fails_is_one_item(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;

	put_file(lab->dir, "file", "in the way");
	lab_begin(lab);
	pack_start(&p, lab, 1);
	pack_file(&p, "file/a", "alpha");
	pack_dir(&p, "file");
	pack_file(&p, "b", "beta");
	assert_int_equal(pack_take(&p, &e), 0);
	lab_expect(lab, 1, 2, STATUS_FAILED, CAUSE_NOT_DIR);
	lab_expect(lab, 3, 1, STATUS_COMMITTED, CAUSE_NONE);
	/* A directory that failed is an event. */
	assert_int_equal(lab->files, 3);
	assert_non_null(strstr(lab->file[1].error, "file: from peer: "));
	assert_content(lab, "file", "in the way");
}

static void the_quota_refuses_what_is_over_it(void **state)
{
	struct recv_lab *lab = *state;
	struct msg_verdict v;
	struct lab_pack p;
	struct err e;

	lab->cfg.max_files = 3;
	lab->cfg.max_size = 10;
	lab_begin(lab);
	pack_start(&p, lab, 1);
	pack_file(&p, "a", "12345");
	pack_file(&p, "b", "123456");
	pack_dir(&p, "d");
	pack_file(&p, "c", "12345");
	pack_dir(&p, "over");
	assert_int_equal(pack_take(&p, &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	v = lab_verdict(lab);
	assert_int_equal(v.status, STATUS_FAILED);
	assert_int_equal(v.cause, CAUSE_LIMIT);
	assert_int_equal(v.need, 6);
	assert_int_equal(v.have, 5);
	lab_expect(lab, 3, 2, STATUS_COMMITTED, CAUSE_NONE);
	lab_expect(lab, 5, 1, STATUS_FAILED, CAUSE_LIMIT);
	assert_int_equal(lab_names(lab), 3);
}

/* Directories that are made for what lies below them count as well, and once if
 * the sender names them. */
static void directories_that_are_made_count(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct stat st;
	struct err e;

	lab->cfg.max_files = 7;
	lab_begin(lab);
	pack_start(&p, lab, 1);
	pack_file(&p, "a/b/f", "1");  /* 3 */
	pack_dir(&p, "a");
	pack_dir(&p, "a/b/c");        /* 4 */
	pack_dir(&p, "a/b");
	pack_dir(&p, "a/b");          /* 5: named again */
	pack_file(&p, "x/y/z", "1");  /* 7 with x: y is one too many */
	pack_file(&p, "a/g", "1");
	pack_file(&p, "a/h", "1");
	assert_int_equal(pack_take(&p, &e), 0);
	for (uint64_t ended = 0; ended < 8;) {
		const struct msg_verdict v = lab_verdict(lab);

		for (uint64_t id = v.first_id; id < v.first_id + v.count; id++)
			assert_int_equal(v.cause, id >= 6 ?
							  CAUSE_LIMIT :
							  CAUSE_NONE);
		ended += v.count;
	}
	assert_int_equal(fstatat(lab->dir, "x/y", &st, 0), -1);
}

/* ---- what was there is looked for ---- */

/* While the budget lasts, the same is found before it is written; afterwards
 * when it would get its name.  The verdict is the same. */
static void the_probe_budget(void **state)
{
	struct recv_lab *lab = *state;
	atomic_int *budget;
	struct lab_pack p;
	struct err e;

	put_file(lab->dir, "there", "there");
	lab_begin(lab);
	budget = &lab->session->transfer.probe_budget;
	assert_int_equal(lab_take_file(lab, 1, "a", "alpha", &e), 0);
	assert_int_equal(atomic_load(budget), TRANSFER_PROBE_PACKS - 1);
	/* Directories alone are no reason to look less. */
	pack_start(&p, lab, 2);
	pack_dir(&p, "d");
	assert_int_equal(pack_take(&p, &e), 0);
	assert_int_equal(atomic_load(budget), TRANSFER_PROBE_PACKS - 1);
	assert_int_equal(lab_take_file(lab, 3, "there", "there", &e), 0);
	assert_int_equal(atomic_load(budget), TRANSFER_PROBE_PACKS);
	atomic_store(budget, 0);
	assert_int_equal(lab_take_file(lab, 4, "there", "there", &e), 0);
	assert_int_equal(atomic_load(budget), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	lab_expect(lab, 2, 1, STATUS_COMMITTED, CAUSE_NONE);
	/* Its time was set the first time. */
	lab_expect(lab, 3, 1, STATUS_UPDATED, CAUSE_NONE);
	lab_expect(lab, 4, 1, STATUS_UNCHANGED, CAUSE_NONE);
}

/* A verdict on a file named "there" of another content, by policy. */
static void a_conflict_by_policy(void **state)
{
	static const struct {
		enum conflict_policy policy;
		enum file_status status;
		enum wire_cause cause;
		const char *there, *other, *other_name;
	} cases[] = {
		{ CONFLICT_FAIL, STATUS_FAILED, CAUSE_EXISTS, "old", NULL,
		  NULL },
		{ CONFLICT_SKIP, STATUS_SKIPPED, CAUSE_NONE, "old", NULL,
		  NULL },
		{ CONFLICT_REPLACE, STATUS_COMMITTED, CAUSE_NONE, "new", NULL,
		  NULL },
		/* What is there has the time of now: it is newer. */
		{ CONFLICT_NEWER, STATUS_SKIPPED, CAUSE_NONE, "old", NULL,
		  NULL },
		{ CONFLICT_RENAME, STATUS_COMMITTED, CAUSE_NONE, "old", "new",
		  "there (1)" },
		{ CONFLICT_BACKUP, STATUS_COMMITTED, CAUSE_NONE, "new", "old",
		  "there~" },
	};
	struct recv_lab *lab = *state;
	struct err e;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		store_file(lab->dir, "there", "old", O_TRUNC);
		lab->cfg.existing = cases[i].policy;
		lab->files = 0;
		lab_begin(lab);
		assert_int_equal(lab_take_file(lab, 1, "there", "new", &e), 0);
		lab_expect(lab, 1, 1, cases[i].status, cases[i].cause);
		assert_content(lab, "there", cases[i].there);
		assert_int_equal(lab_names(lab), cases[i].other ? 2 : 1);
		if (cases[i].other) {
			assert_content(lab, cases[i].other_name,
				       cases[i].other);
			unlinkat(lab->dir, cases[i].other_name, 0);
		}
		assert_string_equal(lab->file[0].renamed,
				    cases[i].policy == CONFLICT_RENAME ?
					    "there (1)" :
					    "");
		lab_end(lab);
	}
}

/* ---- OFFER ---- */

static unsigned offered(struct recv_lab *lab, uint64_t id, uint32_t count)
{
	struct msg_offered m;

	assert_int_equal(lab_reply(lab), FRAME_OFFERED);
	assert_int_equal(msg_get_offered(&m, lab->body.data, lab->body.len), 0);
	assert_int_equal(m.first_id, id);
	assert_int_equal(m.count, count);
	return m.wanted[0];
}

static void an_offer_asks_for_what_is_not_there(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;

	put_file(lab->dir, "same", "same");
	put_file(lab->dir, "other", "old");
	lab->cfg.max_files = 4;
	lab->cfg.max_size = 14;
	lab_begin(lab);
	pack_start(&p, lab, 1);
	p.is_offer = 1;
	pack_file(&p, "same", "same");
	pack_file(&p, "other", "new");
	pack_file(&p, "a", "alpha");
	pack_dir(&p, "d");
	assert_int_equal(pack_take(&p, &e), 0);
	assert_int_equal(offered(lab, 1, 4), 1 << 2);
	lab_expect(lab, 1, 1, STATUS_UPDATED, CAUSE_NONE);
	lab_expect(lab, 2, 1, STATUS_FAILED, CAUSE_EXISTS);
	lab_expect(lab, 4, 1, STATUS_COMMITTED, CAUSE_NONE);
	/* What is wanted is counted when it comes: there is room for it. */
	assert_int_equal(lab_take_file(lab, 5, "a", "alpha", &e), 0);
	lab_expect(lab, 5, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_content(lab, "a", "alpha");
	assert_content(lab, "other", "old");
}

static void an_offer_under_each_policy(void **state)
{
	static const struct {
		enum conflict_policy policy;
		int is_wanted;
		enum file_status status;
	} cases[] = {
		{ CONFLICT_SKIP, 0, STATUS_SKIPPED },
		{ CONFLICT_REPLACE, 1, STATUS_COMMITTED },
		{ CONFLICT_NEWER, 0, STATUS_SKIPPED },
		{ CONFLICT_RENAME, 1, STATUS_COMMITTED },
		{ CONFLICT_BACKUP, 1, STATUS_COMMITTED },
	};
	struct recv_lab *lab = *state;
	struct err e;

	put_file(lab->dir, "other", "old");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lab_pack p;

		lab->cfg.existing = cases[i].policy;
		lab_begin(lab);
		pack_start(&p, lab, 1);
		p.is_offer = 1;
		pack_file(&p, "other", "new");
		assert_int_equal(pack_take(&p, &e), 0);
		assert_int_equal(offered(lab, 1, 1), cases[i].is_wanted);
		if (!cases[i].is_wanted)
			lab_expect(lab, 1, 1, cases[i].status, CAUSE_NONE);
		lab_assert_no_reply(lab);
		assert_content(lab, "other", "old");
		lab_end(lab);
	}
}

static void an_offer_has_no_content(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;

	lab_begin(lab);
	pack_start(&p, lab, 1);
	p.is_offer = 1;
	pack_file(&p, "a", "");
	p.m.table_len = (uint32_t)p.table.len;
	buf_put(&p.table, "more", 4);
	assert_int_equal(pack_take(&p, &e), ERR_PROTOCOL);
}

/* ---- standard output ---- */

static void to_standard_output(struct recv_lab *lab, int fd[2])
{
	assert_int_equal(pipe(fd), 0);
	lab->cfg.to_stdout = 1;
	lab->cfg.stdout_fd = fd[1];
	lab_begin(lab);
}

static void one_file_goes_to_standard_output(void **state)
{
	struct recv_lab *lab = *state;
	char text[16] = "";
	struct err e;
	int fd[2];

	to_standard_output(lab, fd);
	assert_int_equal(lab_take_file(lab, 1, "a", "alpha", &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	assert_int_equal(read(fd[0], text, sizeof(text)), 5);
	assert_string_equal(text, "alpha");
	assert_int_equal(lab_names(lab), 0);
	close(fd[0]);
	close(fd[1]);
}

static void nothing_else_goes_to_standard_output(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;
	int fd[2];

	for (int which = 0; which < 4; which++) {
		to_standard_output(lab, fd);
		pack_start(&p, lab, 1);
		if (which == 0) {
			pack_dir(&p, "d");
		} else if (which == 1) {
			pack_symlink(&p, "l", "a");
		} else {
			pack_file(&p, "a", "alpha");
			p.is_offer = which == 2;
		}
		if (which == 3)
			pack_file(&p, "b", "beta");
		assert_int_equal(pack_take(&p, &e), ERR_PROTOCOL);
		lab_end(lab);
		close(fd[1]);
		assert_int_equal(read(fd[0], &p, 1), 0);
		close(fd[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		lab_test(rows_of_all_kinds),
		lab_test(each_codec_is_expanded),
		lab_test(a_name_that_is_refused_ends_the_session),
		lab_test(a_symlink_that_leads_out_ends_the_session),
		lab_test(a_name_twice_is_a_conflict),
		lab_test(damage_is_asked_for_again),
		lab_test(sizes_have_to_fill_the_pack),
		lab_test(an_item_that_fails_is_one_item),
		lab_test(the_quota_refuses_what_is_over_it),
		lab_test(directories_that_are_made_count),
		lab_test(the_probe_budget),
		lab_test(a_conflict_by_policy),
		lab_test(an_offer_asks_for_what_is_not_there),
		lab_test(an_offer_under_each_policy),
		lab_test(an_offer_has_no_content),
		lab_test(one_file_goes_to_standard_output),
		lab_test(nothing_else_goes_to_standard_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
