/*
 * only.h - confines ferry remote to one directory, whatever it is ordered to
 * do.
 *
 * Layer: remote.
 * Threads: main's only, before there are others.
 */
#ifndef FERRY_REMOTE_ONLY_H
#define FERRY_REMOTE_ONLY_H

#include "base/err.h"

struct only;

/*
 * Enter the directory: relative paths begin there from now on.  Where the
 * kernel has Landlock (sandbox/landlock.h), nothing outside of it can be opened
 * any more, except what libraries read.  Returns NULL with ERR_LOCAL where the
 * directory cannot be entered, or ERR_RESOURCE.
 */
struct only *only_enter(const char *dir, struct err *e);
void only_free(struct only *o); /* NULL is allowed */

/* The directory, absolute and without symlinks; borrowed. */
const char *only_dir(const struct only *o);

/*
 * Check that a path, which need not exist, does not lead out of the directory,
 * textually or by symlinks.  Returns 0 or ERR_REMOTE.  Without Landlock,
 * somebody who can write to the directory by other means may still replace a
 * part of the path by a symlink after the check.
 */
int only_check(const struct only *o, const char *path, struct err *e);

#endif
