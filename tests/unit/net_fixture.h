/*
 * net_fixture.h - what the tests of net/ share: a directory of their own, a
 * pair of connected TCP sockets, two streams opened at once.
 *
 * To be included after <cmocka.h>.  Everything is static inline, for each
 * test is a program of its own.
 */
#ifndef FERRY_TESTS_NET_FIXTURE_H
#define FERRY_TESTS_NET_FIXTURE_H

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "../lib/scratch.h"

#include "base/clock.h"
#include "base/err.h"
#include "net/dial.h"
#include "auth/key.h"
#include "net/stream.h"
#include "auth/tls_conn.h"
#include "within.h"

#define FIXTURE_TIMEOUT_MS ((int)scaled(20000))

/* ---------------------------------------------------------- a directory */

struct place {
	char dir[128];
	char path[4][256]; /* results of place_path(), in turn */
	unsigned next;
};

static inline int place_make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	close(scratch_make(p->dir, sizeof(p->dir), "net"));
	*state = p;
	return 0;
}

static inline int place_remove(void **state)
{
	struct place *p = *state;
	int rc = scratch_remove(p->dir);

	free(p);
	return rc;
}

/* A path in the directory; good until four calls later. */
static inline const char *place_path(struct place *p, const char *name)
{
	char *path = p->path[p->next++ % 4];
	char dir[sizeof(p->dir)];

	memcpy(dir, p->dir, sizeof(dir));
	snprintf(path, sizeof(p->path[0]), "%s/%s", dir, name);
	return path;
}

/* Make a file of just these bytes and this mode. */
static inline void place_write(const char *path, const void *data, size_t n,
			       mode_t mode)
{
	scratch_write(AT_FDCWD, path, data, n, O_TRUNC, mode);
}

/* ------------------------------------------------------------- sockets */

static inline struct net_options loopback_options(void)
{
	struct net_options opt = {
		.family = AF_INET,
		.bind = "127.0.0.1",
		.timeout_ms = FIXTURE_TIMEOUT_MS,
	};

	return opt;
}

/* A connection from us to ourselves: fd[0] connected, fd[1] accepted. */
static inline void tcp_pair(int fd[2])
{
	struct net_options opt = loopback_options();
	struct host_port hp = { .host = "127.0.0.1" };
	char local[ADDR_TEXT_MAX], peer[ADDR_TEXT_MAX];
	struct sockaddr_storage sa;
	struct pollfd pfd = { .events = POLLIN };
	struct err e = { 0 };

	pfd.fd = dial_listen(0, &opt, local, &hp.port, &e);
	assert_true(pfd.fd >= 0);
	fd[0] = dial_connect(&hp, &opt, NULL, peer, &e);
	assert_true(fd[0] >= 0);
	assert_int_equal(poll(&pfd, 1, FIXTURE_TIMEOUT_MS), 1);
	fd[1] = dial_accept(pfd.fd, &opt, peer, &sa, &e);
	assert_true(fd[1] >= 0);
	close(pfd.fd);
}

/* Small socket buffers, so that little data fills them. */
static inline void make_narrow(int fd)
{
	int n = 16 * 1024;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n)),
			 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n)),
			 0);
}

/* Close so that the peer gets a reset. */
static inline void close_with_reset(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd);
}

/* ------------------------------------------------------------- streams */

/* One side of a connection, opened in a thread. */
struct side {
	int fd;
	struct tls *tls;
	int timeout_ms;
	int sends; /* data, where the two sides differ */
	struct stream *s;
	struct err e;
};

static inline void *side_open(void *arg)
{
	struct side *side = arg;
	const struct stream_config cfg = {
		.timeout_ms = side->timeout_ms,
		.deadline_ms = clock_ms() + (uint64_t)FIXTURE_TIMEOUT_MS,
	};

	side->s = tls_conn_open(side->fd, side->tls, &cfg, &side->e);
	if (!side->s)
		close(side->fd);
	return NULL;
}

/* Open both sides of a pair: a connects (it is the TLS client). */
static inline void open_sides(struct side *a, struct side *b, struct tls *ta,
			      struct tls *tb, int timeout_ms)
{
	pthread_t thread;
	int fd[2];

	tcp_pair(fd);
	*a = (struct side){ .fd = fd[0], .tls = ta, .timeout_ms = timeout_ms };
	*b = (struct side){ .fd = fd[1], .tls = tb, .timeout_ms = timeout_ms };
	assert_int_equal(pthread_create(&thread, NULL, side_open, b), 0);
	side_open(a);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static inline int send_bytes(struct stream *s, const void *p, size_t n,
			     struct err *e)
{
	struct iovec iov = { .iov_len = n };

	memcpy(&iov.iov_base, &p, sizeof(p));
	return stream_send(s, &iov, 1, e);
}

#endif
