/*
 * How near two words are to each other.
 */
#include "base/similar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_distance(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
		{ "", "", 0 },		   { "", "abc", 3 },
		{ "send", "send", 0 },	   { "snd", "send", 1 },
		{ "sendd", "send", 1 },	   { "sond", "send", 1 },
		{ "sned", "send", 1 },	   { "SEND", "send", 0 },
		{ "dry_run", "dry-run", 0 }, { "kitten", "sitting", 3 },
		{ "ca", "abc", 3 },
	};
	char longest[SIMILAR_LEN_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(similar_distance(cases[i].a, cases[i].b),
				 cases[i].distance);
		assert_int_equal(similar_distance(cases[i].b, cases[i].a),
				 cases[i].distance);
	}
	memset(longest, 'x', sizeof(longest));
	longest[SIMILAR_LEN_MAX] = '\0';
	assert_int_equal(similar_distance(longest, longest), 0);
	longest[SIMILAR_LEN_MAX] = 'x';
	longest[SIMILAR_LEN_MAX + 1] = '\0';
	assert_int_equal(similar_distance(longest, ""), SIMILAR_LEN_MAX + 1);
	assert_int_equal(similar_distance("", longest), SIMILAR_LEN_MAX + 1);
	assert_false(similar_is_near(longest, longest));
}

static void test_near(void **state)
{
	(void)state;
	assert_true(similar_is_near("snd", "send"));
	assert_true(similar_is_near("recieve", "receive"));
	assert_true(similar_is_near("compression", "compress"));
	assert_true(similar_is_near("exlcude", "exclude"));
	assert_false(similar_is_near("x", "y"));
	assert_false(similar_is_near("ca", "cat"));
	assert_false(similar_is_near("cat", "dog"));
	assert_false(similar_is_near("send", "help"));
}

/* The nearest one, in whatever order they come; the first of equal ones. */
static void test_nearest(void **state)
{
	struct similar s;

	(void)state;
	similar_begin(&s, "max-file");
	similar_offer(&s, "dir");
	assert_null(s.nearest);
	similar_offer(&s, "max-size");
	assert_string_equal(s.nearest, "max-size");
	similar_offer(&s, "max-files");
	similar_offer(&s, "max-kept");
	assert_string_equal(s.nearest, "max-files");
	assert_int_equal(s.distance, 1);
	similar_begin(&s, "cert_key");
	similar_offer(&s, "cert-key");
	similar_offer(&s, "cert");
	assert_string_equal(s.nearest, "cert-key");
	assert_int_equal(s.distance, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
