/*
 * space.h - reserving, freeing, sharing and finding the blocks of a file
 * (Linux: fallocate(), FICLONERANGE, SEEK_DATA).
 *
 * Layer: os.
 * Threads: any; several may use one descriptor at once.
 */
#ifndef FERRY_OS_SPACE_H
#define FERRY_OS_SPACE_H

#include <stdint.h>
#include <sys/types.h>

/* What is free on a file system, to an unprivileged user, and how large it is,
 * in bytes; UINT64_MAX where it is not known. */
struct space {
	uint64_t available, total;
	int reserves; /* space_reserve() is of use */
};
struct space space_look(int fd);

/*
 * Reserve a range of the file, whose size stays.  Of use where the file system
 * does so in one step, and should: not btrfs, which would not compress.
 * (posix_fallocate() would write zeros instead.)  Returns 0, or -1 with errno.
 */
int space_reserve(int fd, uint64_t off, uint64_t len);

/* Free the blocks of a range, which then reads as zeros; the size stays.
 * Returns 0, or -1 with errno: EOPNOTSUPP where that is not possible. */
int space_punch(int fd, uint64_t off, uint64_t len);

/*
 * Let fd have at off the len bytes that the file `from` has at from_off, in the
 * same blocks on the disk, until one of the two is written to (a reflink).  All
 * three are multiples of the file system's block.  Returns 0, or -1 with errno
 * where that is not possible: another file system, or one that cannot.
 */
int space_share(int fd, uint64_t off, int from, uint64_t from_off,
		uint64_t len);

/*
 * Find the first range of data at or after off: [*start_out, *end_out).  POSIX:
 * all up to the end of the file is data.  *end_out is 0 where the end of that
 * range was not found.  Returns 0; or -1 with errno: ENXIO where there is no
 * data from off on, EINVAL and the like where the file system cannot tell.
 *
 * Moves the descriptor's offset, so nothing else may use that.  Does not depend
 * on it, as lseek() is given absolute offsets and returns what it found, so
 * several threads may call this at once.
 */
int space_next_data(int fd, off_t off, off_t *start_out, off_t *end_out);

/* Where the first hole at or after off begins; the end of the file counts as
 * one.  POSIX: -1, as it cannot tell.  Otherwise as space_next_data(). */
off_t space_next_hole(int fd, off_t off);

#endif
