/*
 * JSON lines: escaping, names that are not UTF-8, and the bound.
 */
#include "cmd/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* One member "k" with this text, as a whole line. */
static void assert_text(const char *s, size_t n, const char *expected)
{
	struct buf b;

	buf_init(&b, 1000);
	json_begin(&b, "e");
	json_text(&b, "k", s, n);
	json_end(&b);
	buf_put_u8(&b, 0);
	assert_false(b.failed);
	assert_string_equal((char *)b.data, expected);
	buf_release(&b);
}

static void test_members(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	json_begin(&b, "summary");
	json_u64(&b, "n", UINT64_MAX);
	json_seconds(&b, "s", 1.23456);
	json_end(&b);
	buf_put_u8(&b, 0);
	assert_false(b.failed);
	assert_string_equal((char *)b.data,
			    "{\"event\":\"summary\",\"n\":18446744073709551615,"
			    "\"s\":1.235}\n");
	buf_release(&b);
}

static void test_escapes(void **state)
{
	(void)state;
	assert_text("a\"b\\c", 5, "{\"event\":\"e\",\"k\":\"a\\\"b\\\\c\"}\n");
	assert_text("\n\x1b\x7f", 3,
		    "{\"event\":\"e\",\"k\":\"\\u000a\\u001b\\u007f\"}\n");
	assert_text("a\0b", 3, "{\"event\":\"e\",\"k\":\"a\\u0000b\"}\n");
	assert_text("", 0, "{\"event\":\"e\",\"k\":\"\"}\n");
	/* U+009B, U+202E, U+2066: they would steer a terminal */
	assert_text("\xc2\x9b\xe2\x80\xae\xe2\x81\xa6", 8,
		    "{\"event\":\"e\",\"k\":\"\\u009b\\u202e\\u2066\"}\n");
	/* what can be printed stays */
	assert_text("\xc3\xa4\xf0\x9f\x98\x80", 6,
		    "{\"event\":\"e\",\"k\":\"\xc3\xa4\xf0\x9f\x98\x80\"}\n");
	/* a text that was cut in the middle of a sequence */
	assert_text("x\xc3", 2, "{\"event\":\"e\",\"k\":\"x\\ufffd\"}\n");
}

static void assert_bytes(const char *s, size_t n, const char *expected)
{
	struct buf b;

	buf_init(&b, 1000);
	json_bytes(&b, "path", s, n);
	buf_put_u8(&b, 0);
	assert_false(b.failed);
	assert_string_equal((char *)b.data, expected);
	buf_release(&b);
}

static void test_bytes(void **state)
{
	(void)state;
	assert_bytes("a/b", 3, ",\"path\":\"a/b\"");
	assert_bytes("\xff", 1, ",\"path_base64\":\"/w==\"");
	assert_bytes("\xff\xfe", 2, ",\"path_base64\":\"//4=\"");
	assert_bytes("\xff\xfe\xfd", 3, ",\"path_base64\":\"//79\"");
	assert_bytes("abc\xff", 4, ",\"path_base64\":\"YWJj/w==\"");
}

static void test_bound(void **state)
{
	char name[64];
	struct buf b;

	(void)state;
	memset(name, '\n', sizeof(name));
	buf_init(&b, 100);
	json_begin(&b, "e");
	json_text(&b, "k", name, sizeof(name));
	json_end(&b);
	assert_true(b.failed);
	assert_true(b.len <= 100);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
