/*
 * Free space.  POSIX.1-2008 has no calls for the rest: posix_fallocate() may
 * write zeros, and a file is one range of data.
 */
#include "os/space.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static uint64_t bytes_of(const struct statvfs *fs, uint64_t blocks)
{
	uint64_t bytes;

	return __builtin_mul_overflow(blocks, (uint64_t)fs->f_frsize, &bytes)
		       ? UINT64_MAX
		       : bytes;
}

struct space space_look(int fd)
{
	struct space s = { UINT64_MAX, UINT64_MAX, 0 };
	struct statvfs fs;

	/* All zero, as on a tmpfs without a limit: not known. */
	if (fstatvfs(fd, &fs) == 0 && fs.f_blocks > 0) {
		s.available = bytes_of(&fs, fs.f_bavail);
		s.total = bytes_of(&fs, fs.f_blocks);
	}
	return s;
}

static int fail(void)
{
	errno = EOPNOTSUPP;
	return -1;
}

int space_reserve(int fd, uint64_t off, uint64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return fail();
}

int space_punch(int fd, uint64_t off, uint64_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return fail();
}

int space_share(int fd, uint64_t off, int from, uint64_t from_off, uint64_t len)
{
	(void)fd;
	(void)off;
	(void)from;
	(void)from_off;
	(void)len;
	return fail();
}

/* The end of the file, if it lies after off; else -1 with ENXIO as of lseek(),
 * or EINVAL where the size tells nothing, as in /proc. */
static off_t end_after(int fd, off_t off)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (off < st.st_size)
		return st.st_size;
	errno = st.st_size == 0 ? EINVAL : ENXIO;
	return -1;
}

off_t space_next_hole(int fd, off_t off)
{
	(void)fd;
	(void)off;
	return fail();
}

int space_next_data(int fd, off_t off, off_t *start_out, off_t *end_out)
{
	*start_out = off;
	*end_out = end_after(fd, off);
	if (*end_out >= 0)
		return 0;
	*end_out = 0;
	return -1;
}
