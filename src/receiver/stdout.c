/*
 * Writing to standard output: whoever reads it may take his time, and the
 * sender must not take that for a dead line.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "receiver/receiver.h"

enum { TICK_MS = 1000 };

static int is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* A piece that a pipe with room takes whole, so that nothing waits where
 * SIGTERM and heart-beats are not heard; a regular file does not keep us. */
static ssize_t write_piece(int fd, const void *p, size_t n)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (is_regular(fd))
		return write(fd, p, n);
	if (poll(&pfd, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(fd, p, n < PIPE_BUF ? n : PIPE_BUF);
}

/* Write without waiting.  Not every kernel can do so for a pipe when asked. */
static ssize_t write_some(int fd, const void *p, size_t n)
{
	struct iovec part = { .iov_len = n };
	ssize_t did;

	/* only read, in spite of its type */
	part.iov_base = (void *)(uintptr_t)p;
	did = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
	if (did < 0 && (errno == EOPNOTSUPP || errno == ENOSYS ||
			errno == EINVAL || errno == ESPIPE))
		return write_piece(fd, p, n);
	return did;
}

static int wait_writable(struct rstream *st, int fd, struct err *e)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (atomic_load(&st->receiver->is_stopping) ||
	    atomic_load(&st->session->is_over))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	if (poll(&pfd, 1, TICK_MS) > 0)
		return 0;
	return channel_ping_if_due(&st->channel, e);
}

int rstdout_write(struct rstream *st, const void *p, size_t n, struct err *e)
{
	int fd = st->receiver->cfg->stdout_fd;
	const char *from = p;

	while (n > 0) {
		ssize_t did = write_some(fd, from, n);

		if (did > 0) {
			from += did;
			n -= (size_t)did;
		} else if (did < 0 && errno == EAGAIN) {
			int rc = wait_writable(st, fd, e);

			if (rc)
				return rc;
		} else if (did == 0 || errno != EINTR) {
			return err_sys(e, ERR_LOCAL,
				       "writing to standard output");
		}
	}
	return 0;
}
