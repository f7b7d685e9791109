/*
 * Unit tests of session/refusals: what is said, and what is only counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "within.h"

#include "base/text.h"
#include "session/refusals.h"

static unsigned warnings, details;
static char last[200];

static void on_message(void *ctx, enum session_level level, const char *text)
{
	(void)ctx;
	warnings += level == SESSION_WARNING;
	details += level == SESSION_VERBOSE;
	snprintf(last, sizeof(last), "%s", text);
}

static const struct session_events events = { .message = on_message };

static int reset(void **state)
{
	(void)state;
	warnings = details = 0;
	last[0] = '\0';
	return 0;
}

static void tell(struct refusals *r, enum session_level level, int n)
{
	for (int i = 0; i < n; i++)
		refusals_tell(r, level, "peer %d", i);
}

static void the_first_are_said_and_the_rest_counted(void **state)
{
	struct refusals r;

	(void)state;
	refusals_init(&r, &events);
	assert_int_equal(refusals_tick(&r), -1);
	tell(&r, SESSION_WARNING, REFUSALS_WARNINGS);
	assert_int_equal(warnings, REFUSALS_WARNINGS);
	assert_int_equal(refusals_tick(&r), -1);
	tell(&r, SESSION_WARNING, 12345);
	assert_int_equal(warnings, REFUSALS_WARNINGS);
	assert_within(refusals_tick(&r), 1, REFUSALS_WINDOW_MS);
	/* Details have a count of their own. */
	tell(&r, SESSION_VERBOSE, REFUSALS_DETAILS + 1);
	assert_int_equal(details, REFUSALS_DETAILS);
	/* A minute later the count is said, without another connection. */
	r.kinds[0].since_ms -= REFUSALS_WINDOW_MS;
	assert_within(refusals_tick(&r), 1, REFUSALS_WINDOW_MS);
	assert_int_equal(warnings, REFUSALS_WARNINGS + 1);
	assert_string_equal(last, "12,345 more connections got no session "
				  "within a minute");
	tell(&r, SESSION_WARNING, 1);
	assert_string_equal(last, "peer 0");
	refusals_release(&r);
	assert_string_equal(last, "1 more connection got no session within a "
				  "minute");
}

static void lost_sessions_are_counted_apart(void **state)
{
	struct refusals r;

	(void)state;
	refusals_init(&r, &events);
	tell(&r, SESSION_WARNING, REFUSALS_WARNINGS);
	for (int i = 0; i < REFUSALS_WARNINGS + 2; i++)
		refusals_tell_lost(&r, "lost %d", i);
	assert_int_equal(warnings, 2 * REFUSALS_WARNINGS);
	assert_string_equal(last, "lost 19");
	refusals_release(&r);
	assert_int_equal(warnings, 2 * REFUSALS_WARNINGS + 1);
	assert_string_equal(last, "2 more sessions were lost within a minute");
	refusals_init(&r, &events);
	for (int i = 0; i <= REFUSALS_WARNINGS; i++)
		refusals_tell_lost(&r, "lost %d", i);
	refusals_release(&r);
	assert_string_equal(last, "1 more session was lost within a minute");
}

static void numbers_are_grouped(void **state)
{
	char text[TEXT_GROUPED_MAX];

	(void)state;
	assert_string_equal(text_grouped(text, 0), "0");
	assert_string_equal(text_grouped(text, 999), "999");
	assert_string_equal(text_grouped(text, 1000), "1,000");
	assert_string_equal(text_grouped(text, UINT64_MAX),
			    "18,446,744,073,709,551,615");
}

static void what_is_counted_is_in_the_plural_unless_it_is_one(void **state)
{
	char text[TEXT_COUNT_MAX];

	(void)state;
	assert_string_equal(text_count(text, 0, "file"), "0 files");
	assert_string_equal(text_count(text, 1, "file"), "1 file");
	assert_string_equal(text_count(text, 1000, "file"), "1,000 files");
	/* A noun that is too long is cut. */
	assert_int_equal(strlen(text_count(text, UINT64_MAX,
					   "noun that is longer than what there "
					   "is room for")),
			 TEXT_COUNT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_are_said_and_the_rest_counted,
				       reset),
		cmocka_unit_test_setup(lost_sessions_are_counted_apart, reset),
		cmocka_unit_test(numbers_are_grouped),
		cmocka_unit_test(
			what_is_counted_is_in_the_plural_unless_it_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
