/*
 * The calls themselves have been there since Linux 4.3; before that
 * socketcall() is the only way.
 */
#define _GNU_SOURCE 1
#include "os/sockcall.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(SYS_socketcall) && defined(SYS_sendmsg) && defined(SYS_setsockopt)

ssize_t sockcall_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const ssize_t rc = syscall(SYS_sendmsg, fd, msg, flags);

	return rc < 0 && errno == ENOSYS ? sendmsg(fd, msg, flags) : rc;
}

int sockcall_setsockopt(int fd, int level, int name, const void *value,
			socklen_t len)
{
	const long rc = syscall(SYS_setsockopt, fd, level, name, value, len);

	return rc < 0 && errno == ENOSYS
		       ? setsockopt(fd, level, name, value, len)
		       : (int)rc;
}

#else

ssize_t sockcall_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return sendmsg(fd, msg, flags);
}

int sockcall_setsockopt(int fd, int level, int name, const void *value,
			socklen_t len)
{
	return setsockopt(fd, level, name, value, len);
}

#endif
