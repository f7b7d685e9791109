/*
 * Sessions that messages tell of, by sender and minute.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/told_sessions.h"

enum { MINUTE = TOLD_SESSIONS_MINUTE_MS, MOST = TOLD_SESSIONS_MOST };

static unsigned add(struct told_sessions *t, const char *name, unsigned count,
		    uint64_t now_ms)
{
	unsigned told = 0;

	while (count-- > 0)
		told += (unsigned)told_sessions_add(t, name, now_ms);
	return told;
}

static void test_each_sender_has_its_own(void **state)
{
	struct told_sessions t = { 0 };
	char name[TOLD_SESSIONS_NAME_MAX];
	uint64_t untold;

	(void)state;
	assert_int_equal(add(&t, "evil", MOST + 7, 1000), MOST);
	assert_int_equal(add(&t, "good", 3, 1000), 3);
	assert_int_equal(told_sessions_end(&t, 1000 + MINUTE - 1, name,
					   &untold), 0);
	assert_int_equal(told_sessions_end(&t, 1000 + MINUTE, name, &untold),
			 1);
	assert_string_equal(name, "evil");
	assert_int_equal(untold, 7);
	assert_int_equal(told_sessions_end(&t, 1000 + MINUTE, name, &untold),
			 1);
	assert_string_equal(name, "good");
	assert_int_equal(untold, 0);
	assert_int_equal(told_sessions_end(&t, 1000 + MINUTE, name, &untold),
			 0);
	assert_int_equal(add(&t, "evil", 1, 1000 + MINUTE), 1);
}

static void test_more_senders_than_rows(void **state)
{
	struct told_sessions t = { 0 };
	char name[TOLD_SESSIONS_NAME_MAX];
	uint64_t untold, sum = 0;
	unsigned told = 0, rows = 0;

	(void)state;
	for (unsigned i = 0; i < 2 * MOST; i++) {
		snprintf(name, sizeof(name), "sender%u", i);
		told += add(&t, name, 1, 5);
	}
	assert_int_equal(told, TOLD_SESSIONS_ROWS - 1 + MOST);
	while (told_sessions_end(&t, 5 + MINUTE, name, &untold)) {
		rows++;
		sum += untold;
	}
	assert_int_equal(rows, TOLD_SESSIONS_ROWS);
	assert_int_equal(sum, 2 * MOST - told);
	assert_string_equal(name, "other senders");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sender_has_its_own),
		cmocka_unit_test(test_more_senders_than_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
