/*
 * Lists of names: both ends of names, pieces of any size, what is refused.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "fs/list.h"

/* A pipe that holds n bytes, and nothing more comes. */
static int filled_pipe(const char *bytes, size_t n)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], bytes, n), n);
	close(fds[1]);
	return fds[0];
}

static void expect_names(const char *bytes, size_t n, char end,
			 const char *const *names)
{
	int fd = filled_pipe(bytes, n);
	struct list *l = list_new(fd, end);
	struct err e;
	char *name;

	assert_non_null(l);
	for (; *names; names++) {
		assert_int_equal(list_next(l, &name, &e), LIST_NAME);
		assert_string_equal(name, *names);
	}
	assert_int_equal(list_next(l, &name, &e), LIST_END);
	assert_int_equal(list_next(l, &name, &e), LIST_END);
	list_free(l);
	close(fd);
}

#define LIST(bytes, end, ...)                                                  \
	expect_names(bytes, sizeof(bytes) - 1, end,                            \
		     (const char *const[]){ __VA_ARGS__, NULL })

static void test_ends(void **state)
{
	(void)state;
	expect_names("", 0, '\n', (const char *const[]){ NULL });
	LIST("a\nb\n", '\n', "a", "b");
	LIST("\n\na\n", '\n', "", "", "a");
	LIST("a\r\n", '\n', "a\r");
	LIST("a\nb\0c\0", '\0', "a\nb", "c");
	LIST("\xff\xfe\n", '\n', "\xff\xfe");
}

struct writer {
	int fd;
	unsigned count;
};

static void *write_names(void *arg)
{
	const struct writer *w = arg;
	FILE *f = fdopen(w->fd, "w");

	for (unsigned i = 0; i < w->count; i++)
		fprintf(f, "%u/%0*u\n", i, (int)(i % 4000), 7);
	fclose(f);
	return NULL;
}

/* Many times the buffer, with names across its end. */
static void test_long_list(void **state)
{
	struct writer w = { .count = 5000 };
	char wanted[5000], *name;
	struct list *l;
	struct err e;
	pthread_t thread;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	w.fd = fds[1];
	assert_int_equal(pthread_create(&thread, NULL, write_names, &w), 0);
	l = list_new(fds[0], '\n');
	for (unsigned i = 0; i < w.count; i++) {
		enum list_result got;

		do
			got = list_next(l, &name, &e);
		while (got == LIST_WAITING);
		assert_int_equal(got, LIST_NAME);
		snprintf(wanted, sizeof(wanted), "%u/%0*u", i, (int)(i % 4000),
			 7);
		assert_string_equal(name, wanted);
	}
	pthread_join(thread, NULL);
	assert_int_equal(list_next(l, &name, &e), LIST_END);
	list_free(l);
	close(fds[0]);
}

static void test_waiting(void **state)
{
	struct list *l;
	struct err e;
	char *name;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	l = list_new(fds[0], '\n');
	assert_int_equal(list_next(l, &name, &e), LIST_WAITING);
	assert_int_equal(write(fds[1], "a", 1), 1);
	assert_int_equal(list_next(l, &name, &e), LIST_WAITING);
	assert_int_equal(write(fds[1], "b\nc\n", 4), 4);
	assert_int_equal(list_next(l, &name, &e), LIST_NAME);
	assert_string_equal(name, "ab");
	close(fds[1]);
	assert_int_equal(list_next(l, &name, &e), LIST_NAME);
	assert_string_equal(name, "c");
	assert_int_equal(list_next(l, &name, &e), LIST_END);
	list_free(l);
	close(fds[0]);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void *write_in_the_end(void *arg)
{
	static const struct timespec long_after = { .tv_sec = 1 };

	nanosleep(&long_after, NULL);
	assert_int_equal(write(*(int *)arg, "a\n", 2), 2);
	return NULL;
}

/* A signal ends the wait, but not with a read() that waits on. */
static void test_interrupted(void **state)
{
	const struct sigaction sa = { .sa_handler = on_alarm,
				      .sa_flags = SA_RESTART };
	const struct itimerval soon = { .it_value = { .tv_usec = 50000 } };
	sigset_t alarms, before;
	struct list *l;
	struct err e;
	pthread_t thread;
	char *name;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	l = list_new(fds[0], '\n');
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	/* Only this thread gets the signal. */
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, &before);
	assert_int_equal(
		pthread_create(&thread, NULL, write_in_the_end, &fds[1]), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(list_next(l, &name, &e), LIST_WAITING);
	pthread_join(thread, NULL);
	assert_int_equal(list_next(l, &name, &e), LIST_NAME);
	assert_string_equal(name, "a");
	list_free(l);
	close(fds[0]);
	close(fds[1]);
}

static void expect_failure(const char *bytes, size_t n, char end,
			   const char *text)
{
	int fd = filled_pipe(bytes, n);
	struct list *l = list_new(fd, end);
	struct err e;
	char *name;

	assert_int_equal(list_next(l, &name, &e), LIST_FAILED);
	assert_int_equal(e.code, ERR_LOCAL);
	assert_non_null(strstr(e.text, text));
	list_free(l);
	close(fd);
}

static void test_refused(void **state)
{
	static char longest[20000];
	struct list *l;
	struct err e;
	char *name;
	int fd;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\n';
	expect_failure(longest, sizeof(longest), '\n', "too long for a path");
	expect_failure(longest, sizeof(longest) - 1, '\n', "-0");
	expect_failure("a\0b\n", 4, '\n', "is -0 missing?");
	expect_failure("a\0b", 3, '\n', "is -0 missing?");
	expect_failure("a", 1, '\n', "without a newline after a: its writer");
	expect_failure("a", 1, '\0', "without a NUL after a: its writer");
	fd = open("/", O_RDONLY | O_DIRECTORY);
	l = list_new(fd, '\n');
	assert_int_equal(list_next(l, &name, &e), LIST_FAILED);
	assert_non_null(strstr(e.text, "cannot read the list of names: Is a dir"));
	list_free(l);
	close(fd);
	list_free(NULL);
}

/* Only the last line of a regular file may lack its end. */
static void test_file(void **state)
{
	struct list *l;
	struct err e;
	char *name;
	int fd = memfd_create("list", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(fd, "a\nb", 3), 3);
	lseek(fd, 0, SEEK_SET);
	l = list_new(fd, '\n');
	assert_true(list_is_file(l));
	assert_int_equal(list_next(l, &name, &e), LIST_NAME);
	assert_int_equal(list_next(l, &name, &e), LIST_NAME);
	assert_string_equal(name, "b");
	assert_int_equal(list_next(l, &name, &e), LIST_END);
	list_free(l);
	lseek(fd, 0, SEEK_SET);
	l = list_new(fd, '\0');
	assert_int_equal(list_next(l, &name, &e), LIST_FAILED);
	list_free(l);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
