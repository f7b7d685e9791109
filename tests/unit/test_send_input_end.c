/* When the end of an input counts as the effect of a signal. */
#define _XOPEN_SOURCE 700 /* posix_openpt() */
#include "sender/input_end.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void on_signal(int sig)
{
	(void)sig;
}

static void *ask(void *fd)
{
	return (void *)(intptr_t)input_end_is_signalled(*(const int *)fd);
}

/* What another thread says of an end of input. */
static int is_signalled(int fd)
{
	pthread_t thread;
	void *result;

	assert_int_equal(pthread_create(&thread, NULL, ask, &fd), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	return (int)(intptr_t)result;
}

static void test_wakes(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_false(is_signalled(fds[0]));
	assert_int_equal(write(fds[1], "", 1), 1);
	assert_true(is_signalled(fds[0]));
	assert_false(is_signalled(-1));
	close(fds[0]);
	close(fds[1]);
}

/* A signal that no thread has taken yet, as where none of them has run since:
 * all of them block it here. */
static void test_pending(void **state)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = on_signal }, old;
	sigset_t set, before, pending;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		sigemptyset(&set);
		sigaddset(&set, sigs[i]);
		sigemptyset(&act.sa_mask);
		assert_int_equal(sigaction(sigs[i], &act, &old), 0);
		pthread_sigmask(SIG_BLOCK, &set, &before);
		assert_int_equal(kill(getpid(), sigs[i]), 0);
		assert_true(is_signalled(fds[0]));
		/* it is still there for who handles it */
		assert_int_equal(sigpending(&pending), 0);
		assert_true(sigismember(&pending, sigs[i]));
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		assert_int_equal(sigaction(sigs[i], &old, NULL), 0);
	}
	assert_false(is_signalled(fds[0]));
	close(fds[0]);
	close(fds[1]);
}

static void test_hung_up(void **state)
{
	int fds[2], null = open("/dev/null", O_RDONLY);
	int master = posix_openpt(O_RDWR | O_NOCTTY), terminal;

	(void)state;
	assert_true(null >= 0 && master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	assert_false(input_end_is_hung_up(terminal));
	close(master);
	assert_true(input_end_is_hung_up(terminal));
	close(terminal);
	/* others end without a loss */
	assert_int_equal(pipe(fds), 0);
	close(fds[1]);
	assert_false(input_end_is_hung_up(fds[0]));
	assert_false(input_end_is_hung_up(null));
	close(fds[0]);
	close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wakes),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_hung_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
