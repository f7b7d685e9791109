/*
 * POSIX gives a file that has lost its name no new one.
 */
#include "os/nameless.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"

int nameless_create(int dir_fd, mode_t mode)
{
	(void)dir_fd;
	(void)mode;
	errno = EOPNOTSUPP;
	return -1;
}

int nameless_create_in_memory(void)
{
	char path[] = "/tmp/ferry-XXXXXX";
	int fd = mkstemp(path);

	if (fd >= 0 && (unlink(path) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0))
		io_close(&fd);
	return fd;
}

int nameless_link(int fd, int dir_fd, const char *name)
{
	(void)fd;
	(void)dir_fd;
	(void)name;
	errno = EOPNOTSUPP;
	return -1;
}
