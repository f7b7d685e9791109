/*
 * With a flag where the kernel supports it for this kind of descriptor, else in
 * pieces that are small enough for a writable pipe to take whole.
 */
#include "os/nowait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/nowait_flag.h"

/* POSIX: where poll() says that a pipe is writable, a write of up to PIPE_BUF
 * bytes does not block.  A regular file has no reader to wait for. */
static ssize_t write_piece(int fd, const void *p, size_t n)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return write(fd, p, n);
	if (poll(&pfd, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(fd, p, n < PIPE_BUF ? n : PIPE_BUF);
}

ssize_t nowait_write(int fd, const void *p, size_t n)
{
	const ssize_t did = nowait_flag_write(fd, p, n);

	if (did < 0 && errno == EOPNOTSUPP)
		return write_piece(fd, p, n);
	return did;
}
