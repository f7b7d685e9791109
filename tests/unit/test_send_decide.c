/*
 * What a sender decides without a connection: whether there is another session
 * after a lost one, and how many streams a session has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sender/growth.h"
#include "session/retry.h"
#include "wire/frame.h"

/* ---- retry ---- */

enum { NOW = 1000000, RETRY = 60000 };

/* A session ended with code after ms.  Returns whether there is another. */
static int ended(struct retry *r, int code, int was_ready, int has_progress,
		 unsigned ms)
{
	struct err e;

	err_set(&e, code, "it ended");
	return retry_is_wanted(r, &e, was_ready, has_progress, NOW + ms);
}

static void only_lost_sessions_are_retried(void **state)
{
	static const int lost[] = { ERR_LOST, ERR_TIMEOUT, ERR_CLOSED,
				    ERR_CONNECT, ERR_UNCONFIRMED };
	static const int final[] = { ERR_OK,       ERR_AUTH,       ERR_PROTOCOL,
				     ERR_CORRUPT,  ERR_LOCAL,      ERR_REMOTE,
				     ERR_RESOURCE, ERR_INTERRUPTED };
	struct retry r;

	(void)state;
	for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++) {
		retry_init(&r, RETRY, NOW);
		assert_true(ended(&r, lost[i], 1, 1, 0));
		retry_init(&r, 0, NOW);
		assert_false(ended(&r, lost[i], 1, 1, 0));
	}
	for (size_t i = 0; i < sizeof(final) / sizeof(*final); i++) {
		retry_init(&r, RETRY, NOW);
		assert_false(ended(&r, final[i], 1, 1, 0));
	}
}

static void time_counts_from_the_last_progress(void **state)
{
	struct retry r;

	(void)state;
	retry_init(&r, RETRY, NOW);
	assert_true(ended(&r, ERR_CONNECT, 0, 0, RETRY - 1));
	assert_int_equal(retry_left_s(&r, NOW + RETRY - 1), 1);
	assert_false(ended(&r, ERR_CONNECT, 0, 0, RETRY));
	assert_int_equal(retry_left_s(&r, NOW + RETRY), 0);
	/* READY of the first session counts, later ones only with progress */
	retry_init(&r, RETRY, NOW);
	assert_true(ended(&r, ERR_LOST, 1, 0, RETRY + 5000));
	assert_int_equal(retry_left_s(&r, NOW + RETRY + 5000), 60);
	assert_false(ended(&r, ERR_LOST, 1, 0, 2 * RETRY + 5000));
	assert_true(ended(&r, ERR_LOST, 1, 1, 2 * RETRY + 5000));
	assert_int_equal(retry_left_s(&r, NOW + 2 * RETRY + 5000), 60);
}

/* "Everything was sent" tells more than that the receiver is away now, but not
 * once there was another session that got further. */
static void what_was_unconfirmed_stays(void **state)
{
	struct retry r;
	struct err e;

	(void)state;
	retry_init(&r, RETRY, NOW);
	err_set(&e, ERR_UNCONFIRMED, "everything was sent");
	assert_true(retry_is_wanted(&r, &e, 1, 1, NOW));
	err_set(&e, ERR_CONNECT, "refused");
	assert_true(retry_is_wanted(&r, &e, 0, 0, NOW + 1));
	assert_int_equal(e.code, ERR_CONNECT);
	assert_false(retry_is_wanted(&r, &e, 0, 0, NOW + RETRY));
	assert_int_equal(e.code, ERR_UNCONFIRMED);
	assert_string_equal(e.text, "everything was sent");

	retry_init(&r, RETRY, NOW);
	err_set(&e, ERR_UNCONFIRMED, "everything was sent");
	assert_true(retry_is_wanted(&r, &e, 1, 1, NOW));
	err_set(&e, ERR_LOST, "lost");
	assert_true(retry_is_wanted(&r, &e, 1, 0, NOW + 1));
	err_set(&e, ERR_CONNECT, "refused");
	assert_false(retry_is_wanted(&r, &e, 0, 0, NOW + RETRY));
	assert_int_equal(e.code, ERR_CONNECT);
}

static void waits_grow_and_differ(void **state)
{
	static const unsigned about[] = { 100,  200,  400,  800,
					  1600, 3200, 5000, 5000 };
	struct retry least, most;

	(void)state;
	retry_init(&least, RETRY, NOW);
	retry_init(&most, RETRY, NOW);
	for (size_t i = 0; i < sizeof(about) / sizeof(*about); i++) {
		assert_int_equal(retry_next_wait_ms(&least, 0, NOW),
				 about[i] / 2);
		assert_int_equal(retry_next_wait_ms(&most, about[i], NOW),
				 about[i] / 2 + about[i]);
	}
	/* from the beginning after progress */
	assert_true(ended(&least, ERR_LOST, 1, 1, 0));
	assert_int_equal(retry_next_wait_ms(&least, 0, NOW), 50);
	/* and never beyond the end */
	assert_int_equal(retry_next_wait_ms(&most, 0, NOW + RETRY - 7), 7);
	assert_int_equal(retry_next_wait_ms(&most, 0, NOW + RETRY + 1), 0);
}

/* ---- growth ---- */

static const struct growth ready = {
	.is_ready = 1,
	.allowed = STREAMS_MAX,
	.may_be_early = 1,
	.backlog = 2,
};

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 4 ? 4 : n < 1 ? 1 : (unsigned)n;
}

static void a_short_line_gets_a_stream_at_a_time(void **state)
{
	struct growth g = ready;

	(void)state;
	for (unsigned n = 1; n < cores(); n++)
		assert_int_equal(growth_streams(&g, n), n + 1);
	assert_int_equal(growth_streams(&g, cores()), cores());
	g.backlog = 1;
	assert_int_equal(growth_streams(&g, 1), 1);
	/* nothing before READY */
	g = ready;
	g.is_ready = 0;
	assert_int_equal(growth_streams(&g, 1), 1);
	g.asked = 4;
	assert_int_equal(growth_streams(&g, 1), 1);
}

static void what_was_asked_for_is_had(void **state)
{
	struct growth g = ready;

	(void)state;
	g.asked = 7;
	g.backlog = 0;
	assert_int_equal(growth_streams(&g, 1), 7);
	g.allowed = 3;
	assert_int_equal(growth_streams(&g, 1), 3);
	assert_int_equal(growth_streams(&g, 5), 5);
	g.asked = 1;
	assert_int_equal(growth_streams(&g, 1), 1);
}

static void a_long_line_gets_all_at_once(void **state)
{
	struct growth g = ready;

	(void)state;
	g.is_long = 1;
	assert_int_equal(growth_streams(&g, 1), 1);
	g.bytes = (4 << 20) - 1;
	assert_int_equal(growth_streams(&g, 1), 1);
	g.bytes = 8 << 20;
	assert_int_equal(growth_streams(&g, 1), 3);
	g.files = 1024;
	assert_int_equal(growth_streams(&g, 1), 5);
	g.bytes = (uint64_t)1 << 40;
	assert_int_equal(growth_streams(&g, 1), STREAMS_MAX);
	g.is_compressing = 1;
	assert_int_equal(growth_streams(&g, 1), STREAMS_MAX / 2);
	g.backlog = 0;
	assert_int_equal(growth_streams(&g, 1), 1);
	/* before READY, whatever waits; but not without a key */
	g.is_ready = 0;
	assert_int_equal(growth_streams(&g, 1), STREAMS_MAX / 2);
	g.may_be_early = 0;
	assert_int_equal(growth_streams(&g, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_lost_sessions_are_retried),
		cmocka_unit_test(time_counts_from_the_last_progress),
		cmocka_unit_test(what_was_unconfirmed_stays),
		cmocka_unit_test(waits_grow_and_differ),
		cmocka_unit_test(a_short_line_gets_a_stream_at_a_time),
		cmocka_unit_test(what_was_asked_for_is_had),
		cmocka_unit_test(a_long_line_gets_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
