/*
 * Unit tests of os/cancel: the flag and the descriptor, seen by many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>

#include "os/cancel.h"

enum { WAITERS = 4, WAIT_MS = 20000 };

static int is_readable(const struct cancel *c, int wait_ms)
{
	struct pollfd pfd = { .fd = cancel_fd(c), .events = POLLIN };

	return poll(&pfd, 1, wait_ms) == 1 && pfd.revents == POLLIN;
}

static void once_set_it_stays_set(void **state)
{
	struct cancel c;

	(void)state;
	assert_int_equal(cancel_init(&c), 0);
	assert_int_equal(cancel_is_set(&c), 0);
	assert_int_equal(is_readable(&c, 0), 0);
	for (int i = 0; i < 3; i++) {
		cancel_set(&c);
		assert_int_equal(cancel_is_set(&c), 1);
		assert_int_equal(is_readable(&c, 0), 1);
	}
	cancel_reset(&c);
	assert_int_equal(cancel_is_set(&c), 0);
	assert_int_equal(is_readable(&c, 0), 0);
	cancel_set(&c);
	assert_int_equal(cancel_is_set(&c), 1);
	assert_int_equal(is_readable(&c, 0), 1);
	cancel_release(&c);
}

static void a_flag_alone_has_no_descriptor(void **state)
{
	struct cancel c;

	(void)state;
	cancel_init_flag(&c);
	assert_int_equal(cancel_is_set(&c), 0);
	assert_int_equal(cancel_fd(&c), -1);
	cancel_set(&c);
	assert_int_equal(cancel_is_set(&c), 1);
	assert_int_equal(cancel_fd(&c), -1);
	cancel_reset(&c);
	assert_int_equal(cancel_is_set(&c), 0);
	cancel_release(&c);
}

static void no_token_is_never_set(void **state)
{
	(void)state;
	assert_int_equal(cancel_is_set(NULL), 0);
	assert_int_equal(cancel_fd(NULL), -1);
}

/* One waits by the descriptor, the next looks at the flag. */
struct waiter {
	const struct cancel *cancel;
	int by_fd, seen;
	pthread_t thread;
};

static void *wait_main(void *arg)
{
	struct waiter *w = arg;

	if (w->by_fd)
		w->seen = is_readable(w->cancel, WAIT_MS);
	while (!w->by_fd && !w->seen)
		w->seen = cancel_is_set(w->cancel);
	return NULL;
}

static void all_waiters_are_woken(void **state)
{
	struct waiter w[WAITERS];
	struct cancel c;

	(void)state;
	assert_int_equal(cancel_init(&c), 0);
	for (int i = 0; i < WAITERS; i++) {
		w[i] = (struct waiter){ .cancel = &c, .by_fd = i % 2 };
		assert_int_equal(pthread_create(&w[i].thread, NULL, wait_main,
						&w[i]),
				 0);
	}
	cancel_set(&c);
	for (int i = 0; i < WAITERS; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		assert_int_equal(w[i].seen, 1);
	}
	cancel_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_set_it_stays_set),
		cmocka_unit_test(a_flag_alone_has_no_descriptor),
		cmocka_unit_test(no_token_is_never_set),
		cmocka_unit_test(all_waiters_are_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
