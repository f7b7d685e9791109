/*
 * There is no filter.
 */
#include "os/sockcall.h"

ssize_t sockcall_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return sendmsg(fd, msg, flags);
}

int sockcall_setsockopt(int fd, int level, int name, const void *value,
			socklen_t len)
{
	return setsockopt(fd, level, name, value, len);
}
