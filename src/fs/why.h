/*
 * why.h - the reason of a failure that errno does not tell.
 *
 * Layer: fs.
 * Threads: any.
 */
#ifndef FERRY_FS_WHY_H
#define FERRY_FS_WHY_H

/*
 * The errno of a failed call that was to create, replace or rename name in
 * dir_fd (NULL: something else in it; ".": to change the directory itself).
 * Returns one of enum err_errno, or ENOENT for a directory that was removed,
 * where that says more; else error.  Where name is NULL and nothing else
 * explains it, it is tried whether anything can be created there.
 */
int why_errno(int dir_fd, const char *name, int error);

#endif
