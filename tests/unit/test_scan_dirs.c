/*
 * Directories by their names alone: the same directories as those of the scan,
 * and the names in them.
 */
#include "fs/scan_dirs.h"

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

#include "../lib/scratch.h"
#include "fs/filter.h"
#include "fs/scan.h"

struct place {
	char path[64];
	char *before; /* the working directory of the program */
	int dir;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dir = scratch_make(p->path, sizeof(p->path), "scan-dirs");
	p->before = getcwd(NULL, 0);
	assert_int_equal(chdir(p->path), 0);
	assert_int_equal(system(
		"mkdir -p t/a/b t/skip/in u/a/b v && touch t/f t/a/g t/a/b/h "
		"t/x.o t/skip/in/y u/a/b/k u/l file && ln -s a t/link && "
		"mkfifo t/fifo && ln -s ../v t/out"), 0);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	assert_int_equal(chdir(p->before), 0);
	free(p->before);
	close(p->dir);
	scratch_remove(p->path);
	free(p);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What was found: texts, sorted and put together. */
struct found {
	char *item[64];
	size_t count;
	char text[4096];
};

static void add(struct found *f, const char *text)
{
	assert_true(f->count < 64);
	f->item[f->count++] = strdup(text);
}

static const char *joined(struct found *f)
{
	size_t used = 0;

	qsort(f->item, f->count, sizeof(f->item[0]), by_text);
	f->text[0] = '\0';
	for (size_t i = 0; i < f->count; i++) {
		used += (size_t)snprintf(f->text + used, sizeof(f->text) - used,
					 "%s%s", i > 0 ? " " : "", f->item[i]);
		free(f->item[i]);
	}
	f->count = 0;
	return f->text;
}

static int on_dir(void *ctx, const struct scan_dir *d, struct err *e)
{
	char text[300];

	(void)e;
	assert_int_equal(strlen(d->name), d->name_len);
	assert_true(S_ISDIR(d->st.st_mode));
	if (d->names.count == UINT64_MAX)
		snprintf(text, sizeof(text), "[%s]?", d->name);
	else
		snprintf(text, sizeof(text), "[%s]%d", d->name,
			 (int)d->names.count);
	add(ctx, text);
	return 0;
}

static int on_name(void *ctx, const char *name, int is_dir, int is_left_out)
{
	char text[300];

	snprintf(text, sizeof(text), "%s%s%s", name, is_dir ? "/" : "",
		 is_left_out ? "-" : "");
	add(ctx, text);
	return 0;
}

static const char *dirs_of(const struct scan *s, struct found *f)
{
	struct err e;

	assert_int_equal(scan_dirs(s, on_dir, f, &e), 0);
	return joined(f);
}

static const char *names_of(const struct scan *s, const char *path,
			    struct found *f)
{
	struct err e;

	assert_int_equal(scan_dirs_names(s, path, strlen(path), on_name, f,
					 &e), 0);
	return joined(f);
}

static struct scan *scan_of(enum scan_symlinks symlinks, const char *path)
{
	struct scan *s = scan_new(symlinks);
	struct err e;

	assert_non_null(s);
	assert_int_equal(scan_add(s, path, &e), 0);
	return s;
}

static void a_named_directory(void **state)
{
	struct scan *s = scan_of(SCAN_KEEP, "t");
	struct found f = { .count = 0 };

	(void)state;
	assert_string_equal(dirs_of(s, &f),
			    "[t/a/b]1 [t/a]2 [t/skip/in]1 [t/skip]1 [t]7");
	assert_string_equal(names_of(s, "", &f), "t/");
	assert_string_equal(names_of(s, "t", &f),
			    "a/ f fifo link out skip/ x.o");
	assert_string_equal(names_of(s, "t/a", &f), "b/ g");
	/* not there, or no directory */
	assert_string_equal(names_of(s, "t/none", &f), "");
	assert_string_equal(names_of(s, "t/f", &f), "");
	assert_string_equal(names_of(s, "t/link", &f), "");
	assert_string_equal(names_of(s, "ta", &f), "");
	assert_string_equal(names_of(s, "other/a", &f), "");
	assert_true(scan_dirs_is_root(s, "t", 1));
	assert_true(scan_dirs_is_root(s, "", 0));
	assert_false(scan_dirs_is_root(s, "t/a", 3));
	assert_int_equal(scan_dirs_count(s), 1);
	scan_free(s);
}

static void what_is_left_out(void **state)
{
	struct scan *s = scan_of(SCAN_SKIP, "t");
	struct filter *filter = filter_new();
	struct found f = { .count = 0 };

	(void)state;
	assert_int_equal(filter_add(filter, 1, "*.o"), 0);
	assert_int_equal(filter_add(filter, 1, "skip/"), 0);
	scan_set_filter(s, filter);
	scan_skip_special(s);
	assert_string_equal(dirs_of(s, &f), "[t/a/b]1 [t/a]2 [t]2");
	assert_string_equal(names_of(s, "t", &f),
			    "a/ f fifo- link- out- skip/- x.o-");
	/* also what is not here, and what lies below it */
	assert_true(scan_dirs_excludes(s, "t/a/y.o", 7, 4, 0));
	assert_true(scan_dirs_excludes(s, "t/a/skip/z", 10, 4, 0));
	assert_true(scan_dirs_excludes(s, "t/a/skip", 8, 4, 1));
	assert_false(scan_dirs_excludes(s, "t/a/skip", 8, 4, 0));
	assert_false(scan_dirs_excludes(s, "t/skip/z", 8, 7, 0));
	assert_false(scan_dirs_excludes(s, "t/a/y", 5, 4, 0));
	filter_free(filter);
	scan_free(s);
}

static void symlinks_that_are_followed(void **state)
{
	struct scan *s = scan_of(SCAN_FOLLOW, "t");
	struct found f = { .count = 0 };

	(void)state;
	assert_string_equal(dirs_of(s, &f),
			    "[t/a/b]1 [t/a]2 [t/link/b]1 [t/link]2 [t/out]0 "
			    "[t/skip/in]1 [t/skip]1 [t]7");
	assert_string_equal(names_of(s, "t", &f),
			    "a/ f fifo link/ out/ skip/ x.o");
	assert_string_equal(names_of(s, "t/link/b", &f), "h");
	scan_free(s);
}

static void contents_of_several(void **state)
{
	struct scan *s = scan_of(SCAN_KEEP, "t/.");
	struct found f = { .count = 0 };
	struct err e;

	(void)state;
	assert_string_equal(dirs_of(s, &f), "[]7 [a/b]1 [a]2 [skip/in]1 "
					    "[skip]1");
	assert_int_equal(scan_add(s, "u/.", &e), 0);
	assert_int_equal(scan_add(s, "file", &e), 0);
	assert_int_equal(scan_add(s, "v", &e), 0);
	assert_string_equal(dirs_of(s, &f),
			    "[]? []? [a/b]? [a/b]? [a]? [a]? [skip/in]? "
			    "[skip]? [v]?");
	assert_string_equal(names_of(s, "", &f), "a/ a/ f fifo file l link out "
						 "skip/ v/ x.o");
	assert_string_equal(names_of(s, "a", &f), "b/ b/ g");
	assert_string_equal(names_of(s, "a/b", &f), "h k");
	assert_int_equal(scan_dirs_count(s), 3);
	scan_free(s);
}

static void a_directory_that_cannot_be_read(void **state)
{
	struct scan *s = scan_of(SCAN_KEEP, "t");
	struct found f = { .count = 0 };
	struct err e;

	(void)state;
	if (geteuid() == 0) {
		scan_free(s);
		return; /* root reads all */
	}
	assert_int_equal(chmod("t/a", 0), 0);
	assert_string_equal(dirs_of(s, &f), "[t/skip/in]1 [t/skip]1 [t]7");
	assert_int_equal(scan_dirs_names(s, "t/a", 3, on_name, &f, &e),
			 ERR_LOCAL);
	assert_int_equal(chmod("t/a", 0700), 0);
	scan_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_named_directory, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_left_out, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(symlinks_that_are_followed,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(contents_of_several, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_read,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
