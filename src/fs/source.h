/*
 * source.h - reading files that another process may be changing.
 *
 * Layer: fs.
 * Threads: any; several may call source_read() and source_next_data() on one
 * descriptor at once.
 */
#ifndef FERRY_FS_SOURCE_H
#define FERRY_FS_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

/*
 * Open a regular file in a directory: O_RDONLY | O_NONBLOCK | O_NOCTTY |
 * O_CLOEXEC, and O_NOFOLLOW unless follow, then require S_ISREG.  *st is filled
 * by fstat().  Returns the descriptor, which the caller closes, or ERR_LOCAL
 * with errno (EINVAL: not a regular file).
 */
int source_open(int dir_fd, const char *name, int follow, struct stat *st,
		struct err *e);

enum source_flags {
	SOURCE_FOLLOW = 1,  /* symlinks */
	SOURCE_GROWING = 2, /* a file that only grows while it is read has
			       not changed: read what was there before */
};

/* Open a small file, whatever it is.  Returns the descriptor, which the caller
 * closes, or ERR_LOCAL with errno. */
int source_open_small(int dir_fd, const char *name, enum source_flags flags,
		      struct err *e);

/*
 * Read it whole.  *st is what the scan saw, and is updated to the
 * file as it was read.  Reads it again, a few times, where it changed
 * meanwhile; a change of metadata alone does not count.  Takes two system calls
 * for a file that has not changed: read and fstat.
 *
 * Returns 0 with *len bytes in p; ERR_CHANGED when it keeps changing or has
 * more than cap bytes; ERR_LOCAL with errno.
 */
int source_read_small(int fd, enum source_flags flags, struct stat *st, void *p,
		      size_t cap, size_t *len, struct err *e);

/*
 * Read exactly n bytes at off.  Returns 0; ERR_CHANGED where the file ends
 * before (it shrank; nothing is padded); ERR_LOCAL with errno.
 */
int source_read(int fd, void *p, size_t n, uint64_t off, struct err *e);

enum source_change {
	SOURCE_SAME,
	/* Only times differ.  The mtime can be set without a write, and set
	 * back after one; the ctime changes with metadata (chmod, a new hard
	 * link, an attribute).  Only reading the content again tells. */
	SOURCE_IN_DOUBT,
	SOURCE_GREW,    /* it has more bytes: reading the first ones again tells
			   whether these are the same */
	SOURCE_CHANGED, /* fewer bytes, or another inode number */
};

/* Compare an earlier state of a file with a later one. */
enum source_change source_compare(const struct stat *before,
				  const struct stat *after);

/*
 * Whether a file that is changed at or after the moment `at` (CLOCK_REALTIME)
 * may still have the same status: it was changed so shortly before that the
 * times of its file system cannot tell.
 */
int source_is_recent(const struct stat *st, const struct timespec *at);

/*
 * Find the next range of data at or after off (SEEK_DATA, SEEK_HOLE): [*start,
 * *end).  Where there is none, both are size.  Where the file system cannot
 * tell holes from data, all is data.  Moves the descriptor's offset, which
 * neither this function nor source_read() depends on.
 *
 * Returns 0; ERR_CHANGED where the file has become shorter than size; ERR_LOCAL
 * with errno.
 */
int source_next_data(int fd, uint64_t off, uint64_t size, uint64_t *start,
		     uint64_t *end, struct err *e);

/* How many bytes a file occupies. */
uint64_t source_allocated(const struct stat *st);

/* Whether the open file with this status may have holes, as it occupies less
 * than its size: 1; 0 where it has none, so that it is compressed on the disk;
 * -1 where holes cannot be found, but may be there. */
int source_has_holes(int fd, const struct stat *st);

#endif
