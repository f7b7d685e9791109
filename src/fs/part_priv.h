/*
 * part_priv.h - what part.c, part_kept.c and node.c share.  Private to them.
 *
 * Layer: fs.
 */
#ifndef FERRY_FS_PART_PRIV_H
#define FERRY_FS_PART_PRIV_H

#include <time.h>

#include "fs/part.h"

/* How often creating a part is tried, with a new random name or, for a kept
 * part, the same one.  Names of 64 random bits do not clash by chance, so this
 * is reached only where another process takes the names on purpose. */
enum { PART_NAME_TRIES = 32 };

/* A part without a file, about which nothing is known. */
void part_reset(struct part *p);

/* Create a file with this name: O_CREAT | O_EXCL | O_NOFOLLOW, mode 0600.
 * Returns a descriptor, or -1 with errno. */
int part_open_new(int dir_fd, const char *name);

/* Whether the name still refers to the file with this device and inode. */
int part_is_named(int dir_fd, const char *name, const struct stat *st);

/*
 * Remove the file that a killed process left with this temporary name.  Returns
 * whether the name is free now.  A process that is still running has its file
 * locked.  A symlink cannot be locked and is removed in any case: a running
 * process that loses one makes it again (see make_and_replace()).
 */
int part_clear_leftover(int dir_fd, const char *name);

/* Access time now and modification time as given, for utimensat().  Returns 0,
 * or ERR_LOCAL with errno for one that the system cannot represent. */
int part_to_times(const struct file_meta *meta, struct timespec times[2],
		  struct err *e);

/* What replaces a name: make() makes what with a temporary name; has_lost()
 * says whether something else has that name now, as part_has_lost().  Then, or
 * where make() fails with EBUSY as it has seen that itself, another name is
 * tried if can_repeat: a file that was linked, and has no name any more, cannot
 * be linked again. */
struct part_maker {
	int (*make)(const void *what, int dir_fd, const char *name);
	int (*has_lost)(const void *what, int dir_fd, const char *name);
	const void *what;
	int can_repeat;
};

/* Make what with a temporary name in dir_fd, and rename it over final.  Returns
 * 0, or -1 with errno. */
int part_replace(int dir_fd, const char *final, const struct part_maker *m);

#endif
