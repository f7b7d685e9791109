/*
 * within.h - bounds of the unit tests: times, scaled to the machine, and
 * numbers.  To be included after <cmocka.h>.
 */
#ifndef FERRY_TESTS_WITHIN_H
#define FERRY_TESTS_WITHIN_H

#include <stdint.h>
#include <stdlib.h>

/* A time limit as it is on a quiet machine, scaled to this one
 * (scripts/slowness). */
static inline unsigned scaled(unsigned limit)
{
	const char *text = getenv("FERRY_TEST_SLOWNESS");
	unsigned long factor = text ? strtoul(text, NULL, 10) : 1;

	return limit * (unsigned)(factor > 0 && factor < 100 ? factor : 1);
}

/* cmocka 2 deprecates assert_in_range(), and cmocka 1 has nothing else. */
static inline void assert_within_at(uintmax_t value, uintmax_t min,
				    uintmax_t max, const char *file, int line)
{
	if (value >= min && value <= max)
		return;
	print_error("%ju is not within %ju and %ju\n", value, min, max);
	_fail(file, line);
}

#define assert_within(value, min, max)                             \
	assert_within_at((uintmax_t)(value), (uintmax_t)(min),     \
			 (uintmax_t)(max), __FILE__, __LINE__)

#endif
