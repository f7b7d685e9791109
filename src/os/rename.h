/*
 * rename.h - renaming that never removes the file that has the new name (Linux:
 * renameat2()).
 *
 * Layer: os.
 * Threads: any.
 *
 * Both return 0, or -1 with errno: EINVAL, ENOSYS or EOPNOTSUPP where this
 * kernel or file system cannot (rename_is_unsupported()).
 */
#ifndef FERRY_OS_RENAME_H
#define FERRY_OS_RENAME_H

/* Rename within dir_fd, atomically; EEXIST where something has the name to. */
int rename_new(int dir_fd, const char *from, const char *to);

/* Exchange two names, atomically; ENOENT where one does not exist. */
int rename_exchange(int dir_fd, const char *a, const char *b);

/* Whether error (an errno) says that the call is not supported here. */
int rename_is_unsupported(int error);

#endif
