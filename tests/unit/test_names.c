/*
 * Hashes and sets of names.
 */
#include "base/names.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t hash(const char *name)
{
	return names_hash(name, strlen(name));
}

static uint64_t folded(const char *name)
{
	return names_folded(name, strlen(name));
}

/* As ferry-protocol(7) specifies; computed by tests/lib/wire.py. */
static void hashes_are_those_of_the_protocol(void **state)
{
	struct names_sum s = { 0 };

	(void)state;
	assert_int_equal(hash(""), UINT64_C(0xefd01f60ba992926));
	assert_int_equal(hash("name"), UINT64_C(0x43728e8194f4a6c7));
	assert_int_equal(hash("name/"), UINT64_C(0xca8c02cdfefa607e));
	names_sum_add(&s, "name", 4, 0);
	assert_int_equal(s.sum, hash("name"));
	names_sum_add(&s, "name", 4, 1);
	assert_int_equal(s.sum, hash("name") + hash("name/"));
	assert_int_equal(s.count, 2);
}

static void sums_do_not_depend_on_the_order(void **state)
{
	struct names_sum s = { 0 }, t = { 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		names_sum_add(&s, name, strlen(name), i % 2);
		snprintf(name, sizeof(name), "f%d", 99 - i);
		names_sum_add(&t, name, strlen(name), (99 - i) % 2);
	}
	assert_memory_equal(&s, &t, sizeof(s));
}

static void folded_names_have_one_hash(void **state)
{
	(void)state;
	assert_int_equal(folded("ReadMe"), folded("readme"));
	assert_int_equal(folded("caf\xc3\xa9"), folded("cafe\xcc\x81"));
	assert_int_equal(folded("d/\xc3\x89"), folded("D/\xc3\xa9"));
	assert_true(folded("readme") != folded("readme2"));
}

/* Odd, so that all low bits differ, as those of hashes do. */
#define STEP UINT64_C(0x9e3779b97f4a7c15)

static void sets(void **state)
{
	enum { COUNT = 200000 };
	struct names_set s = { 0 };

	(void)state;
	assert_false(names_set_has(&s, 0));
	assert_int_equal(names_set_add(&s, 0), 0);
	assert_true(names_set_has(&s, 0));
	for (uint64_t i = 1; i <= COUNT; i++)
		assert_int_equal(names_set_add(&s, i * STEP), 0);
	assert_int_equal(names_set_add(&s, 7 * STEP), 0);
	assert_int_equal(s.count, COUNT + 1);
	/* at most 22 bytes for each */
	assert_true(s.size * sizeof(*s.slots) <= 22 * (size_t)COUNT);
	for (uint64_t i = 1; i <= COUNT; i++)
		assert_true(names_set_has(&s, i * STEP));
	assert_false(names_set_has(&s, (COUNT + UINT64_C(1)) * STEP));
	names_set_clear(&s);
	assert_int_equal(s.count, 0);
	assert_false(names_set_has(&s, 0));
	assert_int_equal(names_set_add(&s, 5), 0);
	names_set_clear(&s);
	assert_false(names_set_has(&s, 5));
	names_set_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_those_of_the_protocol),
		cmocka_unit_test(sums_do_not_depend_on_the_order),
		cmocka_unit_test(folded_names_have_one_hash),
		cmocka_unit_test(sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
