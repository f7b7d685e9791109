/*
 * A rate limit, by a clock that stands still until it is moved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "session/rate_limit.h"

enum { MB = 1000000 };

static uint64_t now_ms = 1000 * 1000;

/* In place of libc's. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = (time_t)(now_ms / 1000);
	ts->tv_nsec = (long)(now_ms % 1000) * 1000000;
	return 0;
}

/* What is saved up by a pause is a tenth of a second: what exceeds it waits. */
static void callers_get_consecutive_times(void **state)
{
	struct rate_limit r;

	(void)state;
	assert_int_equal(rate_limit_init(&r, 10 * MB), 0);
	assert_int_equal(rate_limit_take_bytes(&r, MB), 0);
	assert_int_equal(rate_limit_take_bytes(&r, MB), 100);
	assert_int_equal(rate_limit_take_bytes(&r, MB), 200);
	now_ms += 150;
	assert_int_equal(rate_limit_take_bytes(&r, 0), 50);
	now_ms += 50;
	assert_int_equal(rate_limit_take_bytes(&r, 0), 0);
	assert_int_equal(rate_limit_take_bytes(&r, MB / 2), 50);
	rate_limit_release(&r);
}

static void a_long_pause_saves_up_no_more(void **state)
{
	struct rate_limit r;

	(void)state;
	assert_int_equal(rate_limit_init(&r, 10 * MB), 0);
	now_ms += 3600 * 1000;
	assert_int_equal(rate_limit_take_bytes(&r, 3 * MB), 200);
	now_ms += 3600 * 1000;
	assert_int_equal(rate_limit_take_bytes(&r, 3 * MB), 200);
	/* a shorter one, less */
	now_ms += 250;
	assert_int_equal(rate_limit_take_bytes(&r, MB), 50);
	rate_limit_release(&r);
}

/* Over a minute: no more than the rate, whatever the sizes. */
static void a_minute_has_the_bytes_of_the_rate(void **state)
{
	struct rate_limit r;
	const uint64_t begin_ms = now_ms;
	uint64_t sent = 0;

	(void)state;
	assert_int_equal(rate_limit_init(&r, 3 * MB), 0);
	for (unsigned i = 0; now_ms < begin_ms + 60 * 1000; i++) {
		const uint64_t n = 1 + i * 7919 % 200000;

		now_ms += rate_limit_take_bytes(&r, n);
		sent += n;
	}
	assert_true(sent >= (uint64_t)59 * 3 * MB);
	assert_true(sent <= (uint64_t)61 * 3 * MB);
	rate_limit_release(&r);
}

static void slices_are_a_quarter_of_a_second(void **state)
{
	struct rate_limit r;

	(void)state;
	assert_int_equal(rate_limit_init(&r, 0), 0);
	assert_true(rate_limit_slice(&r) == SIZE_MAX);
	assert_int_equal(rate_limit_take_bytes(&r, UINT64_MAX), 0);
	rate_limit_release(&r);
	assert_int_equal(rate_limit_init(&r, 4 * MB), 0);
	assert_int_equal(rate_limit_slice(&r), MB);
	rate_limit_release(&r);
	/* at least a byte, or nothing would ever be sent */
	assert_int_equal(rate_limit_init(&r, 1), 0);
	assert_int_equal(rate_limit_slice(&r), 1);
	rate_limit_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callers_get_consecutive_times),
		cmocka_unit_test(a_long_pause_saves_up_no_more),
		cmocka_unit_test(a_minute_has_the_bytes_of_the_rate),
		cmocka_unit_test(slices_are_a_quarter_of_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
