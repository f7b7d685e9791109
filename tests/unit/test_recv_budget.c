/*
 * Descriptors and quotas of sessions.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "within.h"

#include "base/clock.h"
#include "os/cancel.h"
#include "receiver/fd_budget.h"
#include "receiver/quota.h"
#include "receiver/verdict.h"

enum { STREAMS = 16, LEAST = 17 };

/* No division gives more than there is, and each has at least one of all. */
static void divisions_fit(void **state)
{
	struct fd_share share;

	(void)state;
	for (uint64_t fds = LEAST; fds < 30000; fds++) {
		assert_int_equal(fd_budget_divide(fds, STREAMS, &share), 0);
		assert_true(share.fds <= fds);
		assert_true(share.streams >= 1 && share.streams <= STREAMS);
		assert_true(share.open_files >= 1 && share.open_files <= 64);
		assert_true(share.commits >= 1 && share.commits <= 10240);
		assert_true(share.dirs >= 4 && share.dirs <= 128);
		assert_true(share.walk_dirs >= 2 && share.walk_dirs <= 128);
		assert_true(share.streams * (1 + share.dirs) +
				    2 * share.walk_dirs +
				    4 * share.open_files + 2 * share.commits <
			    fds);
	}
	assert_int_equal(fd_budget_divide(LEAST - 1, STREAMS, &share), -1);
	assert_int_equal(fd_budget_divide(1 << 20, STREAMS, &share), 0);
	assert_int_equal(share.streams, STREAMS);
	assert_int_equal(share.open_files, 64);
	assert_int_equal(share.commits, 10240);
	assert_int_equal(fd_budget_divide(1 << 20, 1, &share), 0);
	assert_int_equal(share.streams, 1);
}

/* With 1024 descriptors there is something for each of 16 sessions, though the
 * first ones get more. */
static void the_last_session_finds_something(void **state)
{
	enum { SESSIONS = 16 };
	struct rlimit before, limit = { 1024, 1024 };
	struct fd_share shares[SESSIONS];
	struct fd_budget *b;
	uint64_t all = 0;
	struct err e;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	if (before.rlim_max < 1024)
		skip();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	b = fd_budget_new(SESSIONS);
	assert_non_null(b);
	assert_int_equal(fd_budget_take_pending(b, 64), 64);
	for (unsigned i = 0; i < SESSIONS; i++) {
		assert_int_equal(fd_budget_take(b, STREAMS, clock_ms(), NULL,
						&shares[i], &e),
				 0);
		all += shares[i].fds;
	}
	assert_true(all <= 1024);
	assert_true(shares[0].streams > 4);
	fd_budget_free(b);
}

struct taker {
	struct fd_budget *budget;
	struct fd_share share;
	int rc;
};

static void *take(void *arg)
{
	struct taker *t = arg;
	struct err e;

	t->rc = fd_budget_take(t->budget, STREAMS, clock_ms() + 20000,
			       NULL, &t->share, &e);
	return NULL;
}

/* Sessions take shares until too little is left; the next one waits until one
 * of them gives its share back. */
static void one_that_finds_too_little_waits(void **state)
{
	struct fd_share shares[64];
	struct taker waiting;
	struct rlimit limit = { 256, 256 };
	struct cancel stop;
	pthread_t thread;
	uint64_t all = 0;
	unsigned n = 0;
	struct err e;

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	waiting.budget = fd_budget_new(100);
	assert_non_null(waiting.budget);
	assert_within(fd_budget_take_pending(waiting.budget, 64), 2, 32);
	while (n < 64 && fd_budget_take(waiting.budget, STREAMS, clock_ms(),
					NULL, &shares[n], &e) == 0)
		all += shares[n++].fds;
	assert_within(n, 4, 12);
	assert_true(all <= 256);
	assert_int_equal(e.code, ERR_RESOURCE);
	assert_int_equal(shares[n].streams, 0);
	assert_int_equal(cancel_init(&stop), 0);
	cancel_set(&stop);
	assert_int_equal(fd_budget_take(waiting.budget, STREAMS,
					clock_ms() + 60000, &stop, &shares[n],
					&e),
			 ERR_RESOURCE);
	assert_int_equal(pthread_create(&thread, NULL, take, &waiting), 0);
	fd_budget_give_back(waiting.budget, &shares[0]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(waiting.rc, 0);
	assert_within(waiting.share.fds, LEAST, shares[0].fds + LEAST);
	cancel_release(&stop);
	fd_budget_free(waiting.budget);
}

static void quota_counts_items_and_bytes(void **state)
{
	struct quota *q = quota_new(3, 1000);
	struct verdict v = { 0 };

	(void)state;
	assert_non_null(q);
	assert_int_equal(quota_take(q, 1, 600, &v), 0);
	/* what the caller had there is neither read nor kept */
	memset(&v, 0xff, sizeof(v));
	assert_int_equal(quota_take(q, 1, 401, &v), -1);
	assert_int_equal(v.not_kept, 0);
	assert_null(v.rival);
	assert_int_equal(v.status, STATUS_FAILED);
	assert_int_equal(v.cause, CAUSE_LIMIT);
	assert_int_equal(v.need, 401);
	assert_int_equal(v.have, 400);
	/* What was refused is not counted. */
	assert_int_equal(quota_take(q, 1, 400, &v), 0);
	quota_give_back(q, 1, 400);
	assert_int_equal(quota_take(q, 2, 400, &v), 0);
	memset(&v, 0xff, sizeof(v));
	assert_int_equal(quota_take(q, 1, 0, &v), -1);
	assert_null(v.rival);
	assert_int_equal(v.need, 0);
	assert_int_equal(v.have, 0);
	assert_int_equal(quota_take(q, 0, 0, &v), 0);
	quota_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(divisions_fit),
		cmocka_unit_test(the_last_session_finds_something),
		cmocka_unit_test(one_that_finds_too_little_waits),
		cmocka_unit_test(quota_counts_items_and_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
