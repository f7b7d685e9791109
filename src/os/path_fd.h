/*
 * path_fd.h - descriptors that only stand for a place in the file system
 * (Linux: O_PATH; POSIX: they are open for reading, or for searching where the
 * system has O_SEARCH, so that what may not be read cannot be opened, but
 * directories of this user's with O_NOFOLLOW, whose mode is another for a
 * moment).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_PATH_FD_H
#define FERRY_OS_PATH_FD_H

#include <sys/types.h>

/* Open what is at path, from dir_fd (AT_FDCWD: the working directory).  flags:
 * O_DIRECTORY, O_NOFOLLOW or 0.  Returns a descriptor, which is the caller's
 * and closed by exec(), or -1 with errno. */
int path_fd_open(int dir_fd, const char *path, int flags);

/* Whether a descriptor is of this kind, so that it gives no right to read;
 * POSIX: it cannot be told, and is not. */
int path_fd_is(int fd);

/* As fchmod(), which Linux refuses for these.  Returns 0, or -1 with errno. */
int path_fd_chmod(int fd, mode_t mode);

/* Open the file of the descriptor fd again, with other flags of open().  POSIX:
 * by path, by which it was opened; ESTALE where that is another file by now.
 * Returns a descriptor, which is the caller's, or -1 with errno. */
int path_fd_reopen(int fd, const char *path, int flags);

#endif
