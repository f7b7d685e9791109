/*
 * Unit tests of session/idle: whose turn it is, and how long it may take.
 *
 * The program's own clock takes the place of libc's, and goes on as it is told
 * to: the real one may be less than an hour old.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "session/idle.h"

enum { TIMEOUT_MS = 1000 };

static uint64_t passed_ms;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	const int rc = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += (time_t)(passed_ms / 1000);
	ts->tv_nsec += (long)(passed_ms % 1000) * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
	return rc;
}

/* So much time passes, in which i is checked. */
static void let_pass(struct idle *i, uint64_t ms)
{
	passed_ms += ms;
	atomic_fetch_add(&i->checked_ms, ms);
}

static void heartbeats_alone_end_it(void **state)
{
	struct idle i;
	struct err e = { 0 };

	(void)state;
	idle_init(&i, TIMEOUT_MS);
	let_pass(&i, TIMEOUT_MS / 2);
	assert_int_equal(idle_check(&i, "it", &e), 0);
	let_pass(&i, TIMEOUT_MS);
	assert_int_equal(idle_check(&i, "it", &e), ERR_TIMEOUT);
	assert_non_null(strstr(e.text, "it has sent nothing but heart-beats"));
	idle_progress(&i);
	assert_int_equal(idle_check(&i, "it", &e), 0);
}

static void a_busy_peer_gets_longer_but_not_for_ever(void **state)
{
	const uint64_t longest = IDLE_BUSY_MS;
	struct idle i;
	struct err e = { 0 };

	(void)state;
	idle_init(&i, TIMEOUT_MS);
	for (uint64_t ms = 0; ms + 5000 < longest; ms += 500) {
		let_pass(&i, 500);
		idle_peer_is_busy(&i, clock_ms());
		assert_int_equal(idle_check(&i, "it", &e), 0);
	}
	let_pass(&i, 6000);
	idle_peer_is_busy(&i, clock_ms());
	assert_int_equal(idle_check(&i, "it", &e), ERR_TIMEOUT);
	assert_non_null(strstr(e.text, "it is busy"));
	/* An older sign of life does not count. */
	idle_progress(&i);
	let_pass(&i, 2 * TIMEOUT_MS);
	idle_peer_is_busy(&i, clock_ms() - 2 * TIMEOUT_MS);
	assert_int_equal(idle_check(&i, "it", &e), ERR_TIMEOUT);
}

static void a_process_that_was_stopped_has_no_time_to_answer_for(void **state)
{
	struct idle i;
	struct err e = { 0 };

	(void)state;
	idle_init(&i, TIMEOUT_MS);
	let_pass(&i, 100 * TIMEOUT_MS);
	atomic_fetch_sub(&i.checked_ms, 100 * TIMEOUT_MS);
	assert_int_equal(idle_check(&i, "it", &e), 0);
	let_pass(&i, 2 * TIMEOUT_MS);
	assert_int_equal(idle_check(&i, "it", &e), ERR_TIMEOUT);
}

static void our_own_time_does_not_count(void **state)
{
	struct idle i;
	struct err e = { 0 };

	(void)state;
	idle_init(&i, TIMEOUT_MS);
	let_pass(&i, 3 * TIMEOUT_MS);
	/* not as a whole: what is left of it counts on */
	idle_worked(&i, 5 * TIMEOUT_MS / 2);
	assert_int_equal(idle_check(&i, "it", &e), 0);
	let_pass(&i, TIMEOUT_MS);
	idle_worked(&i, TIMEOUT_MS / 4);
	assert_int_equal(idle_check(&i, "it", &e), ERR_TIMEOUT);
	/* nor for more than there was */
	idle_worked(&i, 100 * TIMEOUT_MS);
	assert_int_equal(idle_check(&i, "it", &e), 0);
	let_pass(&i, 2 * TIMEOUT_MS);
	assert_int_equal(idle_check(&i, "it", &e), ERR_TIMEOUT);
}

static void work_of_ours_is_counted(void **state)
{
	struct idle i;

	(void)state;
	idle_init(&i, TIMEOUT_MS);
	assert_false(idle_is_working(&i));
	idle_begin_work(&i);
	idle_begin_work(&i);
	idle_end_work(&i);
	assert_true(idle_is_working(&i));
	idle_end_work(&i);
	assert_false(idle_is_working(&i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heartbeats_alone_end_it),
		cmocka_unit_test(a_busy_peer_gets_longer_but_not_for_ever),
		cmocka_unit_test(
			a_process_that_was_stopped_has_no_time_to_answer_for),
		cmocka_unit_test(our_own_time_does_not_count),
		cmocka_unit_test(work_of_ours_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
