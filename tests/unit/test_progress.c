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
		.sent_bytes = mib * MIB,
	};

	return s;
}

/* What was sent became known just now. */
static void show_in(struct progress *p, uint64_t now_ms,
		    struct session_progress *s, const char *who,
		    unsigned columns)
{
	s->at_ms = now_ms;
	progress_record(p, now_ms, s);
	progress_text(p, now_ms, s, who, columns, line);
}

static void show(struct progress *p, uint64_t now_ms, struct session_progress *s)
{
	show_in(p, now_ms, s, NULL, 0);
}

/* 10 MiB/s from the start to now. */
static void run_to(struct progress *p, uint64_t start_ms, uint64_t now_ms,
		   uint64_t total)
{
	for (uint64_t t = start_ms; t <= now_ms; t += 100) {
		struct session_progress s = at(0, total, 1, 3);

		s.bytes = s.sent_bytes = (t - start_ms) * MIB / 100;
		show(p, t, &s);
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
		s.sent_bytes = s.bytes;
		show(&p, t, &s);
	}
	assert_non_null(strstr(line, "  1.0 MiB/s  "));
}

static void test_growing_totals(void **state)
{
	struct progress p = { 0 };
	struct session_progress s = at(1, 2, 3, 4);

	(void)state;
	s.total_is_final = 0;
	show(&p, 1000, &s);
	assert_string_equal(line,
			    "  --%  1.0 MiB / 2.0 MiB+  0 B/s  3/4+ files");
}

static void test_stalled(void **state)
{
	struct progress p = { 0 };
	struct session_progress s = at(20, 100, 1, 3);

	(void)state;
	run_to(&p, 1000, 3000, 100);
	show(&p, 3000 + PROGRESS_STALL_MS - 1, &s);
	assert_null(strstr(line, "stalled"));
	show(&p, 3000 + PROGRESS_STALL_MS, &s);
	assert_string_equal(
		line, "  20%  20.0 MiB / 100.0 MiB  stalled 3 s  1/3 files");
	s.give_up_ms = 63000;
	show(&p, 15900, &s);
	assert_string_equal(line, "  20%  20.0 MiB / 100.0 MiB  stalled 12 s, "
				  "giving up in 47 s  1/3 files");
	s.is_busy = 1;
	show(&p, 15900, &s);
	assert_non_null(strstr(line, "MiB  other side busy for 12 s  1/3"));
	s.is_unconnected = 1;
	show(&p, 15900, &s);
	assert_non_null(strstr(line, "MiB  no connection for 12 s  1/3"));
	s.is_unconnected = 0;
	/* a file is progress, too */
	s.files++;
	show(&p, 15900, &s);
	assert_null(strstr(line, "busy"));
	s.bytes++;
	show(&p, 18900, &s);
	assert_null(strstr(line, "busy"));
}

/* Holes and what was there already are no rate, and what is left goes as fast
 * as what was sent. */
static void test_only_what_is_sent_has_a_rate(void **state)
{
	struct progress p = { 0 };
	struct session_progress s;

	(void)state;
	for (uint64_t t = 5000; t <= 7000; t += 100) {
		s = at(60, 100, 1, 3);
		s.sent_bytes = (t - 5000) * MIB / 100;
		s.bytes += s.sent_bytes;
		show(&p, t, &s);
	}
	assert_string_equal(line, "  80%  80.0 MiB / 100.0 MiB  10.0 MiB/s  "
				  "ETA 0:02  1/3 files");
}

/* Bursts, and times at which they are looked at that do not fit to them: the
 * rate is that between the times at which they were known. */
static void test_rate_of_bursts(void **state)
{
	struct progress p = { 0 };
	struct session_progress s = at(0, 1000, 0, 1);

	(void)state;
	for (uint64_t t = 1000; t <= 9000; t += 130) {
		s.sent_bytes = s.bytes = (t - 1000) / 2000 * 2 * MIB;
		s.at_ms = 1000 + (t - 1000) / 2000 * 2000;
		progress_record(&p, t, &s);
		progress_text(&p, t, &s, NULL, 0, line);
	}
	assert_non_null(strstr(line, "  1.0 MiB/s  "));
}

/* Bursts of different sizes, as of two streams with a limit of 3 MiB/s: between
 * the first and the last it would be 3.2. */
static void test_rate_of_uneven_bursts(void **state)
{
	static const struct {
		uint64_t ms, kib;
	} known[] = {
		{ 480, 758 }, { 660, 2048 }, { 1150, 2806 }, { 1310, 4096 },
		{ 1820, 4854 }, { 1980, 6144 }, { 2480, 6902 },
		{ 2700, 8192 }, { 3140, 8950 }, { 3350, 10240 },
	};
	struct progress p = { 0 };
	struct session_progress s = at(0, 30, 0, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		s.sent_bytes = s.bytes = known[i].kib * 1024;
		show(&p, 1000 + known[i].ms, &s);
	}
	assert_non_null(strstr(line, "  3.0 MiB/s  "));
}

static void test_without_a_length(void **state)
{
	struct progress p = { 0 };
	struct session_progress s;

	(void)state;
	for (uint64_t t = 5000; t <= 7000; t += 100) {
		s = at(0, 21, 0, 1);
		s.is_endless = 1;
		s.sent_bytes = s.bytes = (t - 5000) * MIB / 100;
		show(&p, t, &s);
	}
	assert_string_equal(line, "20.0 MiB  10.0 MiB/s  0:02");
	/* a producer that pauses is no stall */
	progress_text(&p, 15000, &s, NULL, 0, line);
	assert_null(strstr(line, "stalled"));
}

static void test_columns(void **state)
{
	static const struct {
		unsigned columns;
		const char *text;
	} cases[] = {
		{ 0, "192.0.2.1    20%  20.0 MiB / 100.0 MiB  10.0 MiB/s  "
		     "ETA 0:08  1/3 files" },
		{ 79, "192.0.2.1    20%  20.0 MiB / 100.0 MiB  10.0 MiB/s  "
		      "ETA 0:08  1/3 files" },
		{ 70, "192.0.2.1    20%  20.0 MiB / 100.0 MiB  10.0 MiB/s  "
		      "ETA 0:08" },
		{ 50, "192.0.2.1    20%  10.0 MiB/s  ETA 0:08" },
		{ 30, "  20%  10.0 MiB/s  ETA 0:08" },
		{ 19, "  20%  ETA 0:08" },
		{ 11, "  20%  0:08" },
	};
	struct progress p = { 0 };
	struct session_progress s = at(20, 100, 1, 3);

	(void)state;
	run_to(&p, 5000, 7000, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		show_in(&p, 7000, &s, "192.0.2.1", cases[i].columns);
		assert_string_equal(line, cases[i].text);
	}
}

/* 100% is a promise: not before every file is done. */
static void test_percentage(void **state)
{
	struct progress p = { 0 };
	struct session_progress s = at(100, 100, 2, 3);

	(void)state;
	show(&p, 1000, &s);
	assert_memory_equal(line, "  99%", 5);
	s = at(100, 100, 3, 3);
	show(&p, 1100, &s);
	assert_memory_equal(line, " 100%", 5);
	s = at(0, 0, 1, 2);
	show(&p, 1200, &s);
	assert_memory_equal(line, "  50%", 5);
	s = at(0, 0, 0, 0);
	show(&p, 1300, &s);
	assert_memory_equal(line, " 100%", 5);
	/* a file that grew since it was counted */
	s = at(120, 100, 3, 3);
	show(&p, 1400, &s);
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
		cmocka_unit_test(test_only_what_is_sent_has_a_rate),
		cmocka_unit_test(test_rate_of_bursts),
		cmocka_unit_test(test_rate_of_uneven_bursts),
		cmocka_unit_test(test_without_a_length),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_percentage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
