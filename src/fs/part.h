/*
 * part.h - a file on its way: written under a name of ours, then renamed.
 *
 * Layer: fs.  Uses base, name.h, source.h.
 * Threads: functions on one struct part by one thread at a time, but
 * part_write() may run in several at once on disjoint ranges.  A struct
 * part_names belongs to one thread.
 *
 * A final name shows the whole old or the whole new content, never a mixture.
 */
#ifndef FERRY_FS_PART_H
#define FERRY_FS_PART_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "fs/name.h"

struct part {
	int fd;
	char name[NAME_PART_MAX]; /* ".ferry-0123456789abcdef.part" */
};

struct file_meta {
	uint32_t mode; /* permission bits; set-id and sticky are dropped */
	int64_t mtime_s;
	uint32_t mtime_ns;
};

/*
 * Where new names come from: 64 random bits of the system's at the first use
 * (and again whenever a name was taken), a mixed counter in between, so that
 * a name costs no system call.  All zero is the start: "= { 0 }".
 */
struct part_names {
	uint64_t state;
	int seeded;
};

/*
 * Create a part file in dir_fd: a new random name, O_CREAT | O_EXCL |
 * O_NOFOLLOW, mode 0600.  On failure p->fd is -1 and p->name empty.
 * Returns 0 or ERR_LOCAL with errno.
 */
int part_create(struct part *p, struct part_names *names, int dir_fd,
		struct err *e);

/*
 * Make sure beforehand that size bytes fit: reserve them where the file
 * system can do so cheaply (fallocate() on extent-based ones), else compare
 * with the free space.  On failure *have is the space there is.
 * Returns 0 or ERR_LOCAL with errno ENOSPC, EDQUOT, EFBIG...
 */
int part_reserve(struct part *p, uint64_t size, uint64_t *have, struct err *e);

/* Write n bytes at off.  Returns 0 or ERR_LOCAL with errno. */
int part_write(struct part *p, const void *data, size_t n, uint64_t off,
	       struct err *e);

/* Cut or extend to exactly size bytes (what was not written is a hole). */
int part_set_size(struct part *p, uint64_t size, struct err *e);

/* Mode and mtime, by descriptor (atime is set to now); a time that the system
 * cannot represent is ERR_LOCAL with EINVAL. */
int part_set_meta(struct part *p, const struct file_meta *meta, struct err *e);

/* fdatasync or fsync, as needed for the content and size to be durable. */
int part_sync(struct part *p, struct err *e);

/*
 * Give it its final name in the same directory.  With replace 0 an existing
 * name of any kind is left alone: ERR_LOCAL with EEXIST (RENAME_NOREPLACE;
 * linkat() and unlinkat() where the file system has not that).  With replace
 * 1 an existing non-directory is replaced; a directory: EISDIR.
 */
int part_rename(const struct part *p, int dir_fd, const char *final,
		int replace, struct err *e);

/* Close the descriptor, checking for late write errors. */
int part_close(struct part *p, struct err *e);

/* Close and remove: errors do not matter.  Nothing happens to a part that
 * part_create() did not make. */
void part_discard(struct part *p, int dir_fd);

/*
 * Make a symlink at final, atomically, as part_rename() would, with the given
 * mtime (of the link itself; left as it is where a sandbox or the file system
 * does not allow that).  target is terminated and was checked by
 * name_check_link().  Returns 0 or ERR_LOCAL with errno.
 */
int part_symlink(struct part_names *names, int dir_fd, const char *final,
		 const char *target, const struct file_meta *meta, int replace,
		 struct err *e);

/*
 * What stands at a name: 0 and *st (not following a link), or ERR_LOCAL with
 * errno (ENOENT).
 */
int part_stat(int dir_fd, const char *name, struct stat *st, struct err *e);

/* Open an existing regular file for reading (O_NOFOLLOW | O_NONBLOCK, then
 * S_ISREG).  Returns a descriptor or ERR_LOCAL with errno. */
int part_open_existing(int dir_fd, const char *name, struct stat *st,
		       struct err *e);

/* Mode and mtime of a directory, by descriptor; as part_set_meta().  A set-gid
 * or sticky bit that the directory has here (inherited from its parent) stays:
 * it is not the peer's. */
int part_set_dir_meta(int dir_fd, const struct file_meta *meta, struct err *e);

#endif
