/*
 * The result of a session in which something ended it early and something
 * happened to single files: all pairs, for both sides.
 */
#include "session/totals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "chunk/digest.h"

/* What ends a session early, and the exit status that it has. */
static const struct end {
	const char *what;
	int code, status;
} ends[] = {
	{ "connection refused", ERR_CONNECT, 3 },
	{ "a wrong key", ERR_AUTH, 4 },
	{ "a broken protocol", ERR_PROTOCOL, 5 },
	{ "damaged data", ERR_CORRUPT, 5 },
	{ "lost", ERR_LOST, 6 },
	{ "closed", ERR_CLOSED, 6 },
	{ "timed out", ERR_TIMEOUT, 6 },
	{ "the commit was not confirmed", ERR_UNCONFIRMED, 10 },
	{ "out of descriptors", ERR_RESOURCE, 11 },
	{ "an internal error", ERR_INTERNAL, 11 },
	{ "the list of names cannot be read", ERR_LOCAL, 7 },
	{ "the receiver cannot go on", ERR_REMOTE, 8 },
};

static void add_good(struct totals *t)
{
	t->committed++;
}

static void add_unchanged(struct totals *t)
{
	t->unchanged++;
}

/* A FIFO in the tree: of this side, without an errno. */
static void add_fifo(struct totals *t)
{
	totals_failed(t, TOTALS_LOCAL, CAUSE_NONE);
}

static void add_conflict(struct totals *t)
{
	totals_failed(t, TOTALS_REMOTE, CAUSE_EXISTS);
}

static void add_skipped(struct totals *t)
{
	t->skipped++;
}

static void add_changed(struct totals *t)
{
	totals_failed(t, TOTALS_CHANGED, CAUSE_CHANGED);
}

static void add_full(struct totals *t)
{
	totals_failed(t, TOTALS_REMOTE, CAUSE_NO_SPACE);
}

/* What befalls single files, and the exit statuses of a complete session with
 * nothing else, and with a file that was committed or unchanged. */
static const struct befall {
	const char *what;
	void (*add)(struct totals *t);
	int sender, sender_good;
	int receiver, receiver_good;
} befalls[] = {
	{ "nothing", NULL, 0, 0, 0, 0 },
	{ "a FIFO", add_fifo, 7, 1, 7, 1 },
	{ "a conflict", add_conflict, 8, 1, 8, 1 },
	{ "a skipped file", add_skipped, 1, 1, 0, 0 },
	{ "a changed source", add_changed, 9, 9, 9, 9 },
	{ "a full disk", add_full, 8, 8, 7, 7 },
};

enum {
	ENDS = sizeof(ends) / sizeof(ends[0]),
	BEFALLS = sizeof(befalls) / sizeof(befalls[0]),
};

static struct totals totals_of(const struct befall *b,
			       void (*good)(struct totals *t))
{
	struct totals t = { 0 };

	if (b->add)
		b->add(&t);
	if (good)
		good(&t);
	return t;
}

static void an_early_end_outranks_single_files(void **state)
{
	void (*const good[])(struct totals *t) = { NULL, add_good,
						    add_unchanged };

	(void)state;
	for (size_t i = 0; i < ENDS; i++) {
		for (size_t n = 0; n < BEFALLS * 3 * 2; n++) {
			const struct befall *b = &befalls[n / 6];
			const struct totals t = totals_of(b, good[n / 2 % 3]);
			const char *files = b->add ? "1 file" : "";
			struct err e;
			int code;

			err_set(&e, ends[i].code, "%s", ends[i].what);
			code = totals_conclude(&t, n % 2, files, &e);
			assert_int_equal(code, ends[i].code);
			assert_int_equal(e.code, code);
			assert_int_equal(err_exit_status(code),
					 ends[i].status);
			/* both are told */
			assert_ptr_equal(strstr(e.text, ends[i].what), e.text);
			assert_int_equal(strstr(e.text, "; 1 file") != NULL,
					 b->add != NULL);
		}
	}
}

static int complete(const struct befall *b, void (*good)(struct totals *t),
		    int is_sender)
{
	const struct totals t = totals_of(b, good);
	struct err e;
	int code;

	err_clear(&e);
	code = totals_conclude(&t, is_sender, "some files", &e);
	assert_string_equal(e.text, code ? "some files" : "");
	return err_exit_status(code);
}

static void a_complete_session_has_the_result_of_its_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < BEFALLS; i++) {
		const struct befall *b = &befalls[i];

		assert_int_equal(complete(b, NULL, 1), b->sender);
		assert_int_equal(complete(b, add_good, 1), b->sender_good);
		assert_int_equal(complete(b, add_unchanged, 1),
				 b->sender_good);
		assert_int_equal(complete(b, NULL, 0), b->receiver);
		assert_int_equal(complete(b, add_good, 0), b->receiver_good);
	}
}

/* Pairs of what befalls files: neither hides a full disk, and different kinds
 * are "some files". */
static void two_kinds_in_a_complete_session(void **state)
{
	(void)state;
	for (size_t i = 1; i < BEFALLS; i++) {
		for (size_t j = 1; j < BEFALLS; j++) {
			const int full = befalls[i].add == add_full ||
					 befalls[j].add == add_full;
			struct totals t = totals_of(&befalls[i], NULL);
			int status;

			if (i == j)
				continue;
			befalls[j].add(&t);
			status = err_exit_status(totals_code(&t, 1));
			assert_int_equal(status, full ? 8 : 1);
		}
	}
}

static void a_long_error_leaves_room_for_the_files(void **state)
{
	struct totals t = { 0 };
	struct err e;

	(void)state;
	add_fifo(&t);
	err_set(&e, ERR_LOST, "%1000s", "x");
	assert_int_equal(totals_conclude(&t, 1, "1 of 2 files", &e), ERR_LOST);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_string_equal(e.text + strlen(e.text) - 14, "; 1 of 2 files");
}

/* The sum of FINISH and SUMMARY, which every implementation has to compute
 * alike. */
static void sum_as_specified(void **state)
{
	enum { TIMES = 300 };
	/* id, size, digest */
	static const uint8_t record[] = { 0, 0, 0, 0, 0, 0, 0, 7,
					  0, 0, 0, 0, 0, 0, 1, 2,
					  1, 2, 3, 4, 5, 6, 7, 8 };
	struct totals t = { 0 };
	uint8_t hash[DIGEST_MAX];
	unsigned carry = 0;

	(void)state;
	digest_xxh3.sum(record, sizeof(record), hash);
	totals_file(&t, STATUS_COMMITTED, 7, 0x102, record + 16, 8);
	assert_memory_equal(t.sum, hash, WIRE_SUM_LEN);
	assert_int_equal(t.bytes, 0x102);
	assert_int_equal(t.new_bytes, 0x102);
	for (int i = 1; i < TIMES; i++)
		totals_file(&t, STATUS_UNCHANGED, 7, 0x102, record + 16, 8);
	for (int i = WIRE_SUM_LEN - 1; i >= 0; i--) {
		carry += TIMES * hash[i];
		assert_int_equal(t.sum[i], carry & 0xff);
		carry >>= 8;
	}
	assert_int_equal(t.committed, 1);
	assert_int_equal(t.unchanged, TIMES - 1);
	assert_int_equal(t.new_bytes, 0x102);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_as_specified),
		cmocka_unit_test(an_early_end_outranks_single_files),
		cmocka_unit_test(
			a_complete_session_has_the_result_of_its_files),
		cmocka_unit_test(two_kinds_in_a_complete_session),
		cmocka_unit_test(a_long_error_leaves_room_for_the_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
