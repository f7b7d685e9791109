/*
 * exec_check.h - who could have another program run in place of the one that
 * --exec names.
 *
 * Layer: receiver.
 * Threads: any.
 */
#ifndef FERRY_RECEIVER_EXEC_CHECK_H
#define FERRY_RECEIVER_EXEC_CHECK_H

#include "base/err.h"

/*
 * Check that the program and all directories above it belong to this process's
 * user or root, and that nobody else can write to them; a directory with the
 * sticky bit may be writable for all.  path is absolute and has no symlinks.
 * Returns 0, or ERR_USAGE with a text that names what is not safe, and what to
 * do.
 */
int exec_check_program(const char *path, struct err *e);

/* Whether the absolute path lies below the directory dir, as far as the two
 * texts say. */
int exec_check_is_below(const char *path, const char *dir);

/*
 * Whether it does by this or another path: a directory that the path names is
 * dir, by device and inode, as where dir is also mounted elsewhere (mount
 * --bind), or where names are folded.  Not found is a directory inside dir that
 * is mounted elsewhere by itself.
 */
int exec_check_is_in_dir(const char *path, const char *dir);

/* A copy of a search path such as PATH without what is relative or lies in dir,
 * where senders create files; a usual one where nothing is left.  The caller
 * frees it; NULL when out of memory. */
char *exec_check_search_path(const char *list, const char *dir);

#endif
