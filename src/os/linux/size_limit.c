/*
 * Limits on the size of a file.
 */
#define _GNU_SOURCE 1
#include "os/size_limit.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FUSE_TYPE = 0x65735546, TRIED = 1 << 20 };

/*
 * FUSE has no limit that the kernel knows.  To make the file that long for a
 * moment is one call where it stays sparse; where it does not (exFAT), it would
 * write all of it, so that is tried with 1 MiB first.
 */
static int try_size(int fd, off_t size)
{
	struct stat st;
	int rc = 0;

	if (size > TRIED && ftruncate(fd, TRIED) == 0 && fstat(fd, &st) == 0 &&
	    (uint64_t)st.st_blocks * 512 < TRIED &&
	    (ftruncate(fd, size) < 0 || pwrite(fd, "", 1, size - 1) < 0) &&
	    errno == EFBIG)
		rc = -1;
	if (ftruncate(fd, 0) < 0)
		return 0;
	if (rc < 0)
		errno = EFBIG;
	return rc;
}

int size_limit_check(int fd, uint64_t size)
{
	struct statfs fs;

	/* The kernel compares with the file system's limit, for this file. */
	if (size > INT64_MAX ||
	    (lseek(fd, (off_t)size, SEEK_SET) < 0 && errno == EINVAL)) {
		errno = EFBIG;
		return -1;
	}
	if (fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type == FUSE_TYPE)
		return try_size(fd, (off_t)size);
	return 0;
}
