/*
 * source.h - reading a file that may change under us.
 *
 * Layer: fs.  Uses base.
 * Threads: any; source_read() and source_next_data() also on one descriptor.
 */
#ifndef FERRY_FS_SOURCE_H
#define FERRY_FS_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

/*
 * Open a regular file in a directory: O_RDONLY | O_NOFOLLOW (unless follow) |
 * O_NONBLOCK | O_CLOEXEC, then require S_ISREG.  st is filled from the
 * descriptor.  Returns the descriptor or ERR_LOCAL with errno.
 */
int source_open(int dir_fd, const char *name, int follow, struct stat *st,
		struct err *e);

/*
 * Read a small file whole: st is what the scan saw and is updated to what was
 * read.  Reads again (a few times) when the file changed meanwhile.  Returns
 * 0 with *len bytes in p; ERR_CHANGED when it keeps changing or grew beyond
 * cap; ERR_LOCAL with errno.
 * Calls: openat, read, fstat, close.
 */
int source_read_small(int dir_fd, const char *name, int follow,
		      struct stat *st, void *p, size_t cap, size_t *len,
		      struct err *e);

/*
 * Read exactly n bytes at off.  A file that ends before is ERR_CHANGED (it
 * shrank), never padded.
 */
int source_read(int fd, void *p, size_t n, uint64_t off, struct err *e);

/* Whether size, mtime, ctime and inode are the same. */
int source_is_same(const struct stat *a, const struct stat *b);

/*
 * The next stretch of data at or after off (SEEK_DATA, SEEK_HOLE): *start and
 * *end.  Where there is none, both are size.  Where the file system cannot
 * tell, all is data.  The descriptor's offset is moved, but does not matter:
 * several threads may ask at a time, and read by source_read().
 */
int source_next_data(int fd, uint64_t off, uint64_t size, uint64_t *start,
		     uint64_t *end, struct err *e);

#endif
