/*
 * Standard output, written without blocking in write(), where neither SIGTERM
 * nor heart-beats would be heard.
 */
#include "receiver/stdout.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "receiver/input.h"

enum { TICK_MS = 1000, ZEROS = 65536 };

static int is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Write a piece that a pipe with room takes whole.  A regular file does not
 * block. */
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

	/* It is only read, in spite of its type. */
	part.iov_base = (void *)(uintptr_t)p;
	did = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
	if (did < 0 && (errno == EOPNOTSUPP || errno == ENOSYS ||
			errno == EINVAL || errno == ESPIPE))
		return write_piece(fd, p, n);
	return did;
}

int stdout_write(struct input *in, int fd, const void *p, size_t n,
		 struct err *e)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	const char *from = p;

	while (n > 0) {
		ssize_t did = write_some(fd, from, n);

		if (did > 0) {
			from += did;
			n -= (size_t)did;
		} else if (did < 0 && errno == EAGAIN) {
			/* Before each wait, as a slow reader ends it soon. */
			int rc = input_tick(in, 1, e);

			if (rc == 0 && poll(&pfd, 1, TICK_MS) <= 0)
				rc = input_tick(in, 0, e);
			if (rc)
				return rc;
		} else if (did == 0 || errno != EINTR) {
			return err_sys(e, ERR_LOCAL,
				       "writing to standard output");
		}
	}
	return 0;
}

int stdout_write_zeros(struct input *in, int fd, uint64_t n, struct err *e)
{
	static const uint8_t zeros[ZEROS];
	int rc = 0;

	while (rc == 0 && n > 0) {
		size_t part = n < ZEROS ? (size_t)n : ZEROS;

		rc = stdout_write(in, fd, zeros, part, e);
		n -= part;
	}
	return rc;
}
