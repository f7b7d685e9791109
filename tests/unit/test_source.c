/*
 * Reading files that change while they are read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "fs/source.h"
#include "../lib/scratch.h"
#include "os_lacks.h"
#include "within.h"

struct place {
	char path[64]; /* short: a socket is made in it */
	int dir;
	int fds;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dir = scratch_make(p->path, sizeof(p->path), "source");
	p->fds = count_fds();
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	int rc = scratch_remove(p->path);

	close(p->dir);
	free(p);
	return rc;
}

/* As put_file(), but in place where there is one. */
static void write_over(int dir, const char *name, const char *text)
{
	store_file(dir, name, text, O_TRUNC);
}

static struct stat scan_stat(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void test_open(void **state)
{
	struct place *p = *state;
	struct stat st;
	struct err e;
	int fd;

	write_over(p->dir, "-f\n\x1b\xff", "hello");
	fd = source_open(p->dir, "-f\n\x1b\xff", 0, &st, &e);
	assert_true(fd >= 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
	assert_int_equal(symlinkat("-f\n\x1b\xff", p->dir, "l"), 0);
	assert_int_equal(source_open(p->dir, "l", 0, &st, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ELOOP);
	fd = source_open(p->dir, "l", 1, &st, &e);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(source_open(p->dir, "none", 0, &st, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_int_equal(count_fds(), p->fds);
}

static int read_whole(int dir, const char *name, enum source_flags flags,
		      struct stat *st, void *p, size_t cap, size_t *len,
		      struct err *e)
{
	int rc, fd = source_open_small(dir, name, flags, e);

	*len = 0;
	if (fd < 0)
		return fd;
	rc = source_read_small(fd, flags, st, p, cap, len, e);
	close(fd);
	return rc;
}

/* Nothing here may wait: the alarm is the proof. */
static void test_special_files(void **state)
{
	static const char *const names[] = { "fifo", "socket", "dir", "null" };
	struct place *p = *state;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char buf[16];
	size_t len;
	struct err e;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(mkfifoat(p->dir, "fifo", 0644), 0);
	assert_int_equal(mkdirat(p->dir, "dir", 0755), 0);
	assert_int_equal(symlinkat("/dev/null", p->dir, "null"), 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/socket", p->path);
	assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(s);
	alarm(scaled(5));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct stat st = scan_stat(p->dir, names[i]);

		assert_int_equal(source_open(p->dir, names[i], 1, &st, &e),
				 ERR_LOCAL);
		assert_int_not_equal(e.sys_errno, 0);
		assert_int_equal(read_whole(p->dir, names[i], 1, &st, buf,
					    sizeof(buf), &len, &e),
				 ERR_LOCAL);
		assert_int_not_equal(e.sys_errno, 0);
		assert_int_equal(len, 0);
	}
	alarm(0);
	assert_int_equal(count_fds(), p->fds);
}

static void test_small(void **state)
{
	struct place *p = *state;
	struct stat st;
	char buf[64];
	size_t len;
	struct err e;

	write_over(p->dir, "f", "hello");
	/* with room, and with exactly as much as there is */
	for (size_t cap = 5; cap <= sizeof(buf); cap += 59) {
		st = scan_stat(p->dir, "f");
		memset(buf, 'x', sizeof(buf));
		assert_int_equal(read_whole(p->dir, "f", 0, &st, buf,
						   cap, &len, &e),
				 0);
		assert_int_equal(len, 5);
		assert_memory_equal(buf, "hellox", 6);
	}
	write_over(p->dir, "empty", "");
	st = scan_stat(p->dir, "empty");
	assert_int_equal(
		read_whole(p->dir, "empty", 0, &st, buf, 64, &len, &e),
		0);
	assert_int_equal(len, 0);
	assert_int_equal(
		read_whole(p->dir, "empty", 0, &st, buf, 0, &len, &e),
		0);
	assert_int_equal(symlinkat("f", p->dir, "l"), 0);
	assert_int_equal(
		read_whole(p->dir, "l", 0, &st, buf, 64, &len, &e),
		ERR_LOCAL);
	assert_int_equal(e.sys_errno, ELOOP);
	assert_int_equal(
		read_whole(p->dir, "none", 0, &st, buf, 64, &len, &e),
		ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_int_equal(count_fds(), p->fds);
}

/* It is not what the scan saw, but stands still now: take it as it is. */
static void test_small_changed_since_scan(void **state)
{
	static const char *const now[] = { "hello, world", "hell", "",
					   "HELLO" };
	struct place *p = *state;
	struct stat st, now_there;
	char buf[64];
	size_t len;
	struct err e;

	for (size_t i = 0; i < sizeof(now) / sizeof(now[0]); i++) {
		write_over(p->dir, "f", "hello");
		st = scan_stat(p->dir, "f");
		/* as if that was long ago */
		st.st_mtim.tv_sec -= 100;
		st.st_ctim.tv_sec -= 100;
		write_over(p->dir, "f", now[i]);
		assert_int_equal(read_whole(p->dir, "f", 0, &st, buf, 64,
						   &len, &e),
				 0);
		assert_int_equal(len, strlen(now[i]));
		assert_memory_equal(buf, now[i], len);
		assert_int_equal(st.st_size, len);
		now_there = scan_stat(p->dir, "f");
		assert_int_equal(source_compare(&st, &now_there), SOURCE_SAME);
	}
	/* replaced by another file */
	st = scan_stat(p->dir, "f");
	write_over(p->dir, "g", "other");
	assert_int_equal(renameat(p->dir, "g", p->dir, "f"), 0);
	assert_int_equal(
		read_whole(p->dir, "f", 0, &st, buf, 64, &len, &e), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(buf, "other", 5);
	assert_int_equal(st.st_ino, scan_stat(p->dir, "f").st_ino);
}

static void test_small_grew_beyond_cap(void **state)
{
	struct place *p = *state;
	struct stat st;
	char buf[9];
	size_t len;
	struct err e;

	write_over(p->dir, "f", "hello");
	st = scan_stat(p->dir, "f");
	write_over(p->dir, "f", "hello, world");
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(
		read_whole(p->dir, "f", 0, &st, buf, 8, &len, &e),
		ERR_CHANGED);
	assert_int_equal(buf[8], 'x');
	assert_int_equal(len, 0);
	assert_int_equal(count_fds(), p->fds);
}

/* Files of /proc and /sys do not have the size they say. */
static void test_small_proc(void **state)
{
	struct place *p = *state;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY);
	int sys = open("/sys/kernel", O_RDONLY | O_DIRECTORY);
	struct stat st;
	char buf[4096], tiny[4];
	size_t len;
	struct err e;

	(void)p;
	assert_true(proc >= 0);
	st = scan_stat(proc, "version");
	assert_int_equal(st.st_size, 0);
	assert_int_equal(read_whole(proc, "version", 0, &st, buf,
					   sizeof(buf), &len, &e),
			 0);
	assert_true(len > 10);
	assert_memory_equal(buf, "Linux ", 6);
	assert_int_equal(st.st_size, len);
	assert_int_equal(read_whole(proc, "version", 0, &st, tiny,
					   sizeof(tiny), &len, &e),
			 ERR_CHANGED);
	close(proc);
	if (sys < 0 || fstatat(sys, "uevent_seqnum", &st, 0) < 0) {
		close(sys);
		return;
	}
	/* says 4096, and ends before whenever it is read */
	assert_int_equal(st.st_size, 4096);
	assert_int_equal(read_whole(sys, "uevent_seqnum", 0, &st, buf,
					   sizeof(buf), &len, &e),
			 0);
	assert_true(len > 0 && len < 4096);
	assert_int_equal(st.st_size, len);
	close(sys);
}

/* Where the signal handler writes. */
static volatile sig_atomic_t signal_fd = -1;

static void write_a_byte(int sig)
{
	static unsigned char byte;
	const int saved = errno;

	(void)sig;
	byte++;
	if (pwrite(signal_fd, &byte, 1, 0) != 1)
		signal_fd = -1;
	errno = saved;
}

/* SIGALRM every so many microseconds from now on; 0: never again. */
static void start_timer(int us)
{
	const struct itimerval it = { { 0, us }, { 0, us } };

	assert_int_equal(setitimer(ITIMER_REAL, &it, NULL), 0);
}

/* A file whose content is changed by a timer's signal, far more often than the
 * time it takes to read it. */
static void test_small_keeps_changing(void **state)
{
	struct place *p = *state;
	struct sigaction action = { .sa_handler = write_a_byte }, old;
	const size_t cap = 4 << 20;
	char *buf = malloc(cap + 1);
	int rc = 0, fd;
	size_t len;
	struct err e;

	assert_non_null(buf);
	write_over(p->dir, "f", "");
	fd = openat(p->dir, "f", O_WRONLY);
	memset(buf, 'y', cap);
	assert_int_equal(write(fd, buf, cap), cap);
	signal_fd = fd;
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	start_timer(100);
	for (int i = 0; i < 1000 && rc == 0; i++) {
		struct stat st;

		fstatat(p->dir, "f", &st, 0);
		rc = read_whole(p->dir, "f", 0, &st, buf, cap + 1, &len,
				       &e);
	}
	start_timer(0);
	sigaction(SIGALRM, &old, NULL);
	assert_int_equal(signal_fd, fd);
	close(fd);
	free(buf);
	assert_int_equal(rc, ERR_CHANGED);
	assert_int_equal(count_fds(), p->fds);
}

static void change_metadata(int sig)
{
	const int saved = errno;

	(void)sig;
	if (fchmod(signal_fd, 0644) || futimens(signal_fd, NULL))
		signal_fd = -1;
	errno = saved;
}

/* A file whose metadata changes more often than it can be read is read. */
static void test_small_keeps_changing_its_metadata(void **state)
{
	struct place *p = *state;
	struct sigaction action = { .sa_handler = change_metadata }, old;
	const size_t cap = 4 << 20;
	char *buf = malloc(cap + 1);
	struct stat st, after;
	int rc = 0, doubts = 0, fd;
	size_t len;
	struct err e;

	assert_non_null(buf);
	write_over(p->dir, "f", "");
	fd = openat(p->dir, "f", O_WRONLY);
	memset(buf, 'y', cap);
	assert_int_equal(write(fd, buf, cap), cap);
	signal_fd = fd;
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	start_timer(100);
	for (int i = 0; i < 100 && rc == 0; i++) {
		st = scan_stat(p->dir, "f");
		after = st;
		rc = read_whole(p->dir, "f", 0, &after, buf, cap + 1,
				       &len, &e);
		doubts += source_compare(&st, &after) == SOURCE_IN_DOUBT;
	}
	start_timer(0);
	sigaction(SIGALRM, &old, NULL);
	assert_int_equal(signal_fd, fd);
	close(fd);
	free(buf);
	assert_int_equal(rc, 0);
	assert_int_equal(len, cap);
	assert_true(doubts > 0);
}

static void append_a_byte(int sig)
{
	const int saved = errno;

	(void)sig;
	if (write(signal_fd, "x", 1) != 1)
		signal_fd = -1;
	errno = saved;
}

/* A file that grows faster than it can be read: what was there before. */
static void test_small_keeps_growing(void **state)
{
	struct place *p = *state;
	struct sigaction action = { .sa_handler = append_a_byte }, old;
	const size_t size = 4 << 20, cap = 5 << 20;
	char *buf = malloc(cap);
	int rc = 0, grew = 0, fd;
	size_t len, i;
	struct err e;

	assert_non_null(buf);
	write_over(p->dir, "f", "");
	fd = openat(p->dir, "f", O_WRONLY | O_APPEND);
	memset(buf, 'y', size);
	assert_int_equal(write(fd, buf, size), size);
	signal_fd = fd;
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	start_timer(100);
	for (i = 0; i < 1000 && rc == 0; i++) {
		struct stat st = scan_stat(p->dir, "f");

		rc = read_whole(p->dir, "f", 0, &st, buf, cap, &len, &e);
	}
	assert_int_equal(rc, ERR_CHANGED);
	assert_non_null(strstr(e.text, "--growing"));
	for (i = 0; i < 50; i++) {
		struct stat st = scan_stat(p->dir, "f");

		assert_int_equal(read_whole(p->dir, "f", SOURCE_GROWING,
						   &st, buf, cap, &len, &e),
				 0);
		assert_int_equal(st.st_size, len);
		assert_true(len >= size && buf[0] == 'y' &&
			    buf[size - 1] == 'y' && buf[len - 1] == 'x');
		grew += scan_stat(p->dir, "f").st_size > (off_t)len;
	}
	start_timer(0);
	sigaction(SIGALRM, &old, NULL);
	assert_int_equal(signal_fd, fd);
	close(fd);
	free(buf);
	assert_true(grew > 0);
}

struct writer {
	int dir;
	atomic_int stop;
};

/* Put now this, now that file in its place, without end. */
static void *replace(void *arg)
{
	struct writer *w = arg;

	for (int i = 0; !atomic_load(&w->stop); i++) {
		int fd = openat(w->dir, "new", O_WRONLY | O_CREAT, 0644);
		const size_t n = i & 1 ? 3000 : 2000;
		char block[3000];

		memset(block, i & 1 ? 'b' : 'a', sizeof(block));
		if (fd < 0 || write(fd, block, n) != (ssize_t)n)
			break;
		close(fd);
		renameat(w->dir, "new", w->dir, "f");
	}
	return NULL;
}

static void test_small_replaced(void **state)
{
	struct place *p = *state;
	struct writer w = { .dir = p->dir };
	int good = 0, bad = 0;
	pthread_t thread;
	char buf[4096];
	struct err e;

	write_over(p->dir, "f", "a");
	assert_int_equal(pthread_create(&thread, NULL, replace, &w), 0);
	alarm(scaled(30)); /* should the writer fail */
	while (good < 300) {
		struct stat st;
		size_t len;

		if (fstatat(p->dir, "f", &st, 0) < 0 || st.st_size == 1)
			continue;
		if (read_whole(p->dir, "f", 0, &st, buf, sizeof(buf),
				      &len, &e))
			continue;
		good++;
		/* never a mixture, and the size is its own */
		bad += len != (buf[0] == 'a' ? 2000 : 3000) ||
		       buf[len - 1] != buf[0] || st.st_size != (off_t)len;
	}
	alarm(0);
	atomic_store(&w.stop, 1);
	pthread_join(thread, NULL);
	assert_int_equal(bad, 0);
}

static void test_read(void **state)
{
	struct place *p = *state;
	struct stat st;
	char buf[16];
	struct err e;
	int fd;

	write_over(p->dir, "f", "0123456789");
	fd = source_open(p->dir, "f", 0, &st, &e);
	assert_true(fd >= 0);
	assert_int_equal(source_read(fd, buf, 4, 3, &e), 0);
	assert_memory_equal(buf, "3456", 4);
	assert_int_equal(source_read(fd, buf, 10, 0, &e), 0);
	assert_int_equal(source_read(fd, buf, 0, 10, &e), 0);
	/* it grows: what was announced is read, no more */
	write_over(p->dir, "f", "0123456789abc");
	assert_int_equal(source_read(fd, buf, 10, 0, &e), 0);
	assert_memory_equal(buf, "0123456789", 10);
	/* it shrinks: told, not padded */
	write_over(p->dir, "f", "01234");
	assert_int_equal(source_read(fd, buf, 10, 0, &e), ERR_CHANGED);
	assert_non_null(strstr(e.text, "5 bytes"));
	assert_int_equal(source_read(fd, buf, 1, 5, &e), ERR_CHANGED);
	assert_int_equal(source_read(fd, buf, 1, 1000, &e), ERR_CHANGED);
	assert_int_equal(source_read(fd, buf, 1, UINT64_MAX, &e), ERR_LOCAL);
	close(fd);
	assert_int_equal(source_read(-1, buf, 1, 0, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EBADF);
}

static void test_compare(void **state)
{
	struct stat a = { .st_size = 1, .st_ino = 2 }, b;

	(void)state;
	a.st_mtim = (struct timespec){ 3, 4 };
	a.st_ctim = (struct timespec){ 5, 6 };
	b = a;
	b.st_atim.tv_sec = 9;
	b.st_nlink = 7;
	assert_int_equal(source_compare(&a, &b), SOURCE_SAME);
	b = a, b.st_size++;
	assert_int_equal(source_compare(&a, &b), SOURCE_GREW);
	assert_int_equal(source_compare(&b, &a), SOURCE_CHANGED);
	b = a, b.st_ino++;
	assert_int_equal(source_compare(&a, &b), SOURCE_CHANGED);
	b = a, b.st_mtim.tv_sec++;
	assert_int_equal(source_compare(&a, &b), SOURCE_IN_DOUBT);
	b = a, b.st_mtim.tv_nsec++;
	assert_int_equal(source_compare(&a, &b), SOURCE_IN_DOUBT);
	b = a, b.st_ctim.tv_sec++;
	assert_int_equal(source_compare(&a, &b), SOURCE_IN_DOUBT);
	b = a, b.st_ctim.tv_nsec++;
	assert_int_equal(source_compare(&a, &b), SOURCE_IN_DOUBT);
}

/* What it occupies tells that a file may have holes, not where they are. */
static void test_has_holes(void **state)
{
	struct place *p = *state;
	struct stat st;
	int fd = openat(p->dir, "f", O_RDWR | O_CREAT, 0644);

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(source_has_holes(fd, &st), 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(source_has_holes(fd, &st), os_lacks("holes") ? -1 : 1);
	/* as if it was compressed */
	assert_int_equal(io_pwrite(fd, "x", 1, 0), 0);
	assert_int_equal(ftruncate(fd, 1), 0);
	st.st_size = 1;
	st.st_blocks = 0;
	assert_int_equal(source_has_holes(fd, &st), os_lacks("holes") ? -1 : 0);
	close(fd);
}

/* The stretches of data of a file, checked to cover what was written. */
static void test_sparse(void **state)
{
	struct place *p = *state;
	const uint64_t size = 16 << 20, at = 8 << 20;
	uint64_t start, end;
	struct stat st;
	struct err e;
	int fd;

	fd = openat(p->dir, "f", O_RDWR | O_CREAT, 0644);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(source_next_data(fd, 0, size, &start, &end, &e), 0);
	fstat(fd, &st);
	assert_int_equal(pwrite(fd, "data", 4, (off_t)at), 4);
	if (start == 0 && end == size) {
		close(fd);
		skip(); /* a file system that cannot tell */
	}
	assert_int_equal(start, size); /* all hole */
	assert_int_equal(end, size);
	assert_int_equal(source_next_data(fd, 0, size, &start, &end, &e), 0);
	assert_true(start > 0 && start <= at && end >= at + 4 && end < size);
	assert_int_equal(source_next_data(fd, end, size, &start, &end, &e), 0);
	assert_int_equal(start, size);
	assert_int_equal(end, size);
	/* from within the data; and a size that ends within it */
	assert_int_equal(source_next_data(fd, at, size, &start, &end, &e), 0);
	assert_int_equal(start, at);
	assert_int_equal(source_next_data(fd, 0, at + 2, &start, &end, &e), 0);
	assert_true(start <= at);
	assert_int_equal(end, at + 2);
	/* data that begins after the announced size */
	assert_int_equal(source_next_data(fd, 0, 4096, &start, &end, &e), 0);
	assert_int_equal(start, 4096);
	assert_int_equal(end, 4096);
	assert_int_equal(source_next_data(fd, size, size, &start, &end, &e), 0);
	assert_int_equal(start, size);
	/* a file that shrank has no hole there */
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(source_next_data(fd, 0, size, &start, &end, &e),
			 ERR_CHANGED);
	assert_int_equal(source_next_data(fd, 8192, size, &start, &end, &e),
			 ERR_CHANGED);
	close(fd);
}

/* Every second MiB is data.  Several threads ask on one descriptor, as the
 * streams of a sender do; each moves the descriptor's offset while the others
 * ask. */
enum { STRETCH = 1 << 20, STRETCHES = 32, ASKERS = 4, ROUNDS = 4000 };

struct asker {
	pthread_t thread;
	int fd, first; /* where it begins: each elsewhere */
	unsigned wrong;
};

static void *ask(void *arg)
{
	const uint64_t size = (uint64_t)STRETCH * STRETCHES;
	struct asker *a = arg;

	for (int i = 0; i < ROUNDS * STRETCHES; i++) {
		uint64_t n = (uint64_t)(a->first + i * 7) % STRETCHES;
		uint64_t data = n | 1, start, end;

		if (source_next_data(a->fd, n * STRETCH, size, &start, &end,
				     NULL) ||
		    start != data * STRETCH || end != start + STRETCH)
			a->wrong++;
	}
	return NULL;
}

static void test_sparse_by_threads(void **state)
{
	struct asker askers[ASKERS] = { { .fd = 0 } };
	struct place *p = *state;
	uint8_t *data;
	off_t hole;
	int fd;

	skip_without("holes");
	data = calloc(1, STRETCH);
	fd = openat(p->dir, "f", O_RDWR | O_CREAT, 0644);
	for (int i = 1; i < STRETCHES; i += 2)
		assert_int_equal(pwrite(fd, data, STRETCH, (off_t)i * STRETCH),
				 STRETCH);
	free(data);
	hole = lseek(fd, STRETCH, SEEK_HOLE);
	if (hole != 2 * STRETCH) {
		close(fd);
		skip(); /* a file system that cannot tell, or not exactly */
	}
	for (int i = 0; i < ASKERS; i++) {
		askers[i].fd = fd;
		askers[i].first = i * 5;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask,
						&askers[i]), 0);
	}
	for (int i = 0; i < ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].wrong, 0);
	}
	close(fd);
}

static void test_dense(void **state)
{
	struct place *p = *state;
	uint64_t start, end;
	struct err e;
	int fd;

	write_over(p->dir, "f", "0123456789");
	fd = openat(p->dir, "f", O_RDONLY);
	assert_int_equal(source_next_data(fd, 2, 10, &start, &end, &e), 0);
	assert_int_equal(start, 2);
	assert_int_equal(end, 10);
	assert_int_equal(source_next_data(fd, 0, 0, &start, &end, &e), 0);
	assert_int_equal(start, 0);
	assert_int_equal(end, 0);
	close(fd);
	/* SEEK_DATA is EINVAL here: all is data */
	fd = open("/proc/self/status", O_RDONLY);
	assert_int_equal(lseek(fd, 0, SEEK_DATA), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(source_next_data(fd, 3, 100, &start, &end, &e), 0);
	assert_int_equal(start, 3);
	assert_int_equal(end, 100);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_special_files),
		TEST(test_small),
		TEST(test_small_changed_since_scan),
		TEST(test_small_grew_beyond_cap),
		TEST(test_small_proc),
		TEST(test_small_keeps_changing),
		TEST(test_small_keeps_changing_its_metadata),
		TEST(test_small_keeps_growing),
		TEST(test_small_replaced),
		TEST(test_read),
		TEST(test_compare),
		TEST(test_has_holes),
		TEST(test_sparse),
		TEST(test_sparse_by_threads),
		TEST(test_dense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
