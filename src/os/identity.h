/*
 * identity.h - what tells a file or directory from all others, also from those
 * that get its inode number when it is gone (Linux: statx(); POSIX: that is not
 * known).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_IDENTITY_H
#define FERRY_OS_IDENTITY_H

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

struct identity {
	uint64_t dev, inode;
	/* When it was created.  Where that is not known, of a file when it was
	 * written last, and its size; of others nothing, all 0: then another
	 * may have the same identity once this one is gone. */
	struct timespec time;
	uint64_t size;
};

/* Get that of the file of fd, and what fstat() says of it, with one call.
 * Returns 0, or -1 with errno. */
int identity_of(int fd, struct identity *id, struct stat *st);

/* The same of an entry of a directory; a symlink is not followed. */
int identity_of_entry(int dir_fd, const char *name, struct identity *id,
		      struct stat *st);

#endif
