/*
 * Sets of runs against a plain array of bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/runs.h"

enum { SPAN = 200, STEPS = 20000 };

static void check(const struct runs *r, const uint8_t *want)
{
	uint64_t count = 0;

	for (size_t i = 0; i < SPAN; i++) {
		assert_int_equal(runs_has(r, i), want[i]);
		count += want[i];
	}
	assert_true(runs_count(r) == count);
	for (size_t i = 0; i < r->len; i++) {
		assert_true(r->v[i].count > 0);
		if (i > 0)
			assert_true(r->v[i - 1].first + r->v[i - 1].count <
				    r->v[i].first);
	}
}

static void random_changes_match_a_bit_map(void **state)
{
	unsigned seed = (unsigned)time(NULL);
	uint8_t bits[SPAN] = { 0 };
	struct runs r;

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	runs_init(&r, SPAN);
	for (int i = 0; i < STEPS; i++) {
		uint64_t first = (uint64_t)rand() % SPAN, got;
		uint64_t n = (uint64_t)rand() % 20;

		if (first + n > SPAN)
			n = SPAN - first;
		switch (rand() % 5) {
		case 0:
		case 1:
			assert_int_equal(runs_add(&r, first, n), 0);
			memset(bits + first, 1, (size_t)n);
			break;
		case 2:
		case 3:
			assert_int_equal(runs_remove(&r, first, n), 0);
			memset(bits + first, 0, (size_t)n);
			break;
		default:
			got = runs_take(&r, n + 1, &first);
			for (size_t k = 0; got && k < first; k++)
				assert_int_equal(bits[k], 0);
			if (got)
				memset(bits + first, 0, (size_t)got);
		}
		check(&r, bits);
	}
	runs_release(&r);
	assert_int_equal(r.len, 0);
}

static void too_many_runs_are_refused_and_nothing_changes(void **state)
{
	struct runs r;
	uint64_t first;

	(void)state;
	runs_init(&r, 2);
	assert_int_equal(runs_add(&r, 10, 10), 0);
	assert_int_equal(runs_add(&r, 30, 10), 0);
	assert_int_equal(runs_add(&r, 50, 1), ERR_RESOURCE);
	assert_int_equal(runs_remove(&r, 15, 1), ERR_RESOURCE);
	assert_true(runs_count(&r) == 20);
	/* what joins two or lengthens one needs no room */
	assert_int_equal(runs_add(&r, 20, 10), 0);
	assert_int_equal(r.len, 1);
	assert_true(runs_take(&r, 100, &first) == 30 && first == 10);
	assert_true(runs_take(&r, 100, &first) == 0);
	runs_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_match_a_bit_map),
		cmocka_unit_test(too_many_runs_are_refused_and_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
