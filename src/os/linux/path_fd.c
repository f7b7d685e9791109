/*
 * O_PATH, and links in /proc.
 */
#define _GNU_SOURCE 1
#include "os/path_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	/* Missing in the kernel headers of older systems; the same number on
	 * every architecture. */
	CALL_FCHMODAT2 = 452,
	LINK_MAX_LEN = 40,
};

static void link_of(char link[LINK_MAX_LEN], int fd)
{
	snprintf(link, LINK_MAX_LEN, "/proc/self/fd/%d", fd);
}

int path_fd_open(int dir_fd, const char *path, int flags)
{
	return openat(dir_fd, path, O_PATH | O_CLOEXEC | flags);
}

int path_fd_is(int fd)
{
	const int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_PATH;
}

int path_fd_chmod(int fd, mode_t mode)
{
	char link[LINK_MAX_LEN];
	long rc = syscall(CALL_FCHMODAT2, fd, "", mode, AT_EMPTY_PATH);

	/* Before Linux 6.6, or where a filter does not know it. */
	if (rc < 0 && (errno == ENOSYS || errno == EPERM)) {
		link_of(link, fd);
		rc = chmod(link, mode);
	}
	return rc < 0 ? -1 : 0;
}

int path_fd_reopen(int fd, const char *path, int flags)
{
	char link[LINK_MAX_LEN];

	(void)path;
	link_of(link, fd);
	return open(link, flags | O_CLOEXEC);
}
