/*
 * Shares of the processors: a sender with many threads and one with a single
 * one, on one processor.
 */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "receiver/cpu_share.h"

enum { MANY = 8, WINDOW_MS = 300, WINDOWS_MAX = 40,
       ENOUGH_NS = 150 * 1000 * 1000 };

struct busy {
	pthread_t thread;
	struct cpu_meter meter;
	atomic_int *stop;
	_Atomic uint64_t cpu_ns;
};

static void *work(void *arg)
{
	struct busy *b = arg;
	struct thread_usage u;

	while (!atomic_load(b->stop)) {
		for (volatile int i = 0; i < 20000; i++)
			;
		cpu_share_check(&b->meter);
		if (thread_usage_get(&u) == 0)
			atomic_store(&b->cpu_ns, u.cpu_ns);
	}
	return NULL;
}

static void start(struct busy *b, struct cpu_share *share, atomic_int *stop)
{
	b->meter.share = share;
	b->stop = stop;
	assert_int_equal(pthread_create(&b->thread, NULL, work, b), 0);
}

static uint64_t used(struct busy *b, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += atomic_load(&b[i].cpu_ns);
	return sum;
}

static void pause_ms(unsigned ms)
{
	const uint64_t end = clock_ms() + ms;

	while (clock_left_ms(end) > 0)
		sched_yield();
}

static void on_one_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void test_many_threads_and_one(void **state)
{
	static const uint8_t many_id[STREAM_PEER] = "many", one_id[STREAM_PEER] =
								 "one";
	struct cpu_shares *all = cpu_share_new();
	struct busy many[MANY] = { 0 }, one = { 0 };
	struct cpu_share *s, *t;
	atomic_int stop = 0;
	uint64_t many_before, many_ns = 0, one_ns = 0;

	(void)state;
	if (thread_usage_get(&many[0].meter.usage))
		skip();
	memset(many, 0, sizeof(many));
	on_one_processor();
	s = cpu_share_take(all, many_id);
	t = cpu_share_take(all, one_id);
	for (unsigned i = 0; i < MANY; i++)
		start(&many[i], s, &stop);
	pause_ms(WINDOW_MS);
	start(&one, t, &stop);
	/* By threads it would be 8 to 1.  How soon it is seen that the one is
	 * preempted is up to the kernel, and to what else runs on this
	 * processor; and of little time the parts are chance. */
	many_before = used(many, MANY);
	for (int i = 0; i < WINDOWS_MAX; i++) {
		pause_ms(WINDOW_MS);
		many_ns = used(many, MANY) - many_before;
		one_ns = used(&one, 1);
		if (4 * one_ns > many_ns && many_ns + one_ns > ENOUGH_NS)
			break;
	}
	atomic_store(&stop, 1);
	for (unsigned i = 0; i < MANY; i++)
		pthread_join(many[i].thread, NULL);
	pthread_join(one.thread, NULL);
	print_message("many: %llu ms, one: %llu ms\n",
		      (unsigned long long)many_ns / 1000000,
		      (unsigned long long)one_ns / 1000000);
	assert_true(4 * one_ns > many_ns);
	cpu_share_give_back(s);
	cpu_share_give_back(t);
	cpu_share_free(all);
}

struct crowd {
	struct cpu_meter meter;
	pthread_t thread;
	atomic_int *stop, *running, *most;
	atomic_uint turns;
};

static void work_a_bit(struct crowd *c)
{
	const int n = atomic_fetch_add(c->running, 1) + 1;
	int most = atomic_load(c->most);

	while (n > most && !atomic_compare_exchange_weak(c->most, &most, n))
		;
	for (volatile int i = 0; i < 20000; i++)
		;
	/* as one that is preempted in the middle */
	sched_yield();
	atomic_fetch_sub(c->running, 1);
	atomic_fetch_add(&c->turns, 1);
}

static void *crowd_main(void *arg)
{
	struct crowd *c = arg;

	while (!atomic_load(c->stop)) {
		cpu_share_begin_work(&c->meter);
		work_a_bit(c);
		cpu_share_check(&c->meter);
		work_a_bit(c);
		cpu_share_end_work(&c->meter);
	}
	return NULL;
}

/* However many threads a sender has, few of them run at a time, and each has
 * its turn; as soon as there is no other sender, they all go on. */
static void test_few_run_at_a_time(void **state)
{
	static const uint8_t id[STREAM_PEER] = "crowd", other[STREAM_PEER] =
								"other";
	struct cpu_shares *all = cpu_share_new();
	struct cpu_share *s = cpu_share_take(all, id);
	struct cpu_share *t = cpu_share_take(all, other);
	const unsigned count = cpu_share_run_max(all) + 8;
	struct crowd *crowd = calloc(count, sizeof(*crowd));
	atomic_int stop = 0, running = 0, most = 0;
	unsigned waiting = count;

	(void)state;
	assert_non_null(crowd);
	for (unsigned i = 0; i < count; i++) {
		crowd[i].meter.share = s;
		crowd[i].stop = &stop;
		crowd[i].running = &running;
		crowd[i].most = &most;
		assert_int_equal(pthread_create(&crowd[i].thread, NULL,
						crowd_main, &crowd[i]), 0);
	}
	for (int i = 0; i < WINDOWS_MAX && waiting > 0; i++) {
		pause_ms(WINDOW_MS);
		waiting = 0;
		for (unsigned k = 0; k < count; k++)
			waiting += atomic_load(&crowd[k].turns) < 4;
	}
	assert_int_equal(waiting, 0);
	assert_true((unsigned)atomic_load(&most) <= cpu_share_run_max(all));
	cpu_share_give_back(t);
	for (int i = 0; i < WINDOWS_MAX &&
			(unsigned)atomic_load(&most) <= cpu_share_run_max(all);
	     i++)
		pause_ms(WINDOW_MS);
	assert_true((unsigned)atomic_load(&most) > cpu_share_run_max(all));
	atomic_store(&stop, 1);
	for (unsigned i = 0; i < count; i++)
		pthread_join(crowd[i].thread, NULL);
	free(crowd);
	cpu_share_give_back(s);
	cpu_share_free(all);
}

struct runner {
	struct cpu_meter meter;
	pthread_t thread;
	atomic_int *stop;
	_Atomic uint64_t turns, longest_ms;
};

/* Always has something to do: gives way only because its turn is over. */
static void *runner_main(void *arg)
{
	struct runner *r = arg;
	uint64_t before_ms = clock_ms();

	cpu_share_begin_work(&r->meter);
	while (!atomic_load(r->stop)) {
		const uint64_t until_ns = r->meter.until_ns;
		uint64_t now_ms;

		for (volatile int i = 0; i < 20000; i++)
			;
		cpu_share_check(&r->meter);
		now_ms = clock_ms();
		if (now_ms - before_ms > atomic_load(&r->longest_ms))
			atomic_store(&r->longest_ms, now_ms - before_ms);
		before_ms = now_ms;
		if (r->meter.until_ns > until_ns)
			atomic_fetch_add(&r->turns, 1);
	}
	cpu_share_end_work(&r->meter);
	return NULL;
}

/* Who has had its turn does not have the next one while others wait.  A thread
 * that other programs keep from running in its turn has fewer than the rest;
 * without an order, some would have one a second where the rest have fifty. */
static void test_turns_go_round(void **state)
{
	static const uint8_t id[STREAM_PEER] = "runners", other[STREAM_PEER] =
								  "other";
	struct cpu_shares *all = cpu_share_new();
	struct cpu_share *s = cpu_share_take(all, id);
	struct cpu_share *t = cpu_share_take(all, other);
	const unsigned count = cpu_share_run_max(all) + 2;
	struct runner *runners = calloc(count, sizeof(*runners));
	uint64_t least = UINT64_MAX, most = 0, longest_ms = 0;
	atomic_int stop = 0;

	(void)state;
	assert_non_null(runners);
	for (unsigned i = 0; i < count; i++) {
		runners[i].meter.share = s;
		runners[i].stop = &stop;
		assert_int_equal(pthread_create(&runners[i].thread, NULL,
						runner_main, &runners[i]), 0);
	}
	for (int i = 0; i < WINDOWS_MAX && (least < 10 || i == 0); i++) {
		pause_ms(WINDOW_MS);
		least = UINT64_MAX;
		for (unsigned k = 0; k < count; k++) {
			const uint64_t n = atomic_load(&runners[k].turns);

			least = n < least ? n : least;
		}
		least = least == UINT64_MAX ? 0 : least;
	}
	atomic_store(&stop, 1);
	for (unsigned i = 0; i < count; i++) {
		const uint64_t n = atomic_load(&runners[i].turns);
		const uint64_t ms = atomic_load(&runners[i].longest_ms);

		pthread_join(runners[i].thread, NULL);
		most = n > most ? n : most;
		longest_ms = ms > longest_ms ? ms : longest_ms;
	}
	print_message("turns: %llu to %llu, the longest wait: %llu ms\n",
		      (unsigned long long)least, (unsigned long long)most,
		      (unsigned long long)longest_ms);
	assert_true(least >= 10 && most <= 2 * least + 4);
	free(runners);
	cpu_share_give_back(t);
	cpu_share_give_back(s);
	cpu_share_free(all);
}

/* Both are the same sender's, or there is no other. */
static void test_one_sender_is_not_limited(void **state)
{
	static const uint8_t id[STREAM_PEER] = "one";
	struct cpu_shares *all = cpu_share_new();
	struct cpu_share *s = cpu_share_take(all, id);
	struct cpu_share *t = cpu_share_take(all, id);
	struct cpu_meter m = { .share = s };

	(void)state;
	assert_ptr_equal(s, t);
	for (int i = 0; i < 1000; i++)
		cpu_share_check(&m);
	/* what it has used was not even read */
	assert_int_equal(m.metered_ns, 0);
	cpu_share_give_back(t);
	cpu_share_give_back(s);
	cpu_share_give_back(NULL);
	/* nobody's: nothing is counted */
	m.share = NULL;
	cpu_share_check(&m);
	cpu_share_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_run_at_a_time),
		cmocka_unit_test(test_turns_go_round),
		cmocka_unit_test(test_many_threads_and_one),
		cmocka_unit_test(test_one_sender_is_not_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
