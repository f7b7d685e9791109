/*
 * Lines come out as they were put in, through memory and file; what memory is
 * used; and what happens when the file is full or broken.
 */
#include "cmd/line_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINE = 100, BLOCK_LINES = LINE_QUEUE_BLOCK / LINE };

/* The descriptor of the queue's file is one of the lowest that were free. */
static struct line_queue *start(int *fd)
{
	struct line_queue *q;

	*fd = dup(STDIN_FILENO);
	assert_true(*fd >= 0);
	close(*fd);
	q = line_queue_new();
	assert_non_null(q);
	while (fcntl(*fd, F_GETFD) < 0)
		++*fd;
	return q;
}

static void finish(struct line_queue *q)
{
	line_queue_free(q);
}

/* Line i has LINE bytes. */
static int put(struct line_queue *q, unsigned i)
{
	char line[LINE + 1];

	snprintf(line, sizeof(line), "%0*u\n", LINE - 1, i);
	return line_queue_put(q, line, LINE);
}

static void put_all(struct line_queue *q, unsigned from, unsigned count)
{
	for (unsigned i = from; i < from + count; i++)
		assert_int_equal(put(q, i), 0);
}

/* The front must hold lines from i on.  Returns how many. */
static unsigned check_front(struct line_queue *q, unsigned i)
{
	char line[LINE + 1];
	const char *p;
	size_t n;

	assert_int_equal(line_queue_front(q, &p, &n), 0);
	assert_int_equal(n % LINE, 0);
	for (size_t at = 0; at < n; at += LINE, i++) {
		snprintf(line, sizeof(line), "%0*u\n", LINE - 1, i);
		assert_memory_equal(p + at, line, LINE);
	}
	return (unsigned)(n / LINE);
}

/* Take lines from i on, until the queue is empty.  Returns the next i. */
static unsigned take_all(struct line_queue *q, unsigned i)
{
	unsigned n;

	while ((n = check_front(q, i)) > 0) {
		line_queue_pop(q, (size_t)n * LINE);
		i += n;
	}
	assert_int_equal(line_queue_size(q), 0);
	return i;
}

static off_t file_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static void test_order(void **state)
{
	int fd;
	struct line_queue *q = start(&fd);

	(void)state;
	assert_int_equal(take_all(q, 0), 0);
	put_all(q, 0, 3);
	assert_int_equal(line_queue_size(q), 3 * LINE);
	assert_int_equal(take_all(q, 0), 3);
	/* what is taken in time never touches the file */
	for (unsigned i = 0; i < 4; i++) {
		put_all(q, i * BLOCK_LINES, BLOCK_LINES);
		assert_int_equal(take_all(q, i * BLOCK_LINES),
				 (i + 1) * BLOCK_LINES);
	}
	assert_int_equal(file_size(fd), 0);
	finish(q);
}

static void test_order_through_the_file(void **state)
{
	int fd;
	struct line_queue *q = start(&fd);
	unsigned in = 0, out = 0;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		put_all(q, in, 7 * BLOCK_LINES + 13);
		in += 7 * BLOCK_LINES + 13;
		assert_true(file_size(fd) > 4 * LINE_QUEUE_BLOCK);
		out = take_all(q, out);
		assert_int_equal(out, in);
		/* the room is given back */
		assert_int_equal(file_size(fd), 0);
	}
	finish(q);
}

/* Lines of all lengths, put and taken in turns of all sizes. */
static void test_any_mix(void **state)
{
	enum { TOTAL = 12 * 1024 * 1024 };
	int fd;
	struct line_queue *q = start(&fd);
	char *all = malloc(TOTAL + LINE_QUEUE_LINE_MAX);
	size_t in = 0, out = 0, n;
	const char *p;

	(void)state;
	assert_non_null(all);
	srandom(1);
	while (in < TOTAL || out < in) {
		/* often more in than out, and the other way round later */
		unsigned puts = in < TOTAL ? (unsigned)random() % 40 : 0;

		while (puts-- > 0 && in < TOTAL) {
			size_t len = (size_t)random() % (random() % 20 ?
				     300 : LINE_QUEUE_LINE_MAX) + 1;

			memset(all + in, 'a' + (int)(random() % 26), len);
			all[in + len - 1] = '\n';
			assert_int_equal(line_queue_put(q, all + in, len), 0);
			in += len;
		}
		assert_int_equal(line_queue_size(q), in - out);
		assert_int_equal(line_queue_front(q, &p, &n), 0);
		assert_true(n > 0 || in == out);
		assert_true(n == 0 || p[n - 1] == '\n');
		assert_memory_equal(all + out, p, n);
		if (n > 0)
			n = (size_t)random() % n + 1;
		line_queue_pop(q, n);
		out += n;
	}
	free(all);
	finish(q);
}

static void test_front_stays(void **state)
{
	int fd;
	struct line_queue *q = start(&fd);
	const char *p;
	char *copy;
	size_t n;

	(void)state;
	put_all(q, 0, BLOCK_LINES);
	assert_int_equal(line_queue_front(q, &p, &n), 0);
	assert_int_equal(n, (size_t)BLOCK_LINES * LINE);
	copy = malloc(n);
	assert_non_null(copy);
	memcpy(copy, p, n);
	line_queue_pop(q, LINE);
	put_all(q, BLOCK_LINES, 3 * BLOCK_LINES);
	assert_memory_equal(copy, p, n);
	free(copy);
	assert_int_equal(take_all(q, 1), 4 * BLOCK_LINES);
	finish(q);
}

static void test_memory_does_not_grow(void **state)
{
	int fd;
	struct line_queue *q = start(&fd);
	struct mallinfo2 before = mallinfo2(), after;

	(void)state;
	put_all(q, 0, 20 * BLOCK_LINES);
	after = mallinfo2();
	assert_int_equal(after.uordblks + after.hblkhd,
			 before.uordblks + before.hblkhd);
	take_all(q, 0);
	after = mallinfo2();
	assert_int_equal(after.uordblks + after.hblkhd,
			 before.uordblks + before.hblkhd);
	finish(q);
}

static void limit_files(rlim_t size)
{
	struct rlimit lim;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
	lim.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

static void test_full_file(void **state)
{
	int fd;
	struct line_queue *q = start(&fd);
	unsigned in = 0, out;

	(void)state;
	limit_files(3 * LINE_QUEUE_BLOCK);
	while (put(q, in) == 0)
		in++;
	assert_int_equal(put(q, in), EFBIG);
	/* two blocks in memory, less than a line each for what is cut */
	assert_true(in >= 4 * BLOCK_LINES);
	assert_true(in <= 5 * BLOCK_LINES);
	/* once the file was read it has room again: on where it was refused */
	for (out = 0; put(q, in) != 0; out += BLOCK_LINES) {
		assert_int_equal(check_front(q, out), BLOCK_LINES);
		line_queue_pop(q, (size_t)BLOCK_LINES * LINE);
	}
	assert_int_equal(take_all(q, out), in + 1);
	put_all(q, 0, 4 * BLOCK_LINES);
	limit_files(RLIM_INFINITY);
	line_queue_clear(q);
	assert_int_equal(line_queue_size(q), 0);
	put_all(q, 0, 2);
	assert_int_equal(take_all(q, 0), 2);
	finish(q);
}

static void test_broken_file(void **state)
{
	int fd;
	struct line_queue *q = start(&fd);
	const char *p;
	size_t n;

	(void)state;
	put_all(q, 0, 4 * BLOCK_LINES);
	assert_int_equal(ftruncate(fd, LINE_QUEUE_BLOCK), 0);
	line_queue_pop(q, (size_t)check_front(q, 0) * LINE);
	for (int i = 0; i < 9 && line_queue_front(q, &p, &n) == 0; i++)
		line_queue_pop(q, n);
	/* the last block is in memory and comes all the same */
	assert_true(line_queue_size(q) > 0);
	assert_true(line_queue_size(q) <= LINE_QUEUE_BLOCK);
	assert_int_equal(line_queue_front(q, &p, &n), 0);
	assert_true(n > 0);
	finish(q);
}

/* Where the file is, of which nothing is to be seen. */
static void test_tmpdir(void **state)
{
	char dir[] = "/tmp/ferry-test-XXXXXX", path[64], link[256];
	struct stat st;
	struct line_queue *q;
	ssize_t n;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(setenv("TMPDIR", dir, 1), 0);
	q = start(&fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	assert_true(n > 0);
	link[n] = '\0';
	assert_memory_equal(link, dir, strlen(dir));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	/* empty, or it could not be removed */
	assert_int_equal(rmdir(dir), 0);
	finish(q);
	/* one that is not there is no trouble */
	q = start(&fd);
	put_all(q, 0, 3 * BLOCK_LINES);
	assert_int_equal(take_all(q, 0), 3 * BLOCK_LINES);
	finish(q);
	unsetenv("TMPDIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_order_through_the_file),
		cmocka_unit_test(test_any_mix),
		cmocka_unit_test(test_front_stays),
		cmocka_unit_test(test_memory_does_not_grow),
		cmocka_unit_test(test_full_file),
		cmocka_unit_test(test_broken_file),
		cmocka_unit_test(test_tmpdir),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
