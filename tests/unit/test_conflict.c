/*
 * What the words of --existing mean.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/trial.h"
#include "receiver/conflict.h"
#include "receiver/fs_lacks.h"
#include "../lib/scratch.h"

static struct stat stat_with(mode_t mode, int64_t s, long ns)
{
	struct stat st;

	memset(&st, 0, sizeof(st));
	st.st_mode = mode;
	st.st_mtim.tv_sec = s;
	st.st_mtim.tv_nsec = ns;
	return st;
}

static void test_decide(void **state)
{
	static const enum conflict_action fates[] = {
		[CONFLICT_FAIL] = ACTION_FAIL,
		[CONFLICT_SKIP] = ACTION_SKIP,
		[CONFLICT_REPLACE] = ACTION_REPLACE,
		[CONFLICT_NEWER] = ACTION_SKIP,
		[CONFLICT_RENAME] = ACTION_RENAME,
		[CONFLICT_BACKUP] = ACTION_BACKUP,
	};
	static const mode_t kinds[] = { S_IFREG, S_IFLNK, S_IFIFO };
	const struct file_meta meta = { .mode = 0644, .mtime_s = 1000,
					.mtime_ns = 5 };
	const struct stat dir = stat_with(S_IFDIR, 0, 0);

	(void)state;
	for (unsigned w = CONFLICT_FAIL; w <= CONFLICT_BACKUP; w++) {
		for (size_t k = 0; k < 3; k++) {
			const struct stat st = stat_with(kinds[k], 1000, 5);

			assert_int_equal(conflict_decide(w, &st, &meta, -1, NULL),
					 fates[w]);
			assert_int_equal(conflict_cause(-1, NULL, &st, 0),
					 CAUSE_EXISTS);
		}
		assert_int_equal(conflict_decide(w, &dir, &meta, -1, NULL),
				 w == CONFLICT_RENAME ? ACTION_RENAME :
							ACTION_FAIL);
	}
	assert_int_equal(conflict_cause(-1, NULL, &dir, 0), CAUSE_IS_DIR);
}

struct time_case {
	int64_t s;
	uint32_t ns;
	int64_t there_s;
	long there_ns;
	int is_newer;
};

static void test_newer(void **state)
{
	static const struct time_case cases[] = {
		{ 1000, 5, 1000, 5, 0 },
		{ 1000, 6, 1000, 5, 1 },
		{ 1000, 4, 1000, 5, 0 },
		{ 1001, 0, 1000, 999999999, 1 },
		{ 999, 999999999, 1000, 0, 0 },
		{ -1, 0, -2, 999999999, 1 },
		{ -5, 0, 0, 0, 0 },
		{ 5000000000, 0, 4294967295, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct time_case *c = &cases[i];
		const struct file_meta meta = { .mode = 0644, .mtime_s = c->s,
					.mtime_ns = c->ns };
		const struct stat st =
			stat_with(S_IFREG, c->there_s, c->there_ns);

		assert_int_equal(conflict_decide(CONFLICT_NEWER, &st, &meta, -1,
						 NULL),
				 c->is_newer ? ACTION_REPLACE : ACTION_SKIP);
	}
}

/* ---- placing: links, whose content is their target ---- */

struct place {
	char path[256];
	int dir;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dir = scratch_make(p->path, sizeof(p->path), "existing");
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	int rc = scratch_remove(p->path);

	close(p->dir);
	free(p);
	return rc;
}

static void test_same_time(void **state)
{
	static const struct {
		uint64_t unit;
		int64_t s;
		uint32_t ns;
		int64_t there_s;
		long there_ns;
		int is_same;
	} cases[] = {
		{ 1, 10, 5, 10, 5, 1 },
		{ 1, 10, 500000000, 10, 0, 0 },
		{ 1000000000, 10, 999999999, 10, 0, 1 },
		{ 1000000000, 11, 0, 10, 0, 0 },
		{ 1000000000, 9, 1, 10, 0, 1 }, /* rounded up */
		{ 2000000000, 11, 999999999, 10, 0, 1 },
		{ 2000000000, 12, 0, 10, 0, 0 },
		{ 2000000000, -11, 5, -12, 0, 1 },
		/* not a time that such a file system can have */
		{ 1000000000, 10, 7, 10, 5, 0 },
		/* no time is kept: far ones are other ones all the same */
		{ UINT64_MAX, 10, 0, 11, 0, 1 },
		{ UINT64_MAX, 10, 0, 1000, 0, 0 },
		{ 2000000000, INT64_MAX, 0, -10, 0, 0 },
		{ 2000000000, INT64_MIN, 0, 10, 0, 0 },
		{ 2000000000, INT64_MAX, 0, INT64_MAX, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct file_meta meta = { .mode = 0644, .mtime_s = cases[i].s,
					.mtime_ns = cases[i].ns };
		const struct timespec there = { cases[i].there_s,
						cases[i].there_ns };
		const int equal = cases[i].s == cases[i].there_s &&
				  (long)cases[i].ns == cases[i].there_ns;
		struct fs_lacks lacks = { .time_unit = cases[i].unit };

		assert_int_equal(fs_lacks_same_time(&lacks, -1, &there, &meta),
				 cases[i].is_same);
		assert_int_equal(fs_lacks_same_time(NULL, -1, &there, &meta),
				 equal);
		assert_int_equal(fs_lacks_keeps_times(&lacks, -1),
				 cases[i].unit != UINT64_MAX);
	}
}

static void test_units_are_tried(void **state)
{
	const struct file_meta meta = { .mode = 0644, .mtime_s = 10,
					.mtime_ns = 100 };
	const struct timespec there = { 10, 0 };
	struct place *p = *state;
	struct fs_lacks lacks = { 0 };
	uint64_t unit = trial_time_unit(p->dir);

	assert_true(unit > 0 && unit <= 2000000000);
	assert_int_equal(fs_lacks_same_time(&lacks, p->dir, &there, &meta),
			 unit > 100);
	assert_int_equal(lacks.time_unit, unit);
	/* where nothing can be tried times are exact */
	assert_int_equal(trial_time_unit(-1), 1);
}

static const char *target_of(int dir, const char *name, char target[64])
{
	ssize_t n = readlinkat(dir, name, target, 63);

	target[n < 0 ? 0 : n] = '\0';
	return target;
}

static int is_same(const void *ctx, int dir, const char *name)
{
	char target[64];

	return strcmp(target_of(dir, name, target), ctx) == 0;
}

static void assert_target(const struct place *p, const char *name,
			  const char *want)
{
	char target[64];

	assert_string_equal(target_of(p->dir, name, target), want);
}

static struct place_result put(const struct place *p, enum conflict_policy existing,
			 const char *target, int64_t time)
{
	const struct file_meta meta = { .mode = 0777, .mtime_s = time,
					.mtime_ns = 0 };
	struct node node = { .target = target, .meta = &meta };
	const struct place_request a = {
		.what = { .node = &node },
		.dir_fd = p->dir,
		.leaf = "l.x",
		.meta = &meta,
		.is_same = is_same,
		.ctx = target,
	};
	struct place_result out;

	conflict_place(&a, existing, &out);
	return out;
}

static void test_place(void **state)
{
	static const struct {
		enum conflict_policy existing;
		int64_t time;
		enum file_status status;
		const char *final, *renamed, *backup;
	} cases[] = {
		{ CONFLICT_FAIL, 2000, STATUS_FAILED, "old", "", "" },
		{ CONFLICT_SKIP, 2000, STATUS_SKIPPED, "old", "", "" },
		{ CONFLICT_REPLACE, 1, STATUS_COMMITTED, "new", "", "" },
		{ CONFLICT_NEWER, 2000, STATUS_COMMITTED, "new", "", "" },
		{ CONFLICT_NEWER, 1000, STATUS_SKIPPED, "old", "", "" },
		{ CONFLICT_RENAME, 1, STATUS_COMMITTED, "old", "l (1).x", "" },
		{ CONFLICT_BACKUP, 1, STATUS_COMMITTED, "new", "", "old" },
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct place_result out =
			put(p, cases[i].existing, "old", 1000);

		assert_int_equal(out.status, STATUS_COMMITTED);
		assert_string_equal(out.renamed, "");
		out = put(p, cases[i].existing, "new", cases[i].time);
		assert_int_equal(out.status, cases[i].status);
		assert_int_equal(out.cause, out.status == STATUS_FAILED ?
						    CAUSE_EXISTS :
						    CAUSE_NONE);
		assert_target(p, "l.x", cases[i].final);
		assert_string_equal(out.renamed, cases[i].renamed);
		if (out.renamed[0])
			assert_target(p, out.renamed, "new");
		assert_target(p, "l.x~", cases[i].backup);
		unlinkat(p->dir, "l.x", 0);
		unlinkat(p->dir, "l (1).x", 0);
		unlinkat(p->dir, "l.x~", 0);
	}
}

static void test_same(void **state)
{
	static const enum conflict_policy words[] = { CONFLICT_FAIL, CONFLICT_SKIP,
					       CONFLICT_NEWER, CONFLICT_RENAME,
					       CONFLICT_BACKUP };
	struct place *p = *state;

	assert_int_equal(put(p, CONFLICT_FAIL, "one", 1000).status,
			 STATUS_COMMITTED);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct place_result out = put(p, words[i], "one", 2000);

		assert_int_equal(out.status, STATUS_UNCHANGED);
		assert_int_equal(out.cause, CAUSE_NONE);
		assert_string_equal(out.renamed, "");
	}
	assert_target(p, "l.x~", "");
	assert_target(p, "l (1).x", "");
}

/* What comes again with CONFLICT_RENAME, as after a lost verdict. */
static void test_rename_again(void **state)
{
	struct place *p = *state;
	struct place_result out;

	put(p, CONFLICT_RENAME, "zero", 1000);
	out = put(p, CONFLICT_RENAME, "one", 1000);
	assert_string_equal(out.renamed, "l (1).x");
	out = put(p, CONFLICT_RENAME, "two", 1000);
	assert_string_equal(out.renamed, "l (2).x");
	out = put(p, CONFLICT_RENAME, "two", 1000);
	assert_int_equal(out.status, STATUS_UNCHANGED);
	assert_string_equal(out.renamed, "l (2).x");
	assert_target(p, "l (3).x", "");
	/* of another time it is not looked for */
	out = put(p, CONFLICT_RENAME, "one", 3000);
	assert_int_equal(out.status, STATUS_COMMITTED);
	assert_string_equal(out.renamed, "l (3).x");
}

static void test_directory(void **state)
{
	struct place *p = *state;
	struct place_result out;

	assert_int_equal(mkdirat(p->dir, "l.x", 0755), 0);
	for (unsigned w = CONFLICT_FAIL; w <= CONFLICT_BACKUP; w++) {
		out = put(p, w, "new", INT32_MAX);
		if (w == CONFLICT_RENAME) {
			assert_int_equal(out.status, STATUS_COMMITTED);
			assert_target(p, "l (1).x", "new");
		} else {
			assert_int_equal(out.status, STATUS_FAILED);
			assert_int_equal(out.cause, CAUSE_IS_DIR);
		}
	}
	assert_int_equal(unlinkat(p->dir, "l.x", AT_REMOVEDIR), 0);
}

static void test_renames_run_out(void **state)
{
	struct place *p = *state;
	char name[NAME_COMPONENT_MAX + 1];
	struct place_result out;

	put(p, CONFLICT_FAIL, "old", 1000);
	for (unsigned n = 1; n < PLACE_TRIES; n++) {
		place_name(name, "l.x", n);
		assert_int_equal(symlinkat("x", p->dir, name), 0);
	}
	out = put(p, CONFLICT_RENAME, "new", 1000);
	assert_int_equal(out.status, STATUS_FAILED);
	assert_int_equal(out.cause, CAUSE_EXISTS);
	assert_string_equal(out.renamed, "");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decide),
		cmocka_unit_test(test_newer),
		cmocka_unit_test(test_same_time),
		TEST(test_units_are_tried),
		TEST(test_place),
		TEST(test_same),
		TEST(test_rename_again),
		TEST(test_directory),
		TEST(test_renames_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
