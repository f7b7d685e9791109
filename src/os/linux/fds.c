/*
 * Calls with flags.
 */
#define _GNU_SOURCE 1
#include "os/fds.h"

#include <fcntl.h>
#include <unistd.h>

int fds_pipe(int fds[2], int flags)
{
	return pipe2(fds, O_CLOEXEC | flags);
}

int fds_socket(int domain, int type, int flags)
{
	const int nonblock = (flags & O_NONBLOCK) ? SOCK_NONBLOCK : 0;

	return socket(domain, type | SOCK_CLOEXEC | nonblock, 0);
}

int fds_socket_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
}

int fds_accept(int listener, struct sockaddr *sa, socklen_t *len)
{
	return accept4(listener, sa, len, SOCK_CLOEXEC);
}

void fds_enlarge_pipe(int fd, int bytes)
{
	(void)fcntl(fd, F_SETPIPE_SZ, bytes);
}
