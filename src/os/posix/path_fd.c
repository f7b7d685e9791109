/*
 * Descriptors that are open for searching or reading.
 */
#include "os/path_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"

#ifndef O_SEARCH /* POSIX has it, glibc does not */
#define O_SEARCH O_RDONLY
#endif

int path_fd_open(int dir_fd, const char *path, int flags)
{
	/* O_NONBLOCK: a FIFO is not waited for */
	const int how = flags & O_DIRECTORY ? O_SEARCH : O_RDONLY | O_NONBLOCK;

	return openat(dir_fd, path, how | O_NOCTTY | O_CLOEXEC | flags);
}

int path_fd_is(int fd)
{
	(void)fd;
	return 0;
}

int path_fd_chmod(int fd, mode_t mode)
{
	return fchmod(fd, mode);
}

int path_fd_reopen(int fd, const char *path, int flags)
{
	int again = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	struct stat was, now;

	if (again < 0)
		return -1;
	if (fstat(fd, &was) == 0 && fstat(again, &now) == 0 &&
	    was.st_dev == now.st_dev && was.st_ino == now.st_ino)
		return again;
	io_close(&again);
	errno = ESTALE;
	return -1;
}
