/*
 * dirs.h - opening directories below a root, one path component at a time.
 *
 * Layer: fs.
 * Threads: a struct dirs belongs to one thread; several may share a root
 * descriptor.
 *
 * A struct dirs holds descriptors of the directories of the current path and
 * reuses those that the next path shares with it.  Only descriptors are cached,
 * never the fact that a name was a directory.  Each step is
 * openat(O_DIRECTORY | O_NOFOLLOW) of a single component, so a symlink that
 * another process puts into the path is never followed.
 */
#ifndef FERRY_FS_DIRS_H
#define FERRY_FS_DIRS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

enum dirs_flags {
	DIRS_CREATE = 1, /* create missing directories (dirs_set_mode()) */
	DIRS_FOLLOW = 2, /* follow symlinks (for a sender that is told to) */
};

struct dirs;

/*
 * on_create (may be NULL) is called twice for each directory that is created,
 * with its path: before mkdirat(), and after it succeeded.
 */
typedef void (*dirs_on_create)(void *ctx, const char *path, size_t len);

/* root_fd is borrowed and must stay open.  NULL when out of memory. */
struct dirs *dirs_new(int root_fd, unsigned flags, dirs_on_create on_create,
		      void *ctx);
void dirs_free(struct dirs *d);

/* Hold at most so many descriptors at a time, at least DIRS_HELD_LEAST: the
 * deepest ones; going back up beyond them begins at the root again.  If it is
 * not set, that of each directory of the path. */
enum { DIRS_HELD_LEAST = 2, DIRS_HELD_MOST = 128 };
void dirs_set_held(struct dirs *d, unsigned max);

/* From now on, whether DIRS_CREATE has an effect, and on_locked is called; at
 * first both are so. */
void dirs_allow(struct dirs *d, int creates, int unlocks);

/* Whether nothing is in the directory root_fd; 0 where that cannot be told. */
int dirs_is_empty(int root_fd);

/* The mode that new directories are created with, less the process's umask;
 * 0777 if it is not set.  (They get their final modes later.) */
void dirs_set_mode(struct dirs *d, uint32_t mode);

/*
 * Called where the mode of a directory that was there keeps its owner out: fd
 * is the directory, or -1 where it cannot be opened, path (len bytes) its path.
 * Returns whether another try may succeed.
 */
typedef int (*dirs_on_locked)(void *ctx, int fd, const char *path, size_t len);
void dirs_set_on_locked(struct dirs *d, dirs_on_locked on_locked, void *ctx);

/*
 * With DIRS_CREATE: called where a directory is to be made, and something that
 * is none has its name, the last component of path (len bytes), in dir_fd.
 * Returns whether it is gone, or a directory by now.
 */
typedef int (*dirs_on_blocked)(void *ctx, int dir_fd, const char *leaf,
			       const char *path, size_t len);
void dirs_set_on_blocked(struct dirs *d, dirs_on_blocked on_blocked, void *ctx);

/*
 * Called around the making of each directory: begin before, which returns
 * whether it may be made (if not, the call on d fails with ERR_ERRNO_LIMIT);
 * then end, with its path (len bytes), whether it was made, and its descriptor
 * or -1.
 */
struct dirs_making {
	int (*begin)(void *ctx);
	void (*end)(void *ctx, const char *path, size_t len, int is_made,
		    int fd);
	void *ctx;
};
void dirs_set_making(struct dirs *d, const struct dirs_making *making);

/* Set the time (CLOCK_REALTIME_COARSE) from which on a directory is young.  If
 * it is not set, only directories that d created are. */
void dirs_set_since(struct dirs *d, const struct timespec *since);

/*
 * Open the directory that holds the last component of path (len bytes, which
 * have passed name_check()) and return its descriptor, borrowed: valid until
 * the next call on d.  *leaf is set to the last component, terminated, in
 * memory of d that is valid as long.
 *
 * Returns a descriptor; ERR_LOCAL with errno in e->sys_errno (ENOTDIR or ELOOP
 * where a component is not a directory); ERR_RESOURCE; ERR_INTERNAL for a path
 * that was not checked.
 */
int dirs_parent(struct dirs *d, const char *path, size_t len,
		const char **leaf, struct err *e);

/* Open the directory path itself (len 0: the root).  Otherwise as
 * dirs_parent(). */
int dirs_enter(struct dirs *d, const char *path, size_t len, struct err *e);

/* The directory that the last of these calls came to, borrowed as theirs: where
 * it failed, the one in which a component could not be opened. */
int dirs_reached(const struct dirs *d);

/* Whether the directory that was opened last was created by d and held since
 * then, so that everything in it is newer. */
int dirs_is_new(const struct dirs *d);

/* Whether that directory was created at or after the time of dirs_set_since(),
 * by any process, so that nothing older is in it.  This relies on the clock and
 * on the file system's birth time: use it only where a wrong answer does no
 * harm.  0 where the file system keeps no birth time. */
int dirs_is_young(const struct dirs *d);

/* Close all descriptors but the root's. */
void dirs_reset(struct dirs *d);

#endif
