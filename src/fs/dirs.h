/*
 * dirs.h - walking to directories below a held one, one component at a time.
 *
 * Layer: fs.  Uses base, name.h.
 * Threads: a struct dirs belongs to one thread; several may share a root
 * descriptor.
 *
 * The walk holds a descriptor of every directory of the current path and
 * reuses what the next path has in common with it.  What is cached is the
 * descriptor, never the fact that a name was a directory.  Each step is
 * openat(O_DIRECTORY | O_NOFOLLOW) of a single component, so no link that
 * somebody puts in the way is ever followed.
 */
#ifndef FERRY_FS_DIRS_H
#define FERRY_FS_DIRS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

enum dirs_flags {
	DIRS_CREATE = 1, /* make what is missing (dirs_set_mode()) */
	DIRS_FOLLOW = 2, /* follow links (a sender told to follow them) */
};

struct dirs;

/*
 * on_create (may be NULL) is told of each directory that is being made, with
 * its path, twice: before mkdirat() and after it succeeded.
 */
typedef void (*dirs_on_create)(void *ctx, const char *path, size_t len);

/* root_fd is borrowed and must stay open.  NULL when out of memory. */
struct dirs *dirs_new(int root_fd, unsigned flags, dirs_on_create on_create,
		      void *ctx);
void dirs_free(struct dirs *d);

/* The mode that new directories are made with, less the process's umask; 0777
 * if it is not set.  (They are given their final modes later.) */
void dirs_set_mode(struct dirs *d, uint32_t mode);

/* From when on a directory is young (CLOCK_REALTIME_COARSE); without it, none
 * is but the new ones. */
void dirs_set_since(struct dirs *d, const struct timespec *since);

/*
 * Walk to the directory that holds the last component of path (len bytes,
 * which passed name_check()) and return its descriptor, borrowed: valid until
 * the next call on d.  *leaf is set to the last component, a pointer into a
 * terminated copy inside d, valid as long.
 *
 * Returns a descriptor; or ERR_LOCAL with errno in e->sys_errno (ENOTDIR or
 * ELOOP where something that is not a directory stands in the way); or
 * ERR_RESOURCE.
 */
int dirs_parent(struct dirs *d, const char *path, size_t len,
		const char **leaf, struct err *e);

/* Walk to the directory path itself (len 0: the root).  As dirs_parent(). */
int dirs_enter(struct dirs *d, const char *path, size_t len, struct err *e);

/* Whether the directory that was walked to last was made by d, and held since:
 * what is in it came after that. */
int dirs_is_new(const struct dirs *d);

/* Whether it was made since then, by whomever: what was there before cannot be
 * in it.  By the clock and the file system's word, so only for what does no harm
 * if these are wrong; 0 where the file system keeps no time of birth. */
int dirs_is_young(const struct dirs *d);

/* Let go of all descriptors but the root. */
void dirs_reset(struct dirs *d);

#endif
