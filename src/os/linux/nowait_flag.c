/*
 * RWF_NOWAIT.
 */
#define _GNU_SOURCE 1
#include "os/nowait_flag.h"

#include <errno.h>
#include <stdint.h>
#include <sys/uio.h>

ssize_t nowait_flag_write(int fd, const void *p, size_t n)
{
	struct iovec part = { .iov_len = n };
	ssize_t did;

	/* iov_base is not const, but writing only reads from it */
	part.iov_base = (void *)(uintptr_t)p;
	did = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
	if (did < 0 && (errno == ENOSYS || errno == EINVAL || errno == ESPIPE))
		errno = EOPNOTSUPP;
	return did;
}
