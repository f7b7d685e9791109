/*
 * Patterns: what each part of the language matches, which rule decides, and
 * the matcher against a plain one that tries everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"
#include "fs/filter.h"

static int excludes(const char *pattern, const char *path, int is_dir)
{
	struct filter *f = filter_new();
	int rc;

	assert_non_null(f);
	assert_int_equal(filter_add(f, 1, pattern), 0);
	rc = filter_excludes(f, path, is_dir);
	filter_free(f);
	return rc;
}

struct vector {
	const char *pattern;
	const char *path;
	int is_dir;
	int matches;
};

static const struct vector vectors[] = {
	/* no slash: the last component, at any depth */
	{ "a", "a", 0, 1 },
	{ "a", "x/a", 0, 1 },
	{ "a", "a/x", 0, 0 },
	{ "a", "ab", 0, 0 },
	{ "a", "A", 0, 0 },
	{ "*.o", "x.o", 0, 1 },
	{ "*.o", "d/e/x.o", 0, 1 },
	{ "*.o", ".o", 0, 1 },
	{ "*.o", "x.o/y", 0, 0 },
	{ "**", "any/thing", 0, 1 },
	{ "*", "any/thing", 0, 1 },
	/* a slash in front: the whole path */
	{ "/a", "a", 0, 1 },
	{ "/a", "x/a", 0, 0 },
	{ "/a/b", "a/b", 0, 1 },
	{ "/a/*", "a/b", 0, 1 },
	{ "/a/*", "a/b/c", 0, 0 },
	{ "/a/**", "a/b/c", 0, 1 },
	{ "/a/**", "a", 1, 0 },
	{ "/*", "a/b", 0, 0 },
	{ "//a", "a", 0, 1 },
	/* a slash inside: the end, from the beginning of a component on */
	{ "a/b", "a/b", 0, 1 },
	{ "a/b", "x/a/b", 0, 1 },
	{ "a/b", "x/y/a/b", 0, 1 },
	{ "a/b", "xa/b", 0, 0 },
	{ "a/b", "a/b/c", 0, 0 },
	{ "a/*/c", "x/a/b/c", 0, 1 },
	{ "a/**/c", "a/b/b/c", 0, 1 },
	{ "a/**/c", "a/c", 0, 0 },
	{ "a/**c", "a/c", 0, 1 },
	{ "**/c", "a/b/c", 0, 1 },
	{ "**/c", "c", 0, 0 },
	/* a trailing slash: directories */
	{ "a/", "a", 1, 1 },
	{ "a/", "a", 0, 0 },
	{ "a/", "x/a", 1, 1 },
	{ "/a/", "x/a", 1, 0 },
	{ "a/b//", "x/a/b", 1, 1 },
	{ "a", "a", 1, 1 },
	/* one byte */
	{ "?", "x", 0, 1 },
	{ "?", "xy", 0, 0 },
	{ "/a?b", "a/b", 0, 0 },
	{ "\xff?", "\xff\xfe", 0, 1 },
	{ "[ab]", "b", 0, 1 },
	{ "[ab]", "c", 0, 0 },
	{ "[a-c]x", "bx", 0, 1 },
	{ "[a-c]x", "dx", 0, 0 },
	{ "[!a-c]", "d", 0, 1 },
	{ "[^a-c]", "b", 0, 0 },
	{ "[]]", "]", 0, 1 },
	{ "[!]]", "]", 0, 0 },
	{ "[]a]", "a", 0, 1 },
	{ "[a-]", "-", 0, 1 },
	{ "[-a]", "-", 0, 1 },
	{ "[a\\]]", "]", 0, 1 },
	{ "[\\a-c]", "b", 0, 1 },
	{ "[\x80-\xff]", "\xc3", 0, 1 },
	{ "[\x80-\xff]", "c", 0, 0 },
	{ "[z-a]", "m", 0, 0 },
	{ "/a[!x]b", "a/b", 0, 0 },
	{ "/a[.-0]b", "a/b", 0, 0 },
	/* a backslash */
	{ "\\*", "*", 0, 1 },
	{ "\\*", "x", 0, 0 },
	{ "\\\\", "\\", 0, 1 },
	{ "a\\b", "ab", 0, 1 },
	/* stars that have to be given up again */
	{ "*ab", "aab", 0, 1 },
	{ "*a*b*c", "xaxxbbxc", 0, 1 },
	{ "*a*b*c", "xaxxbbx", 0, 0 },
	{ "/**a*b/c", "x/ab/x/aab/c", 0, 1 },
	{ "/a**b*c", "a/b/x/bc", 0, 1 },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];

		if (excludes(v->pattern, v->path, v->is_dir) == v->matches)
			continue;
		fail_msg("'%s' and '%s' (%s): not %d", v->pattern, v->path,
			 v->is_dir ? "a directory" : "a file", v->matches);
	}
}

static void test_malformed(void **state)
{
	static const char *const bad[] = { "",	  "/",	  "//", "[",  "[]",
					   "[a",  "a[", "[!]", "\\", "a\\",
					   "[\\", "[a\\", "[\\]", "a\\/" };
	struct filter *f = filter_new();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(filter_add(f, 1, bad[i]), ERR_USAGE);
	assert_int_equal(filter_excludes(f, "a", 0), 0);
	filter_free(f);
	filter_free(NULL);
}

static void test_first_match_decides(void **state)
{
	struct filter *f = filter_new();

	(void)state;
	assert_int_equal(filter_add(f, 0, "keep.o"), 0);
	assert_int_equal(filter_add(f, 1, "*.o"), 0);
	assert_int_equal(filter_add(f, 0, "*.o"), 0);
	assert_int_equal(filter_add(f, 0, "*/"), 0);
	for (int i = 0; i < 20; i++) /* more than the first reservation */
		assert_int_equal(filter_add(f, 1, "/x"), 0);
	assert_int_equal(filter_excludes(f, "a/keep.o", 0), 0);
	assert_int_equal(filter_excludes(f, "a/b.o", 0), 1);
	assert_int_equal(filter_excludes(f, "a", 1), 0);
	assert_int_equal(filter_excludes(f, "a.c", 0), 0);
	assert_int_equal(filter_excludes(f, "x", 0), 1);
	assert_int_equal(filter_excludes(f, "x", 1), 0);
	filter_free(f);
}

/* The definition, written down: exponential, and in no way clever. */
static int plain_match(const char *p, const char *s)
{
	if (p[0] == '*' && p[1] == '*')
		return plain_match(p + 2, s) || (*s && plain_match(p, s + 1));
	if (p[0] == '*')
		return plain_match(p + 1, s) ||
		       (*s && *s != '/' && plain_match(p, s + 1));
	if (!*p || !*s)
		return !*p && !*s;
	return (*p == *s || (*p == '?' && *s != '/')) &&
	       plain_match(p + 1, s + 1);
}

static void random_text(char *to, size_t max, const char *from)
{
	size_t n = 1 + (size_t)rand() % max;

	for (size_t i = 0; i < n; i++)
		to[i] = from[(size_t)rand() % strlen(from)];
	to[n] = '\0';
}

static void test_against_plain_matcher(void **state)
{
	unsigned seed = (unsigned)time(NULL), matched = 0;

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int i = 0; i < 200000; i++) {
		char pattern[16] = "/", path[16];
		size_t len;

		/* slashes at the ends have another meaning */
		random_text(pattern + 1, 8, "ab/?**");
		len = strlen(pattern);
		if (pattern[1] == '/' || pattern[len - 1] == '/')
			continue;
		random_text(path, 10, "aab/");
		matched += (unsigned)plain_match(pattern + 1, path);
		if (excludes(pattern, path, 0) != plain_match(pattern + 1, path))
			fail_msg("'%s' and '%s', seed %u", pattern, path, seed);
	}
	assert_true(matched > 1000);
}

static void test_no_blow_up(void **state)
{
	char pattern[400] = "/", path[4000];
	clock_t begin = clock();

	(void)state;
	for (int i = 0; i < 60; i++)
		strcat(pattern, "a*a**");
	strcat(pattern, "b");
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(excludes(pattern, path, 0), 0);
	assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_first_match_decides),
		cmocka_unit_test(test_against_plain_matcher),
		cmocka_unit_test(test_no_blow_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
