/*
 * The progress line at made-up times.
 */
#include "cmd/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MIB = 1024 * 1024 };

static char line[PROGRESS_LINE_MAX];

static struct session_progress at(uint64_t mib, uint64_t total, uint64_t files,
				  uint64_t total_files)
{
	const struct session_progress s = {
		.bytes = mib * MIB,
		.total_bytes = total * MIB,
		.files = files,
		.total_files = total_files,
		.total_is_final = 1,
	};

	return s;
}

/* 10 MiB/s from the start to now. */
static void run_to(struct progress *p, uint64_t start_ms, uint64_t now_ms,
		   uint64_t total)
{
	for (uint64_t t = start_ms; t <= now_ms; t += 100) {
		struct session_progress s = at(0, total, 1, 3);

		s.bytes = (t - start_ms) * MIB / 100;
		progress_text(p, t, &s, line, sizeof(line));
	}
}

static void test_rate_and_eta(void **state)
{
	struct progress p = { 0 };

	(void)state;
	run_to(&p, 5000, 7000, 100);
	assert_string_equal(line, "  20%  20.0 MiB / 100.0 MiB  10.0 MiB/s  "
				  "ETA 0:08  1/3 files");
}

static void test_long_eta(void **state)
{
	struct progress p = { 0 };

	(void)state;
	run_to(&p, 5000, 7000, 40000);
	assert_string_equal(line, "   0%  20.0 MiB / 39.1 GiB  10.0 MiB/s  "
				  "ETA 1:06:38  1/3 files");
	memset(&p, 0, sizeof(p));
	run_to(&p, 5000, 7000, 40000000);
	assert_non_null(strstr(line, "ETA -  "));
}

/* The rate is that of the last seconds and not of the whole run. */
static void test_rate_follows(void **state)
{
	struct progress p = { 0 };
	struct session_progress s;

	(void)state;
	run_to(&p, 1000, 3000, 1000);
	for (uint64_t t = 3100; t <= 9000; t += 100) {
		s = at(20, 1000, 1, 3);
		s.bytes += (t - 3000) * MIB / 1000;
		progress_text(&p, t, &s, line, sizeof(line));
	}
	assert_non_null(strstr(line, "  1.0 MiB/s  "));
}

static void test_growing_totals(void **state)
{
	struct progress p = { 0 };
	struct session_progress s = at(1, 2, 3, 4);

	(void)state;
	s.total_is_final = 0;
	progress_text(&p, 1000, &s, line, sizeof(line));
	assert_string_equal(line,
			    "  --%  1.0 MiB / 2.0 MiB+  0 B/s  3/4+ files");
}

static void test_stalled(void **state)
{
	struct progress p = { 0 };
	struct session_progress s = at(20, 100, 1, 3);

	(void)state;
	run_to(&p, 1000, 3000, 100);
	progress_text(&p, 3000 + PROGRESS_STALL_MS - 1, &s, line,
		      sizeof(line));
	assert_null(strstr(line, "stalled"));
	progress_text(&p, 3000 + PROGRESS_STALL_MS, &s, line, sizeof(line));
	assert_string_equal(
		line, "  20%  20.0 MiB / 100.0 MiB  stalled  1/3 files");
	s.bytes++;
	progress_text(&p, 9000, &s, line, sizeof(line));
	assert_null(strstr(line, "stalled"));
}

/* 100% is a promise: not before every file is done. */
static void test_percentage(void **state)
{
	struct progress p = { 0 };
	struct session_progress s = at(100, 100, 2, 3);

	(void)state;
	progress_text(&p, 1000, &s, line, sizeof(line));
	assert_memory_equal(line, "  99%", 5);
	s = at(100, 100, 3, 3);
	progress_text(&p, 1100, &s, line, sizeof(line));
	assert_memory_equal(line, " 100%", 5);
	s = at(0, 0, 1, 2);
	progress_text(&p, 1200, &s, line, sizeof(line));
	assert_memory_equal(line, "  50%", 5);
	s = at(0, 0, 0, 0);
	progress_text(&p, 1300, &s, line, sizeof(line));
	assert_memory_equal(line, " 100%", 5);
	/* a file that grew since it was counted */
	s = at(120, 100, 3, 3);
	progress_text(&p, 1400, &s, line, sizeof(line));
	assert_memory_equal(line, " 100%", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate_and_eta),
		cmocka_unit_test(test_long_eta),
		cmocka_unit_test(test_rate_follows),
		cmocka_unit_test(test_growing_totals),
		cmocka_unit_test(test_stalled),
		cmocka_unit_test(test_percentage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
