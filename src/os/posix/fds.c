/*
 * Flags are set after the call.
 */
#include "os/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"

/* Returns fd; or -1 with errno, and fd is closed.  flags: O_NONBLOCK, or 0: it
 * blocks. */
static int set_flags(int fd, int flags)
{
	int now, saved;

	if (fd < 0)
		return -1;
	now = fcntl(fd, F_GETFL);
	if (now >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
	    ((now & O_NONBLOCK) == flags ||
	     fcntl(fd, F_SETFL, (now & ~O_NONBLOCK) | flags) == 0))
		return fd;
	saved = errno;
	io_close(&fd);
	errno = saved;
	return -1;
}

static int set_flags_of_both(int fds[2], int flags)
{
	const int first = set_flags(fds[0], flags);
	const int second = set_flags(fds[1], flags);

	if (first >= 0 && second >= 0)
		return 0;
	fds[0] = first;
	fds[1] = second;
	io_close(&fds[0]);
	io_close(&fds[1]);
	return -1;
}

int fds_pipe(int fds[2], int flags)
{
	return pipe(fds) < 0 ? -1 : set_flags_of_both(fds, flags);
}

int fds_socket(int domain, int type, int flags)
{
	return set_flags(socket(domain, type, 0), flags);
}

int fds_socket_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return -1;
	return set_flags_of_both(fds, 0);
}

int fds_accept(int listener, struct sockaddr *sa, socklen_t *len)
{
	/* On BSD it has the listener's O_NONBLOCK. */
	return set_flags(accept(listener, sa, len), 0);
}

void fds_enlarge_pipe(int fd, int bytes)
{
	(void)fd;
	(void)bytes;
}
