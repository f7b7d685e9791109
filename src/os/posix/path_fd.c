/*
 * Descriptors that are open for searching or reading.
 */
#include "os/path_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#ifndef O_SEARCH /* POSIX has it, glibc does not */
#define O_SEARCH O_RDONLY
#endif

static int open_as(int dir_fd, const char *path, int flags)
{
	/* O_NONBLOCK: a FIFO is not waited for */
	const int how = (flags & O_DIRECTORY) ? O_SEARCH : O_RDONLY | O_NONBLOCK;

	return openat(dir_fd, path, how | O_NOCTTY | O_CLOEXEC | flags);
}

/* Open a directory of this user's that not even the owner may read: it may be
 * read for a moment, and has its mode again when this returns. */
static int open_locked(int dir_fd, const char *path, int flags)
{
	struct stat st;
	mode_t mode;
	int fd, saved;

	if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	mode = st.st_mode & 07777;
	errno = EACCES;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    fchmodat(dir_fd, path, mode | S_IRUSR | S_IXUSR,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	fd = open_as(dir_fd, path, flags);
	if (fd >= 0 && fchmod(fd, mode) == 0)
		return fd;
	saved = errno;
	io_close(&fd);
	if (fchmodat(dir_fd, path, mode, AT_SYMLINK_NOFOLLOW) == 0)
		errno = saved;
	return -1;
}

int path_fd_open(int dir_fd, const char *path, int flags)
{
	int fd = open_as(dir_fd, path, flags);

	if (fd < 0 && errno == EACCES && flags & O_DIRECTORY &&
	    flags & O_NOFOLLOW)
		fd = open_locked(dir_fd, path, flags);
	return fd;
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
