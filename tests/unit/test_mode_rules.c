/*
 * --chmod: what each change makes of modes, and what is no change.
 */
#include "fs/mode_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static uint32_t apply(const char *text, uint32_t mode, int is_dir)
{
	struct mode_rules r = { .count = 0 };

	assert_int_equal(mode_rules_parse(&r, text), 0);
	return mode_rules_apply(&r, mode, is_dir, 027);
}

static void changes(void **state)
{
	static const struct {
		const char *text;
		uint32_t mode, file, dir;
	} rows[] = {
		{ "600", 0755, 0600, 0600 },
		{ "0", 0755, 0, 0 },
		{ "0777", 0, 0777, 0777 },
		{ "D755,F644", 0600, 0644, 0755 },
		{ "u+x", 0644, 0744, 0744 },
		{ "go=", 0777, 0700, 0700 },
		{ "ug=rw", 0007, 0667, 0667 },
		{ "a-w", 0777, 0555, 0555 },
		{ "a+X", 0644, 0644, 0755 },
		{ "a+X", 0654, 0755, 0755 },
		/* what an earlier change has added does not count for X */
		{ "u+x,a+X", 0644, 0744, 0755 },
		{ "a=,a+X", 0700, 0111, 0111 },
		{ "ugo=rwX", 0600, 0666, 0777 },
		{ "ugo=xX", 0600, 0111, 0111 },
		/* without a user: the bits of the umask, 027, are left alone */
		{ "+rwx", 0000, 0750, 0750 },
		{ "-rwx", 0777, 0027, 0027 },
		{ "=rwX", 0606, 0640, 0750 },
		{ "=", 0777, 0, 0 },
		{ "umask", 0700, 0750, 0750 },
		{ "umask,o=r", 0600, 0644, 0754 },
		{ "Fumask", 0606, 0640, 0606 },
		{ "go-rwx,u+", 0755, 0700, 0700 },
		{ "keep", 0767, 0767, 0767 },
		{ "keep,Do=", 0777, 0777, 0770 },
	};
	const struct mode_rules none = { .count = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(apply(rows[i].text, rows[i].mode, 0),
				 rows[i].file);
		assert_int_equal(apply(rows[i].text, rows[i].mode, 1),
				 rows[i].dir);
	}
	/* without any: less the umask */
	assert_int_equal(mode_rules_apply(NULL, 0777, 0, 027), 0750);
	assert_int_equal(mode_rules_apply(&none, 0777, 1, 077), 0700);
}

static void malformed(void **state)
{
	static const char *const texts[] = {
		"",    ",",   "u",    "u+s",   "+t",	"8",	 "078",
		"1000", "u+r,", ",u+r", "DF644", "D",	"umaskx", "keepx", "u=rwz",
		"64 4", "77777777777777777777",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mode_rules r = { .count = 0 };

		assert_int_equal(mode_rules_parse(&r, texts[i]), ERR_RANGE);
	}
}

static void lists_add_up_to_a_limit(void **state)
{
	struct mode_rules r = { .count = 0 };

	(void)state;
	for (int i = 0; i < MODE_RULES_MAX / 2; i++)
		assert_int_equal(mode_rules_parse(&r, "u+x,g-x"), 0);
	assert_int_equal(mode_rules_parse(&r, "u+x"), ERR_RANGE);
	assert_int_equal(mode_rules_apply(&r, 0010, 0, 0), 0100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes),
		cmocka_unit_test(malformed),
		cmocka_unit_test(lists_add_up_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
