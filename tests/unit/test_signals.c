/*
 * Signals in child processes: the first is told by descriptor and exit
 * status, the second kills the process, nohup's SIGHUP is left alone.
 */
#include "cmd/signals.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { CHILD_OK = 77 }; /* not to be mixed up with 128 + N */

static int is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static int child_first(int sig)
{
	const int fd = signals_start(NULL);

	if (fd < 0 || is_readable(fd) || signals_caught())
		return 1;
	/* an interruption without a signal is the peer's */
	if (signals_exit_status(ERR_LOST) != 6 ||
	    signals_exit_status(ERR_INTERRUPTED) != 6)
		return 2;
	raise(sig);
	if (!is_readable(fd) || signals_caught() != sig)
		return 3;
	if (signals_exit_status(ERR_INTERRUPTED) != 128 + sig ||
	    signals_exit_status(ERR_LOST) != 128 + sig)
		return 4;
	return signals_exit_status(0) == 0 ? CHILD_OK : 5;
}

static int child_second(int sig)
{
	signals_start(NULL);
	raise(sig == SIGINT ? SIGTERM : SIGINT);
	raise(sig);
	return 1;
}

static int child_nohup(int sig)
{
	int fd;

	signal(sig, SIG_IGN);
	fd = signals_start(NULL);
	raise(sig);
	return is_readable(fd) || signals_caught() ? 1 : CHILD_OK;
}

/* A job that a script put in the background: SIGINT comes to it ignored. */
static int child_background(int sig)
{
	int fd;

	signal(sig, SIG_IGN);
	fd = signals_start(NULL);
	raise(sig);
	return is_readable(fd) ? CHILD_OK : 1;
}

/* Also where it was blocked, as by a parent that is careless. */
static int child_dies(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals_start(NULL);
	signals_die(sig);
}

static int status_of(int (*child)(int), int sig)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* the test itself may run under nohup */
		signal(sig, SIG_DFL);
		_exit(child(sig));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int exit_status_of(int (*child)(int), int sig)
{
	const int status = status_of(child, sig);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int killed_by(int (*child)(int), int sig)
{
	const int status = status_of(child, sig);

	assert_true(WIFSIGNALED(status));
	return WTERMSIG(status);
}

static void test_signals(void **state)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(exit_status_of(child_first, all[i]),
				 CHILD_OK);
		assert_int_equal(killed_by(child_second, all[i]), all[i]);
		assert_int_equal(killed_by(child_dies, all[i]), all[i]);
	}
}

static void test_ignored_before(void **state)
{
	(void)state;
	assert_int_equal(exit_status_of(child_nohup, SIGHUP), CHILD_OK);
	assert_int_equal(exit_status_of(child_background, SIGINT), CHILD_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_ignored_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
