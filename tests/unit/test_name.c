/*
 * Names from a peer: what is accepted, what is refused, and the boundaries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/name.h"

#define OWN ".ferry-0123456789abcdef"

struct bytes {
	const char *p;
	size_t n;
};

#define B(literal)                                                             \
	{                                                                      \
		literal, sizeof(literal) - 1                                   \
	}

static const struct bytes accepted[] = {
	B("a"),
	B("photos/a/b.jpg"),
	B("..."),
	B(".a"),
	B("..a"),
	B("a.."),
	B("a/.../b"),
	B(". "),
	B(" ."),
	B(".\x01."),
	B("..\\"),
	B("..\\x"),
	B("%2e%2e/x"),
	B("%2e%2e%2fx"),
	B("\xc0\xae\xc0\xae/x"),
	B("\xef\xbc\x8e\xef\xbc\x8e/x"),
	B("\xff\xfe\x80"),
	B("line\nbreak"),
	B("\x1b[31mred\x1b[0m"),
	B("\x9b"
	  "31m"),
	B("-rf"),
	B("--"),
	B(" "),
	B(" a / b "),
	B("~"),
	B("C:\\x"),
	B("\xe2\x80\xae"
	  "gpj.exe"),
	/* nearly our own names */
	B(".ferry"),
	B(".ferry-"),
	B(".ferry-0123456789abcdef"),
	B(".ferry-0123456789abcdef.par"),
	B(".ferry-0123456789abcdef.partx"),
	B(".ferry-0123456789abcdef.parts"),
	B(".ferry-0123456789abcdef.lock"),
	B(".ferry-0123456789abcdef.journa"),
	B(".ferry-0123456789abcdef.journal2"),
	B(".ferry-0123456789abcde.part"),
	B(".ferry-0123456789abcdef0.part"),
	B(".ferry-0123456789abcdeg.part"),
	B(".ferry-0123456789abcde/.part"),
	B("ferry-0123456789abcdef.part"),
	B("x.ferry-0123456789abcdef.part"),
	B(".ferry_0123456789abcdef.part"),
	B(".ferry-0123456789abcdef.part.x"),
	B(".FERRY-0123456789ABCDEF.PARTS"),
	B(".ferry-0123456789abcdef .part"),
	B(".ferry-0123456789abcdef.p\xc3\xa4rt"),
	B(".ferry-0123456789abcd\xef\xac\x81.part"),
	B(".ferry-0123456789abcdef.part\xc2"),
	B(".ferry-0123456789abcdef.part\xe2\x80"),
	B(".ferry-0123456789abcdef.part\xe6\x97\xa5"),
	B("\xe6\x97\xa5\xe6\x9c\xac.part"),
	B("\xe2\x80\x8b"),
	B("\xef\xbb\xbf"),
	B("... "),
};

static const struct bytes refused[] = {
	B(""),
	B("."),
	B(".."),
	B("/"),
	B("//"),
	B("/abs"),
	B("../x"),
	B("a/.."),
	B("a/../b"),
	B("a/../../x"),
	B("./x"),
	B("a/."),
	B("a/./b"),
	B("a/"),
	B("a//b"),
	B("a//"),
	B("//a"),
	B("a\0b"),
	B("\0"),
	B("a\0"),
	B("\0/a"),
	B("a/b\0/../c"),
	B(OWN ".part"),
	B(OWN ".journal"),
	B(OWN ".new"),
	B(".ferry-0000000000000000.part"),
	B(".ferry-ffffffffffffffff.journal"),
	B("a/" OWN ".part"),
	B(OWN ".part/a"),
	B("a/" OWN ".journal/b"),
	/* other spellings of them: case */
	B(".FERRY-0123456789ABCDEF.PART"),
	B(".Ferry-0123456789abcdef.part"),
	B(".ferry-0123456789ABCDEF.part"),
	B("a/" OWN ".Journal/b"),
	B(OWN ".NEW"),
	/* dots and spaces at the end */
	B(OWN ".part."),
	B(OWN ".new. ."),
	B(OWN ".new.................................................."),
	/* soft hyphen, no-joiner, byte order mark, a tag of plane 14 */
	B(".ferry\xc2\xad-0123456789abcdef.part"),
	B("\xe2\x80\x8c" OWN ".part"),
	B(OWN ".part\xef\xbb\xbf"),
	B(OWN "\xf3\xa0\x80\xa0.journal"),
	/* fullwidth F, the ligature of two f */
	B(".\xef\xbc\xa6" "erry-0123456789abcdef.part"),
	B(".ferry-0123456789abcd\xef\xac\x80.part"),
};

static void test_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		const char *why = name_check(accepted[i].p, accepted[i].n);

		if (why)
			fail_msg("%s: %s", accepted[i].p, why);
	}
}

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (!name_check(refused[i].p, refused[i].n))
			fail_msg("row %zu was accepted: %s", i, refused[i].p);
	}
}

/* Exactly n bytes of c on the heap, so that a read beyond is seen. */
static char *fill(size_t n, char c)
{
	char *p = malloc(n ? n : 1);

	assert_non_null(p);
	memset(p, c, n);
	return p;
}

static int is_ok_component(size_t n, size_t before)
{
	char *p = fill(before + n, 'x');
	const char *why;

	if (before)
		p[before - 1] = '/';
	why = name_check(p, before + n);
	free(p);
	return why == NULL;
}

static void test_component_length(void **state)
{
	(void)state;
	for (size_t before = 0; before <= 4; before += 4) {
		assert_true(is_ok_component(1, before));
		assert_true(is_ok_component(254, before));
		assert_true(is_ok_component(255, before));
		assert_false(is_ok_component(256, before));
		assert_false(is_ok_component(257, before));
	}
}

/* A path of n bytes in components of at most 200. */
static int is_ok_path(size_t n)
{
	char *p = fill(n, 'y');
	const char *why;

	for (size_t i = 200; i + 1 < n; i += 201)
		p[i] = '/';
	why = name_check(p, n);
	free(p);
	return why == NULL;
}

static void test_path_length(void **state)
{
	(void)state;
	assert_true(is_ok_path(1));
	assert_true(is_ok_path(4094));
	assert_true(is_ok_path(4095));
	assert_false(is_ok_path(4096));
	assert_false(is_ok_path(4097));
	assert_false(is_ok_path(100000));
}

static int is_ok_depth(size_t depth)
{
	char *p = fill(depth * 2 - 1, 'd');
	const char *why;

	for (size_t i = 1; i + 1 < depth * 2; i += 2)
		p[i] = '/';
	why = name_check(p, depth * 2 - 1);
	free(p);
	return why == NULL;
}

static void test_depth(void **state)
{
	(void)state;
	assert_true(is_ok_depth(1));
	assert_true(is_ok_depth(127));
	assert_true(is_ok_depth(128));
	assert_false(is_ok_depth(129));
	assert_false(is_ok_depth(300));
}

/* Only the len bytes count, whatever follows them. */
static void test_not_terminated(void **state)
{
	(void)state;
	assert_null(name_check("a/..", 1));
	assert_non_null(name_check("a/..", 2));
	assert_non_null(name_check("a/..", 3));
	assert_null(name_check("..x", 3));
	assert_non_null(name_check("..x", 2));
}

static void test_own(void **state)
{
	(void)state;
	assert_true(name_is_own(OWN ".part", 28));
	assert_true(name_is_own(OWN ".journal", 31));
	assert_false(name_is_own(OWN ".part", 27));
	assert_false(name_is_own(OWN ".journal", 30));
	assert_false(name_is_own(OWN, 23));
	assert_false(name_is_own("", 0));
	assert_false(name_is_own(OWN "g.part", 29));
	/* one bad digit in each place */
	for (size_t i = 7; i < 23; i++) {
		char name[] = OWN ".part";

		name[i] = '/'; /* just below '0' */
		assert_false(name_is_own(name, 28));
		name[i] = ':';
		assert_false(name_is_own(name, 28));
		name[i] = '`';
		assert_false(name_is_own(name, 28));
		name[i] = 'g';
		assert_false(name_is_own(name, 28));
		name[i] = 'A';
		assert_false(name_is_own(name, 28));
	}
}

struct link_case {
	const char *path;
	size_t prefix;
	const char *target;
	int ok;
};

static const struct link_case links[] = {
	{ "l", 0, "a", 1 },
	{ "l", 0, "a/b/c", 1 },
	{ "l", 0, ".", 1 },
	{ "l", 0, "./a", 1 },
	{ "l", 0, "a/", 1 },
	{ "l", 0, "a//b/./c", 1 },
	{ "l", 0, "...", 1 },
	{ "l", 0, "..a", 1 },
	{ "l", 0, "-x \n\x1b", 1 },
	{ "l", 0, "..", 0 },
	{ "l", 0, "../a", 0 },
	{ "l", 0, "./../a", 0 },
	{ "l", 0, "/", 0 },
	{ "l", 0, "/a", 0 },
	{ "l", 0, "//a", 0 },
	{ "l", 0, "", 0 },
	{ "d/l", 0, "..", 1 }, /* exactly to the top */
	{ "d/l", 0, "../", 1 },
	{ "d/l", 0, ".././/x", 1 },
	{ "d/l", 0, "../..", 0 },
	{ "d/l", 0, "..//..", 0 },
	{ "d/l", 0, "../../d/x", 0 },
	{ "a/b/c/l", 0, "../../..", 1 },
	{ "a/b/c/l", 0, "../../../x/y", 1 },
	{ "a/b/c/l", 0, "../../../..", 0 },
	{ "photos/l", 1, "a", 1 },
	{ "photos/l", 1, ".", 1 },
	{ "photos/l", 1, "..", 0 }, /* the prefix is the top */
	{ "photos/l", 1, "../photos/a", 0 },
	{ "photos/a/l", 1, "..", 1 },
	{ "photos/a/l", 1, "../b/c", 1 },
	{ "photos/a/l", 1, "../..", 0 },
	{ "photos/a/l", 1, "../../photos", 0 },
	{ "photos", 1, "a", 0 }, /* no tree for it to be in */
	{ "photos/l", 2, "a", 0 },
	/* inside by its text alone: with "a -> ." these lead out */
	{ "l", 0, "a/..", 0 },
	{ "l", 0, "a/../b", 0 },
	{ "d/l", 0, "a/..", 0 },
	{ "photos/a/b/l", 1, "../c/../d", 0 },
	{ "l", 0, "a/b/..", 0 },
	{ "d/l", 0, "../a/../b", 0 },
};

static void test_links(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		const struct link_case *c = &links[i];
		const char *why;

		assert_null(name_check(c->path, strlen(c->path)));
		why = name_check_symlink(c->path, strlen(c->path), c->prefix,
					 c->target, strlen(c->target));
		if ((why == NULL) != c->ok)
			fail_msg("%s -> %s (%zu): %s", c->path, c->target,
				 c->prefix, why ? why : "accepted");
	}
}

static void test_link_bytes(void **state)
{
	char *p;

	(void)state;
	assert_non_null(name_check_symlink("l", 1, 0, "a\0b", 3));
	assert_non_null(name_check_symlink("l", 1, 0, "a\0", 2));
	assert_null(name_check_symlink("l", 1, 0, "a\0b", 1));
	p = fill(4096, 't');
	assert_null(name_check_symlink("l", 1, 0, p, 4094));
	assert_null(name_check_symlink("l", 1, 0, p, 4095));
	assert_non_null(name_check_symlink("l", 1, 0, p, 4096));
	free(p);
}

static void test_portable(void **state)
{
	static const char *const good[] = {
		"a", ".profile", "a.tar.gz", "a b", "icon", "con1", "com", "lpt10",
		"console.log", "a~!@#$%^&()[]{};',.b" };
	static const char *const bad[] = {
		"a?", "a:b", "a*", "<", ">", "|", "\"", "a\\b", "a.", "a ", "\t",
		"\x7f", "\xc3\xa9", "con", "CON", "Con.txt", "nul ", "aux.", "COM1",
		"com9.tar.gz", "LPT0" };
	char name[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(name_is_portable(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(name_is_portable(bad[i]));
	for (size_t n = 127; n < 130; n++) {
		memset(name, 'x', n);
		name[n] = '\0';
		assert_int_equal(name_is_portable(name), n <= 128);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_component_length),
		cmocka_unit_test(test_path_length),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_not_terminated),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_link_bytes),
		cmocka_unit_test(test_portable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
