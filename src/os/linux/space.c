/*
 * Reserving and sharing space, holes, and free space.
 */
#define _GNU_SOURCE 1
#include "os/space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

/* f_type (statfs(2)) of the file systems that reserve a file's space in one
 * step.  Others may be slower than writing, or refuse.  Not btrfs: what is
 * written into reserved space there is never compressed. */
static const uint32_t extent_fs[] = {
	0xef53,     /* ext4 (ext2 and ext3 return EOPNOTSUPP) */
	0x58465342, /* xfs */
	0xf2f52010, /* f2fs */
};

static int has_extents(const struct statfs *fs)
{
	for (size_t i = 0; i < sizeof(extent_fs) / sizeof(extent_fs[0]); i++) {
		if ((uint32_t)fs->f_type == extent_fs[i])
			return 1;
	}
	return 0;
}

static uint64_t bytes_of(const struct statfs *fs, uint64_t blocks)
{
	const uint64_t unit = (uint64_t)(fs->f_frsize > 0 ? fs->f_frsize
							  : fs->f_bsize);
	uint64_t bytes;

	return __builtin_mul_overflow(blocks, unit, &bytes) ? UINT64_MAX : bytes;
}

struct space space_look(int fd)
{
	struct space s = { UINT64_MAX, UINT64_MAX, 0 };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return s;
	s.reserves = has_extents(&fs);
	/* All zero, as on a tmpfs without a limit: not known. */
	if (fs.f_blocks > 0) {
		s.available = bytes_of(&fs, (uint64_t)fs.f_bavail);
		s.total = bytes_of(&fs, (uint64_t)fs.f_blocks);
	}
	return s;
}

static int allocate_range(int fd, int mode, uint64_t off, uint64_t len)
{
	int rc;

	do {
		rc = fallocate(fd, mode, (off_t)off, (off_t)len);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0 && errno == ENOSYS)
		errno = EOPNOTSUPP;
	return rc;
}

int space_reserve(int fd, uint64_t off, uint64_t len)
{
	return allocate_range(fd, FALLOC_FL_KEEP_SIZE, off, len);
}

int space_punch(int fd, uint64_t off, uint64_t len)
{
	return allocate_range(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
			      len);
}

int space_share(int fd, uint64_t off, int from, uint64_t from_off, uint64_t len)
{
	const struct file_clone_range range = {
		.src_fd = from,
		.src_offset = from_off,
		.src_length = len,
		.dest_offset = off,
	};

	return ioctl(fd, FICLONERANGE, &range);
}

off_t space_next_hole(int fd, off_t off)
{
	return lseek(fd, off, SEEK_HOLE);
}

int space_next_data(int fd, off_t off, off_t *start_out, off_t *end_out)
{
	off_t hole;

	*end_out = 0;
	*start_out = lseek(fd, off, SEEK_DATA);
	if (*start_out < 0)
		return -1;
	/* The end of the file counts as a hole.  -1: it was truncated since. */
	hole = space_next_hole(fd, *start_out);
	if (hole > *start_out)
		*end_out = hole;
	return 0;
}
