/*
 * What a terminal whose locale is not UTF-8 gets.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/charset.h"

/* NULL: the variable is not set. */
static void set_locale(const char *all, const char *ctype, const char *lang)
{
	const char *const values[] = { all, ctype, lang };
	const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (int i = 0; i < 3; i++) {
		if (values[i])
			assert_int_equal(setenv(names[i], values[i], 1), 0);
		else
			assert_int_equal(unsetenv(names[i]), 0);
	}
}

static void the_first_variable_that_is_set_counts(void **state)
{
	static const struct {
		const char *all, *ctype, *lang;
		int is_ascii;
	} rows[] = {
		{ NULL, NULL, NULL, 1 },
		{ "", "", "", 1 },
		{ NULL, NULL, "C", 1 },
		{ NULL, NULL, "C.UTF-8", 0 },
		{ NULL, NULL, "en_US.utf8", 0 },
		{ NULL, NULL, "de_DE.UTF-8@euro", 0 },
		{ NULL, NULL, "de_DE@UTF-8", 1 },
		{ NULL, NULL, "de_DE.ISO-8859-15", 1 },
		{ NULL, NULL, "de_DE.ISO-8@UTF-8", 1 },
		{ NULL, NULL, "xx.UTF-16", 1 },
		{ NULL, NULL, "xx.UTF8X", 1 },
		{ "C", NULL, "C.UTF-8", 1 },
		{ "C.UTF-8", "C", "C", 0 },
		{ "", "C.UTF-8", "C", 0 },
		{ "", "C", "C.UTF-8", 1 },
	};
	int terminal = posix_openpt(O_RDWR | O_NOCTTY), other[2];

	(void)state;
	if (terminal < 0)
		skip(); /* no /dev/ptmx */
	assert_int_equal(pipe(other), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		set_locale(rows[i].all, rows[i].ctype, rows[i].lang);
		assert_int_equal(charset_is_ascii(terminal), rows[i].is_ascii);
		/* programs read what is no terminal: as it is */
		assert_int_equal(charset_is_ascii(other[1]), 0);
	}
	close(other[0]);
	close(other[1]);
	close(terminal);
}

static void bytes_beyond_ascii_are_written_as_hex(void **state)
{
	char *small = malloc(6), dst[64];

	(void)state;
	assert_non_null(small);
	assert_string_equal(charset_to_ascii(dst, sizeof(dst), "plain ~"),
			    "plain ~");
	assert_string_equal(charset_to_ascii(dst, sizeof(dst), "\xc3\xa4!"),
			    "\\xc3\\xa4!");
	assert_string_equal(charset_to_ascii(dst, sizeof(dst), "\x7f\x80\xff"),
			    "\x7f\\x80\\xff");
	assert_string_equal(charset_to_ascii(dst, sizeof(dst), ""), "");
	/* none is cut in the middle */
	assert_string_equal(charset_to_ascii(small, 6, "\xc3\xa4"), "\\xc3");
	assert_string_equal(charset_to_ascii(small, 6, "abcdefgh"), "ab");
	free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_variable_that_is_set_counts),
		cmocka_unit_test(bytes_beyond_ascii_are_written_as_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
