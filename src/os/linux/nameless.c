/*
 * O_TMPFILE, and linking by descriptor.
 */
#define _GNU_SOURCE 1
#include "os/nameless.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int nameless_create(int dir_fd, mode_t mode)
{
	int fd;

	do {
		fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	} while (fd < 0 && errno == EINTR);
	/* A kernel without O_TMPFILE (before Linux 3.11) takes it for
	 * O_DIRECTORY, and open() of a directory for writing fails with EISDIR
	 * (open(2)); a file system without it gives EOPNOTSUPP or EINVAL. */
	if (fd < 0 && (errno == EISDIR || errno == ENOENT || errno == EINVAL ||
		       errno == ENOSYS))
		errno = EOPNOTSUPP;
	return fd;
}

int nameless_create_in_memory(void)
{
	return memfd_create("ferry", MFD_CLOEXEC);
}

int nameless_link(int fd, int dir_fd, const char *name)
{
	char path[40];

	/* Needs CAP_DAC_READ_SEARCH or, from Linux 6.10 on, the credentials
	 * that the file was opened with; ENOENT without. */
	if (linkat(fd, "", dir_fd, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOENT && errno != EPERM && errno != EACCES &&
	    errno != EINVAL)
		return -1;
	/* Needs no capability, but /proc (open(2), O_TMPFILE). */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW);
}
