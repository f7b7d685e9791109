/*
 * lab.h - what the two targets with a whole engine in them share: a directory
 * of their own, sockets with deadlines, and running an engine in a thread.
 *
 * Whatever the peer does, an engine must come to its end: everything waits
 * for at most LAB_MS.
 */
#ifndef FERRY_TESTS_LAB_H
#define FERRY_TESTS_LAB_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frames.h"

#include "../lib/scratch.h"

#include "base/io.h"

enum {
	LAB_MS = 20000,
	/* The engine's own --timeout: longer than anything here takes. */
	LAB_TIMEOUT_MS = 15000,
	/* No file may be larger: a peer may announce what it likes, and what
	 * is reserved on a tmpfs is memory.  Files above 8 MiB are resumed, and
	 * compared by CHECK. */
	LAB_FILE_MAX = 10 << 20,
	LAB_HUGE = 9 << 20,
	LAB_PATH = 512,
};

struct lab {
	char top[LAB_PATH]; /* in memory where that can be had */
	char dir[LAB_PATH]; /* top/in: the receiver's directory or the sources */
};

/* dir/name to dst (LAB_PATH bytes). */
static inline void lab_path(char *dst, const char *dir, const char *name)
{
	int n = snprintf(dst, LAB_PATH, "%s/%s", dir, name);

	CHECK(n > 0 && n < LAB_PATH);
}

static inline void lab_write(const char *dir, const char *name, const void *p,
			     size_t n)
{
	char path[LAB_PATH];

	lab_path(path, dir, name);
	scratch_write(AT_FDCWD, path, p, n, O_TRUNC, 0644);
}

/* A file of LAB_HUGE bytes, all zero but the first: as make-seeds.py has it. */
static inline void lab_write_huge(const char *dir, const char *name)
{
	const struct timespec times[2] = { { .tv_sec = 1700000000,
					     .tv_nsec = 5 },
					   { .tv_sec = 1700000000,
					     .tv_nsec = 5 } };
	char path[LAB_PATH];

	lab_write(dir, name, "x", 1);
	lab_path(path, dir, name);
	CHECK(truncate(path, LAB_HUGE) == 0);
	CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

/* Make top and top/in. */
static inline void lab_make(struct lab *lab)
{
	const struct rlimit lim = { LAB_FILE_MAX, LAB_FILE_MAX };
	sigset_t alarm_set;

	if (access("/dev/shm", W_OK | X_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
	close(scratch_make(lab->top, sizeof(lab->top), "fuzz"));
	lab_path(lab->dir, lab->top, "in");
	CHECK(mkdir(lab->dir, 0755) == 0);
	CHECK(setrlimit(RLIMIT_FSIZE, &lim) == 0);
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	/* libFuzzer's clock would interrupt our waits; we have our own. */
	sigemptyset(&alarm_set);
	sigaddset(&alarm_set, SIGALRM);
	CHECK(pthread_sigmask(SIG_BLOCK, &alarm_set, NULL) == 0);
}

static inline void lab_set_deadlines(int fd)
{
	const struct timeval tv = { LAB_MS / 1000, 0 };

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
}

static inline struct sockaddr_in lab_address(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port) };

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sin;
}

/* -1 if the port is closed. */
static inline int lab_connect(uint16_t port)
{
	const struct sockaddr_in sin = lab_address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	if (connect(fd, (const struct sockaddr *)&sin, sizeof(sin))) {
		CHECK(errno == ECONNREFUSED);
		io_close(&fd);
		return -1;
	}
	lab_set_deadlines(fd);
	return fd;
}

/* Send all.  The peer may have closed, but it may not let us wait. */
static inline void lab_send(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

		CHECK(sent > 0 || (errno != EAGAIN && errno != EWOULDBLOCK));
		if (sent <= 0)
			return;
		at += sent;
		n -= (size_t)sent;
	}
}

/* Up to n bytes; 0 at the end or after a reset. */
static inline size_t lab_recv(int fd, void *p, size_t n)
{
	ssize_t got = recv(fd, p, n, 0);

	CHECK(got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK));
	return got > 0 ? (size_t)got : 0;
}

/* Close without leaving the port in TIME_WAIT: there are many of us. */
static inline void lab_close(int *fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (*fd < 0)
		return;
	(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	io_close(fd);
}

/* Wait for the engine's thread to end, which it must in time. */
static inline void lab_join(pthread_t thread)
{
	struct timespec until;

	CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
	until.tv_sec += LAB_MS / 1000;
	CHECK(pthread_timedjoin_np(thread, NULL, &until) == 0);
}

static inline void lab_signal(int event_fd)
{
	const uint64_t one = 1;

	CHECK(write(event_fd, &one, sizeof(one)) == sizeof(one));
}

#endif
