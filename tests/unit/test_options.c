/*
 * The option parser on a table of its own: every kind of row, every way to
 * write an option, every complaint; and the help that comes of it.
 */
#include "cmd/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct opts {
	int flags;
	const char *text;
	uint64_t number, size;
	int word;
	int set_calls;
};

static int set_even(void *field, const char *value)
{
	int *calls = field;

	++*calls;
	return value && strlen(value) % 2 ? ERR_RANGE : 0;
}

#define OFF(field) offsetof(struct opts, field)

static const struct option_word words[] = {
	{ "red", 1, "as blood" },
	{ "green", 2, "as grass" },
	{ "blue", 3, "as the sky" },
	{ NULL, 0, NULL },
};
static const struct option_row first_rows[] = {
	{ .letter = 'a', .name = "all", .kind = OPTION_FLAG, .value = 1,
	  .off = OFF(flags), .help = "everything" },
	{ .letter = 'b', .kind = OPTION_FLAG, .value = 2, .off = OFF(flags),
	  .help = "no long name" },
	{ .name = "text", .arg = "TEXT", .kind = OPTION_TEXT,
	  .off = OFF(text), .help = "a text" },
	{ .letter = 'n', .name = "number", .arg = "N", .kind = OPTION_NUMBER,
	  .min = 2, .max = 9, .off = OFF(number), .help = "a number" },
};
static const struct option_row second_rows[] = {
	{ .name = "size", .arg = "SIZE", .kind = OPTION_SIZE, .min = 1,
	  .max = (uint64_t)1 << 40, .off = OFF(size), .wants = "a size",
	  .help = "a size" },
	{ .letter = 'w', .name = "word", .arg = "WORD", .kind = OPTION_WORD,
	  .words = words, .off = OFF(word), .help = "a word" },
	{ .letter = 'z', .name = "zip", .arg = "[=HOW]", .kind = OPTION_SET,
	  .set = set_even, .off = OFF(set_calls), .wants = "an even length",
	  .help = "a text that is so long that it takes more than one line "
		  "of eighty columns to be printed as a whole" },
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP,
	  .help = "help" },
};
static const struct option_group first = { "First", first_rows, 4, NULL };
static const struct option_group second = { "Second", second_rows, 4, NULL };
static const struct option_group *const groups[] = { &first, &second, NULL };

enum { ARGS_MAX = 10 };

struct run {
	struct opts opts;
	struct err e;
	int argc;
	char *argv[ARGS_MAX + 1];
	int rc;
};

/* Parse the words of line, which are separated by single spaces; "''" is an
 * empty one. */
static void parse(struct run *r, char *line)
{
	memset(r, 0, sizeof(*r));
	r->argv[r->argc++] = (char *)(uintptr_t)"cmd";
	while (line && r->argc < ARGS_MAX) {
		char *word = strsep(&line, " ");

		r->argv[r->argc++] = strcmp(word, "''") ? word : word + 2;
	}
	r->rc = options_parse(groups, r->argc, r->argv, &r->opts, &r->e);
}

#define PARSE(r, text)                                                         \
	char line_[] = text;                                                   \
	parse(r, line_)

static void assert_usage(char *line, const char *message)
{
	struct run r;

	parse(&r, line);
	assert_int_equal(r.rc, ERR_USAGE);
	assert_int_equal(r.e.code, ERR_USAGE);
	assert_string_equal(r.e.text, message);
}

#define ASSERT_USAGE(text, message)                                            \
	do {                                                                   \
		char line_[] = text;                                           \
		assert_usage(line_, message);                                  \
	} while (0)

static void test_all_kinds(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "-ab --text=x -n5 --size 3K --word green --zip=ab");
	assert_int_equal(r.rc, r.argc);
	assert_int_equal(r.opts.flags, 3);
	assert_string_equal(r.opts.text, "x");
	assert_int_equal(r.opts.number, 5);
	assert_int_equal(r.opts.size, 3072);
	assert_int_equal(r.opts.word, 2);
	assert_int_equal(r.opts.set_calls, 1);
}

static void test_operands_anywhere(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "one -n 3 two - --all -- -b");
	assert_int_equal(r.argc - r.rc, 4);
	assert_string_equal(r.argv[r.rc], "one");
	assert_string_equal(r.argv[r.rc + 1], "two");
	assert_string_equal(r.argv[r.rc + 2], "-");
	assert_string_equal(r.argv[r.rc + 3], "-b");
	assert_int_equal(r.opts.flags, 1);
	assert_int_equal(r.opts.number, 3);
}

static void test_optional_value_is_attached(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "-z ab -zcd --zip x");
	assert_int_equal(r.opts.set_calls, 3);
	assert_int_equal(r.argc - r.rc, 2);
	assert_string_equal(r.argv[r.rc], "ab");
	assert_string_equal(r.argv[r.rc + 1], "x");
}

static void test_help_ends_the_parsing(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "--all -h --nonsense");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.opts.flags, 1);
}

static void test_last_value_wins(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "-n 3 --text a -n 4 --text b");
	assert_int_equal(r.rc, r.argc);
	assert_int_equal(r.opts.number, 4);
	assert_string_equal(r.opts.text, "b");
}

static void test_complaints(void **state)
{
	(void)state;
	ASSERT_USAGE("--bogus=1", "unknown option '--bogus'");
	ASSERT_USAGE("-ax", "unknown option '-x'");
	ASSERT_USAGE("-a\x1b", "unknown option '-\\x1b'");
	ASSERT_USAGE("--b\x1b[2J", "unknown option '--b\\x1b[2J'");
	ASSERT_USAGE("-n", "-n needs a value: a number from 2 to 9");
	ASSERT_USAGE("--number", "--number needs a value: a number from 2 to 9");
	ASSERT_USAGE("-n 1", "-n must be a number from 2 to 9, not '1'");
	ASSERT_USAGE("--number=10",
		     "--number must be a number from 2 to 9, not '10'");
	ASSERT_USAGE("-n 3x", "-n must be a number from 2 to 9, not '3x'");
	ASSERT_USAGE("-n ''", "-n must be a number from 2 to 9, not ''");
	ASSERT_USAGE("-n -3", "-n must be a number from 2 to 9, not '-3'");
	ASSERT_USAGE("--size 0", "--size must be a size, not '0'");
	ASSERT_USAGE("--size 2T", "--size must be a size, not '2T'");
	ASSERT_USAGE("-w pink", "-w must be red, green or blue, not 'pink'");
	ASSERT_USAGE("-w \x1b", "-w must be red, green or blue, not '\\x1b'");
	ASSERT_USAGE("--text ''", "--text must be a non-empty TEXT, "
				  "not ''");
	ASSERT_USAGE("--all=1", "--all takes no value");
	ASSERT_USAGE("-zabc", "-z must be an even length, not 'abc'");
}

static void test_abbreviations_are_refused(void **state)
{
	(void)state;
	ASSERT_USAGE("--al", "unknown option '--al' (option names cannot "
			     "be abbreviated; did you mean --all?)");
	ASSERT_USAGE("--num 3", "unknown option '--num' (option names "
				"cannot be abbreviated; did you mean --number?)");
	ASSERT_USAGE("--num=3", "unknown option '--num' (option names "
				"cannot be abbreviated; did you mean --number?)");
	ASSERT_USAGE("--hel", "unknown option '--hel' (option names "
			      "cannot be abbreviated; did you mean --help?)");
}

static void test_help_text(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(f);
	options_print(f, groups);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(
		text,
		"\nFirst:\n"
		"  -a, --all                   everything\n"
		"  -b                          no long name\n"
		"      --text TEXT             a text\n"
		"  -n, --number N              a number\n"
		"\nSecond:\n"
		"      --size SIZE             a size\n"
		"  -w, --word WORD             a word\n"
		"  -z, --zip[=HOW]             a text that is so long that it "
		"takes more than one\n"
		"                              line of eighty columns to be "
		"printed as a whole\n"
		"  -h, --help                  help\n");
	free(text);
}

static void test_wrap_at_80_columns(void **state)
{
	char words_of_five[200], *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < sizeof(words_of_five) - 1; i++)
		words_of_five[i] = i % 5 == 4 ? ' ' : 'x';
	words_of_five[sizeof(words_of_five) - 1] = '\0';
	options_wrap(f, words_of_five, 1, 1);
	assert_int_equal(fclose(f), 0);
	/* 16 words of four and 15 blanks after column 1: 80 in all, so the
	 * line is as full as it can be */
	assert_int_equal(strcspn(text, "\n"), 79);
	for (char *p = text; *p; p += strcspn(p, "\n") + 1)
		assert_true(strcspn(p, "\n") <= 80);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_operands_anywhere),
		cmocka_unit_test(test_optional_value_is_attached),
		cmocka_unit_test(test_help_ends_the_parsing),
		cmocka_unit_test(test_last_value_wins),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_abbreviations_are_refused),
		cmocka_unit_test(test_help_text),
		cmocka_unit_test(test_wrap_at_80_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
