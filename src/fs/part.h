/*
 * part.h - a file on its way: written without a name or under one of ours,
 * then given its final one.
 *
 * Layer: fs.  Uses base, name.h, source.h.
 * Threads: functions on one struct part by one thread at a time, but
 * part_write() may run in several at once on disjoint ranges.  A struct
 * part_names belongs to one thread.
 *
 * A final name shows the whole old or the whole new content, never a mixture.
 *
 * There are three kinds.  A hidden part has no name at all (O_TMPFILE): it costs
 * the fewest system calls and is gone with the process, however that ends.  A
 * kept part has the name that its tag gives it, so that it is found again and
 * its transfer goes on; whoever has it locks it.  An ordinary one has a random
 * name.
 */
#ifndef FERRY_FS_PART_H
#define FERRY_FS_PART_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file_meta.h"
#include "fs/name.h"

struct part {
	int fd;
	char name[NAME_PART_MAX]; /* ".ferry-0123456789abcdef.part"; empty: it
				     is hidden, or there is none */
	int has_mode;             /* it was created with its final mode */
};

/*
 * Where new names come from: 64 random bits of the system's at the first use
 * (and again whenever a name was taken), a mixed counter in between, so that
 * a name costs no system call.  All zero is the start: "= { 0 }".
 */
struct part_names {
	uint64_t state;
	int seeded;
	int is_visible; /* the caller's: there are no hidden parts here */
};

/*
 * Create a part file in dir_fd: a new random name, O_CREAT | O_EXCL |
 * O_NOFOLLOW, mode 0600.  On failure p->fd is -1 and p->name empty.
 * Returns 0 or ERR_LOCAL with errno.
 */
int part_create(struct part *p, struct part_names *names, int dir_fd,
		struct err *e);

/*
 * Create a hidden part in dir_fd.  mode are the permission bits that it will
 * have in the end; is_exact says that they come out as given (the process's
 * umask is 0 and the directory has no default ACL), so that part_set_meta()
 * need not set them.  Returns 0; ERR_AGAIN where the file system has no such
 * files (nothing recorded in e); ERR_LOCAL with errno.
 */
int part_create_hidden(struct part *p, int dir_fd, uint32_t mode, int is_exact,
		       struct err *e);

/* Whether it is ours alone: a regular file of ours with mode 0600 and one name. */
int part_is_ours(const struct stat *st);

/*
 * Open the kept part with this tag in dir_fd, or create it as part_create()
 * does, and lock it (until its descriptor is closed, which the kernel does for
 * a dead process).  One that is not ours alone is not used but removed, unless
 * another transfer has it, which may be about to commit it; one of ours that cannot
 * be opened at all may be such as well.  *was_there says whether it was left by
 * an earlier transfer.
 *
 * Returns 0; ERR_AGAIN when another transfer has it (nothing recorded in e);
 * ERR_LOCAL with errno.
 */
int part_open_kept(struct part *p, int dir_fd, uint64_t tag, int *was_there,
		   struct err *e);

/* Take over the one that is there, whatever its mode, to remove it: 0, or -1
 * where there is none to be had.  *was_there is 0 where there was none. */
int part_take_kept(struct part *p, int dir_fd, uint64_t tag, int *was_there);

/* Whether a kept part that has got this mode, and whose process died before it
 * had its name, can be opened by the next one of this user. */
int part_is_keepable(uint32_t mode);

/* ".ferry-0123456789abcdef.SUFFIX" for a tag. */
void part_tag_name(char name[NAME_PART_MAX], uint64_t tag, const char *suffix);

/* Such a name for what is about to replace final. */
void part_new_name(char name[NAME_PART_MAX], const char *final);

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

/* Make count bytes from off on zero, giving back their space where the file
 * system can.  Returns 0 or ERR_LOCAL with errno. */
int part_punch(struct part *p, uint64_t off, uint64_t count, struct err *e);

/* Mode, less set-id and sticky bits (unless it has that already), and mtime, by
 * descriptor (atime is set to now); a time that the system cannot represent is
 * ERR_LOCAL with EINVAL. */
int part_set_meta(struct part *p, const struct file_meta *meta, struct err *e);

/* fdatasync or fsync, as needed for the content and size to be durable. */
int part_sync(struct part *p, struct err *e);

/*
 * Give it its final name in the same directory: a hidden part is linked there,
 * any other renamed.  With replace 0 an existing
 * name of any kind is left alone: ERR_LOCAL with EEXIST (RENAME_NOREPLACE;
 * linkat() and unlinkat() where the file system has not that).  With replace
 * 1 an existing non-directory is replaced; a directory: EISDIR.
 */
int part_rename(const struct part *p, int dir_fd, const char *final,
		int replace, struct err *e);

/* Hear now what close() would have to say, without closing (a lock stays):
 * for a part that is not flushed before it gets its name. */
int part_settle(const struct part *p, struct err *e);

/* Close the descriptor, checking for late write errors. */
int part_close(struct part *p, struct err *e);

/* Close and remove: errors do not matter.  Nothing happens to a part that was
 * not made. */
void part_discard(struct part *p, int dir_fd);

/*
 * Make a symlink at final, as part_rename() would, with the given
 * mtime (of the link itself; left as it is where a sandbox or the file system
 * does not allow that).  target is terminated and was checked by
 * name_check_link().  Returns 0 or ERR_LOCAL with errno.
 */
int part_symlink(int dir_fd, const char *final, const char *target,
		 const struct file_meta *meta, int replace, struct err *e);

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
