/*
 * part.h - the file that content is written to until it gets its final name.
 *
 * Layer: fs.
 * Threads: functions on one struct part by one thread at a time, except that
 * several threads may call part_write() and part_copy() at once on disjoint
 * ranges.  A struct part_names belongs to one thread.
 *
 * A final name shows the whole old or the whole new content, never a mixture.
 *
 * There are three kinds.  A hidden part has no name (O_TMPFILE): it takes the
 * fewest system calls and vanishes with the process, however that ends.  A kept
 * part is named after a tag, so that a later transfer finds it and resumes; the
 * transfer that uses it holds a lock on it.  An ordinary part has a random
 * name.
 */
#ifndef FERRY_FS_PART_H
#define FERRY_FS_PART_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file_meta.h"
#include "fs/name.h"

struct attr_helper;
struct preserve;

struct part {
	int fd;
	char name[NAME_PART_MAX]; /* ".ferry-0123456789abcdef.part"; empty
				     where it is hidden, or there is no part */
	int has_mode;             /* created with its final mode */
	int is_old;               /* not created here: may have any metadata */
	int was_copied;           /* was hidden, and could not be linked */
	int reserves;             /* part_reserve() is of use */
	size_t hole_unit;         /* zeros become holes in units of so many
				     bytes; 0: they are written */
	int has_old_data;         /* where nothing was written it may not be
				     zero: what an earlier transfer left */
	atomic_int shares_none;   /* blocks of another file cannot be shared */
};

/*
 * The source of random names: a generator that takes 64 random bits from the
 * kernel as its seed at the first use, and again whenever a name was taken, so
 * that the names in between need no system call.  Starts all zero: "= { 0 }".
 */
struct part_names {
	uint64_t state;
	int seeded;
	int is_visible; /* for the caller: no hidden parts can be made here */
};

/*
 * Create an ordinary part in dir_fd, and lock it where that is possible: a new
 * random name, O_CREAT | O_EXCL | O_NOFOLLOW, mode 0600.  On failure p->fd is
 * -1 and p->name empty.  Returns 0 or ERR_LOCAL with errno.
 */
int part_create(struct part *p, struct part_names *names, int dir_fd,
		struct err *e);

/*
 * Create a hidden part in dir_fd.  mode is its final permission bits.  is_exact
 * says that a file created with them has exactly these (the process's umask is
 * 0 and the directory has no default ACL): it is then created with them, and
 * part_set_meta() need not set them.  Otherwise it is created with 0600.
 *
 * Returns 0; ERR_AGAIN where the kernel or file system has no such files
 * (nothing recorded in e); ERR_LOCAL with errno.
 */
int part_create_hidden(struct part *p, int dir_fd, uint32_t mode, int is_exact,
		       struct err *e);

/* Who can have made a file, and have it open for writing. */
enum part_owner {
	PART_FOREIGN,  /* another user, or it is not a plain file */
	PART_OURS,     /* this user alone: it is regular, owned by the effective
			  user, and has mode 0600 and one hard link */
	PART_ANYBODYS, /* that cannot be told, as all new files look like it
			  here: the mount sets owner or mode.  What is in it
			  has to be compared before it is used. */
};
enum part_owner part_owner_of(int dir_fd, const struct stat *st);

/*
 * Open the kept part with this tag in dir_fd, or create it as part_create()
 * does, and lock it; the lock lasts until the descriptor is closed, which the
 * kernel does when the process ends.  *was_there says whether an earlier
 * transfer left it.
 *
 * A file that is PART_FOREIGN is removed and replaced by a new part.  It
 * is left alone where it may be a part that another transfer is committing,
 * which has its final mode already: where it is locked, or belongs to this user
 * and cannot be opened.
 *
 * Returns 0; ERR_AGAIN when another transfer has it, or the name is taken by
 * what this user may not remove, as in a sticky directory (nothing recorded in
 * e); ERR_LOCAL with errno.
 */
int part_open_kept(struct part *p, int dir_fd, uint64_t tag, int *was_there,
		   struct err *e);

/* Whether another transfer has the kept part with this tag in dir_fd. */
int part_is_locked(int dir_fd, uint64_t tag);

/* Open and lock an existing kept part, whatever its mode, in order to remove
 * it.  Returns 0, or -1 where there is none, or another transfer has it, or it
 * cannot be opened.  *was_there is 0 only where there is none. */
int part_open_leftover(struct part *p, int dir_fd, uint64_t tag,
		       int *was_there);

/* Whether another process of this user can open a kept part that has this mode:
 * it can be left with its final mode by a process that is killed before it
 * renames it. */
int part_is_keepable(uint32_t mode);

/* Write ".ferry-0123456789abcdef.SUFFIX" for a tag to name. */
void part_tag_name(char name[NAME_PART_MAX], uint64_t tag, const char *suffix);

/* Write the temporary name of what is about to replace final to name: always
 * the same one for the same final name. */
void part_new_name(char name[NAME_PART_MAX], const char *final);

/*
 * Check in advance that a file that will occupy size bytes fits, beside
 * `others` that are still to be written elsewhere.  Reserves nothing, as a peer
 * that announces files could take all the space.  *have is the free space in
 * bytes, with what the part occupies already where that matters; UINT64_MAX
 * where it is not known.
 *
 * Returns 0 or ERR_LOCAL with errno ENOSPC, EFBIG...
 */
int part_check_space(struct part *p, uint64_t size, uint64_t others,
		     uint64_t *have, struct err *e);

/* After that: reserve a range that is going to be written, so that it lies in
 * one piece, where the file system does that cheaply; errors are ignored, and
 * met again when it is written. */
void part_reserve(const struct part *p, uint64_t off, uint64_t len);

/* Give back what was reserved after the end of the file. */
void part_trim(const struct part *p);

/*
 * From now on make holes of zeros, for content that comes from a file with
 * holes: in units of the file system's blocks, but of 4 KiB at most, since
 * larger zeros may lie in larger blocks that hold data as well.  Before
 * part_write(); part_set_size() is needed in the end.  Takes one system call.
 */
void part_make_holes(struct part *p);

/* Write n bytes at off, which is a multiple of p->hole_unit.  Returns 0 or
 * ERR_LOCAL with errno. */
int part_write(struct part *p, const void *data, size_t n, uint64_t off,
	       struct err *e);

/* Whether part_copy() may share the blocks of n bytes, as far as is known: they
 * are many, lie in whole blocks, and it has not failed yet. */
int part_may_share(const struct part *p, uint64_t from_off, size_t n,
		   uint64_t off);

/*
 * Write n bytes at off, which were read from the file `from` at from_off.
 * Where that is possible the part gets the blocks of that file instead
 * (space_share()), and nothing is written; what it has then is compared with
 * data, as the file may have changed.  Returns as part_write().
 */
int part_copy(struct part *p, int from, uint64_t from_off, const void *data,
	      size_t n, uint64_t off, struct err *e);

/* Write the whole content of a new part, n bytes.  Zeros become holes in units
 * of 4 KiB.  Returns as part_write(). */
int part_write_all(struct part *p, const void *data, size_t n, struct err *e);

/* Truncate or extend to exactly size bytes; ranges that were never written are
 * holes.  Returns 0 or ERR_LOCAL with errno. */
int part_set_size(struct part *p, uint64_t size, struct err *e);

/* Make the count bytes from off on zero.  Frees their blocks where the file
 * system can, else writes zeros.  Returns 0 or ERR_LOCAL with errno. */
int part_punch(struct part *p, uint64_t off, uint64_t count, struct err *e);

/*
 * Set what meta has, in this order: owner, extended attributes, ACL, as how
 * says (fs/preserve.h; NULL: none of them); the permission bits, unless
 * p->has_mode; mtime, and atime (to now).  Set-id and sticky bits only as
 * preserve_mode() says.  All by descriptor.
 *
 * Returns what could not be set (enum file_meta_kind), 0 if nothing; then
 * e->sys_errno says why: EINVAL for a time that the system cannot represent.
 */
unsigned part_set_meta(struct part *p, const struct file_meta *meta,
		       const struct preserve *how, struct err *e);

/*
 * Which of owner, mode and time the file system ignored when part_set_meta()
 * set them: as above.  *is_mount_mode says that the mode is that of the mount,
 * which is not counted.
 */
unsigned part_ignored_meta(const struct part *p, const struct file_meta *meta,
			   const struct preserve *how, int *is_mount_mode);

/* Make content and size durable (fdatasync()).  Returns 0 or ERR_LOCAL with
 * errno: then what was written is lost, and a second call would hide that. */
int part_sync(struct part *p, struct err *e);

/*
 * Give the part its final name in dir_fd, the directory it was created in: a
 * hidden part is linked, any other renamed.  With replace 0 anything that has
 * the name is left alone: ERR_LOCAL with EEXIST; see rename_new().  With
 * replace 1 what has the name is replaced, atomically, unless it is a
 * directory: ERR_LOCAL with EISDIR.  EILSEQ where the file system cannot store
 * the name.  EBUSY where another file has taken the part's own name: that one
 * is left alone.
 *
 * A hidden part that cannot be linked becomes a copy of itself (was_copied),
 * with a name, which is flushed and renamed.
 */
int part_rename(struct part *p, int dir_fd, const char *final, int replace,
		struct err *e);

/* Whether another file than the part has the name, so that the part cannot be
 * renamed or removed by it; 0 where nothing has. */
int part_has_lost(const struct part *p, int dir_fd, const char *name);

/* Report the write errors that close() would report (NFS, quotas), but keep the
 * descriptor and its lock: for a part that gets its name without part_sync().
 * Returns 0 or ERR_LOCAL with errno. */
int part_check_close(const struct part *p, struct err *e);

/* Close the descriptor.  Returns 0, or ERR_LOCAL with errno for a write error
 * that close() reports. */
int part_close(struct part *p, struct err *e);

/* Remove the file, unless another one has its name, and close it; errors are
 * ignored.  Does nothing for a part that was not created. */
void part_discard(struct part *p, int dir_fd);

/* fstatat() without following a symlink.  Returns 0 or ERR_LOCAL with errno
 * (ENOENT). */
int part_stat(int dir_fd, const char *name, struct stat *st, struct err *e);

/* Open an existing regular file for reading: source_open() without following a
 * symlink.  Returns a descriptor, which the caller closes, or ERR_LOCAL with
 * errno. */
int part_open_existing(int dir_fd, const char *name, struct stat *st,
		       struct err *e);

/* Set the metadata of a directory, of which st is what fstat() says, by
 * descriptor, as part_set_meta().  Where meta does not say which bits above
 * 0777 it is to have, a set-gid or sticky bit that it has here (set-gid is
 * inherited from the parent) stays: it does not come from the peer.  attrs sets
 * the mode then (NULL: this process does).  What the file system ignored counts
 * as lost, with EOPNOTSUPP in e. */
unsigned part_set_dir_meta(int dir_fd, const struct stat *st,
			   const struct file_meta *meta,
			   const struct preserve *how,
			   struct attr_helper *attrs, struct err *e);

#endif
