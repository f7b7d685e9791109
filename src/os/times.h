/*
 * times.h - times of files that POSIX has no call for (Linux: O_PATH, statx()).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_TIMES_H
#define FERRY_OS_TIMES_H

#include <stdint.h>
#include <time.h>

/*
 * An empty path for utimensat() with AT_EMPTY_PATH, which sets the times of a
 * descriptor.  A seccomp filter sees a path's address and not its text, so it
 * allows this address only.  The path is alone on its page, so that the page
 * can be sealed against changes (mseal()).
 */
enum { TIMES_EMPTY_PATH_SIZE = 4096 };
extern const char times_empty_path[];

/*
 * Set access and modification time of a symlink, given as for utimensat().
 * Returns 0, also where the kernel, file system or sandbox does not allow it;
 * or -1 with errno.
 */
int times_set_symlink(int dir_fd, const char *name,
		      const struct timespec times[2]);

/* Get the time when the file of fd was created, and in any case its mode (0 where
 * it is not known), as one call yields both.  Returns 0, or -1 where the file
 * system does not keep that time. */
int times_of_birth(int fd, struct timespec *birth_out, uint32_t *mode_out);

#endif
