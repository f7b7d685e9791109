/*
 * Who could have another program run in place of that of --exec; and which
 * names a receiver has asked for.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/scratch.h"

#include "base/err.h"
#include "receiver/asked.h"
#include "receiver/exec_check.h"

enum { NOBODY = 65534 };

struct lab {
	char path[128], program[160];
	int dir;
};

static int set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	lab->dir = scratch_make(lab->path, sizeof(lab->path), "exec");
	put_file(lab->dir, "program", "#!/bin/sh\n");
	snprintf(lab->program, sizeof(lab->program), "%s/program", lab->path);
	*state = lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;
	const int rc = scratch_remove(lab->path);

	close(lab->dir);
	free(lab);
	return rc;
}

/* Without that nothing can be said of what lies in it: the temporary directory
 * and those above it are safe. */
static void need_safe_directories(const struct lab *lab)
{
	char path[sizeof(lab->path)];
	struct stat st;
	char *slash;

	memcpy(path, lab->path, sizeof(path));
	while ((slash = strrchr(path, '/')) && slash != path) {
		*slash = '\0';
		assert_int_equal(stat(path, &st), 0);
		if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
		    (st.st_mode & 022 && !(st.st_mode & S_ISVTX)))
			skip();
	}
}

static int check(const struct lab *lab, struct err *e)
{
	err_clear(e);
	return exec_check_program(lab->program, e);
}

static void check_refused(const struct lab *lab, const char *text)
{
	struct err e;

	assert_int_equal(check(lab, &e), ERR_USAGE);
	if (!strstr(e.text, text))
		fail_msg("no '%s' in: %s", text, e.text);
}

static void set_mode(const struct lab *lab, const char *name, mode_t mode)
{
	assert_int_equal(fchmodat(lab->dir, name, mode, 0), 0);
}

static void what_others_can_write_to_is_refused(void **state)
{
	struct lab *lab = *state;
	char text[200];
	struct err e;

	set_mode(lab, "program", 0755);
	need_safe_directories(lab);
	assert_int_equal(check(lab, &e), 0);
	set_mode(lab, "program", 0757);
	snprintf(text, sizeof(text), "chmod go-w %s", lab->program);
	check_refused(lab, text);
	check_refused(lab, "(mode 0757)");
	set_mode(lab, "program", 0755);
	set_mode(lab, ".", 0707);
	check_refused(lab, "(mode 0707)");
	/* there, nobody can rename what is another user's */
	set_mode(lab, ".", 01777);
	assert_int_equal(check(lab, &e), 0);
	set_mode(lab, ".", 0700);
	assert_int_equal(unlinkat(lab->dir, "program", 0), 0);
	assert_int_equal(check(lab, &e), ERR_LOCAL);
}

/* Neither an ordinary user nor root of a user namespace that has no other ids
 * can give files away. */
static void give(const struct lab *lab, uid_t user, gid_t group)
{
	if (fchownat(lab->dir, "program", user, group, 0) == 0)
		return;
	assert_true(errno == EPERM || errno == EINVAL);
	skip();
}

/* A group with the number of the user has no other member. */
static void a_group_that_can_write(void **state)
{
	struct lab *lab = *state;
	struct err e;

	need_safe_directories(lab);
	give(lab, 0, 0);
	set_mode(lab, "program", 0775);
	assert_int_equal(check(lab, &e), 0);
	give(lab, 0, 1);
	set_mode(lab, "program", 0775);
	check_refused(lab, "(mode 0775)");
}

static void what_belongs_to_another_user(void **state)
{
	struct lab *lab = *state;
	struct err e;

	need_safe_directories(lab);
	give(lab, NOBODY, 0);
	check_refused(lab, "belongs to another user (uid 65534)");
	assert_int_equal(fchownat(lab->dir, "program", 0, 0, 0), 0);
	assert_int_equal(fchown(lab->dir, NOBODY, 0), 0);
	check_refused(lab, "belongs to another user (uid 65534)");
	assert_int_equal(fchown(lab->dir, 0, 0), 0);
	assert_int_equal(check(lab, &e), 0);
}

static void what_lies_below_a_directory(void **state)
{
	static const struct {
		const char *path, *dir;
		int is_below;
	} rows[] = {
		{ "/a/b", "/a", 1 },   { "/a/b/c", "/a", 1 }, { "/a", "/a", 0 },
		{ "/ab", "/a", 0 },    { "/b", "/a", 0 },     { "/a", "/a/b", 0 },
		{ "/a", "/", 1 },      { "/a/b", "/a/", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(exec_check_is_below(rows[i].path, rows[i].dir),
				 rows[i].is_below);
}

static void check_path(const struct lab *lab, const char *list,
		       const char *wanted)
{
	char *got = exec_check_search_path(list, lab->path);

	assert_non_null(got);
	assert_string_equal(got, wanted);
	free(got);
}

/* Neither by its name nor by a symlink may a program be looked up where senders
 * put files. */
static void a_search_path_leaves_out_where_senders_write(void **state)
{
	static const char usual[] = "/usr/local/bin:/usr/bin:/bin";
	struct lab *lab = *state;
	char list[800], wanted[400];

	assert_int_equal(mkdirat(lab->dir, "bin", 0755), 0);
	assert_int_equal(symlinkat(".", lab->dir, "link"), 0);
	check_path(lab, "/usr/bin:/bin", "/usr/bin:/bin");
	check_path(lab, ".:/usr/bin::bin:/bin:", "/usr/bin:/bin");
	check_path(lab, "", usual);
	check_path(lab, ".:bin", usual);
	check_path(lab, lab->path, usual);
	snprintf(list, sizeof(list), "%s:%s/bin:%s/link/bin:%s/not-yet:%sx:/bin",
		 lab->path, lab->path, lab->path, lab->path, lab->path);
	snprintf(wanted, sizeof(wanted), "%sx:/bin", lab->path);
	check_path(lab, list, wanted);
}

static void names_that_were_asked_for(void **state)
{
	char photos[] = "photos", note[] = "a";
	char *const names[] = { photos, note };
	const struct asked some = { .names = names, .count = 2 };
	const struct asked none = { .count = 0 };
	const struct asked any = { .any = 1 };
	static const struct {
		const char *path;
		int is_asked;
	} rows[] = {
		{ "photos", 1 }, { "photos/x/y", 1 }, { "a", 1 },
		{ "photo", 0 },  { "photos2", 0 },    { "photos2/a", 0 },
		{ "x/photos", 0 }, { "ab", 0 },       { "A", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *path = rows[i].path;
		const size_t n = strlen(path);

		assert_int_equal(asked_has(&some, path, n), rows[i].is_asked);
		assert_false(asked_has(&none, path, n));
		assert_true(asked_has(&any, path, n));
		assert_true(asked_has(NULL, path, n));
	}
	/* not terminated: what follows is not looked at */
	assert_true(asked_has(&some, "photos2", 6));
	assert_false(asked_has(&some, "photos", 5));
	assert_true(asked_has(&some, "ab/c", 1));
}

#define lab_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		lab_test(what_others_can_write_to_is_refused),
		lab_test(a_group_that_can_write),
		lab_test(what_belongs_to_another_user),
		cmocka_unit_test(what_lies_below_a_directory),
		lab_test(a_search_path_leaves_out_where_senders_write),
		cmocka_unit_test(names_that_were_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
