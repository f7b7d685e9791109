/*
 * rename.h - renaming that never removes the file that has the new name (Linux:
 * renameat2()).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_RENAME_H
#define FERRY_OS_RENAME_H

/*
 * Rename within dir_fd.  Returns 0, or -1 with errno: EEXIST where something
 * has the name to.
 *
 * Atomic where the file system has RENAME_NOREPLACE, or hard links.  Where it
 * has neither, the name is an empty file for a moment, which a process that is
 * killed there leaves.  Otherwise nothing is left that was not there before.
 */
int rename_new(int dir_fd, const char *from, const char *to);

/*
 * Exchange two names, atomically.  Returns 0, or -1 with errno: ENOENT where
 * one does not exist; see rename_is_unsupported().
 *
 * Some file systems accept the call and rename a to b, which removes b: try it
 * first (fs/trial.h).
 */
int rename_exchange(int dir_fd, const char *a, const char *b);

/* Whether error (an errno of renameat2() with a flag) says that this kernel or
 * file system does not have the flag.  EINVAL is also what a file system may
 * say of a name that it cannot store. */
int rename_is_unsupported(int error);

/* Whether error (an errno of linkat()) says that this file cannot have a second
 * name here. */
int rename_link_is_unsupported(int error);

#endif
