/*
 * /dev/urandom, which all systems have.
 */
#include "os/entropy.h"

#include <errno.h>
#include <fcntl.h>

#include "base/io.h"

int entropy_get(void *p, size_t n)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	const ssize_t got = fd < 0 ? -1 : io_read(fd, p, n);

	io_close(&fd);
	if (got == (ssize_t)n)
		return 0;
	if (got >= 0)
		errno = EIO;
	return -1;
}
