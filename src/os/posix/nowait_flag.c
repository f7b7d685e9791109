/*
 * POSIX has no such flag.
 */
#include "os/nowait_flag.h"

#include <errno.h>

ssize_t nowait_flag_write(int fd, const void *p, size_t n)
{
	(void)fd;
	(void)p;
	(void)n;
	errno = EOPNOTSUPP;
	return -1;
}
