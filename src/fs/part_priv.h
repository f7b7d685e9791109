/*
 * part_priv.h - what part.c and part_kept.c share.  Private to them.
 *
 * Layer: fs.
 */
#ifndef FERRY_FS_PART_PRIV_H
#define FERRY_FS_PART_PRIV_H

#include "fs/part.h"

/* How often another name, or the same one, is tried. */
enum { PART_NAME_TRIES = 32 };

/* Create under this name: O_CREAT | O_EXCL | O_NOFOLLOW, mode 0600.  A
 * descriptor, or -1 with errno. */
int part_open_new(int dir_fd, const char *name);

/* Whether the name still means the file that is open. */
int part_is_named(int dir_fd, const char *name, const struct stat *st);

#endif
