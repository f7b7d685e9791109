/*
 * times.h - times of files that POSIX cannot set or tell (Linux: O_PATH,
 * statx()).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_TIMES_H
#define FERRY_OS_TIMES_H

#include <time.h>

/*
 * An empty path, alone on its page so that the page can be sealed.  It is the
 * only path by which this process sets times: that of a descriptor
 * (AT_EMPTY_PATH).  A sandbox that cannot read memory can allow it by its
 * address.
 */
enum { TIMES_EMPTY_PATH_SIZE = 4096 };
extern const char times_empty_path[];

/*
 * Set access and modification time of a symlink, as utimensat() takes them.
 * Returns 0, also where this system does not let anybody do that; or -1 with
 * errno.
 */
int times_set_symlink(int dir_fd, const char *name,
		      const struct timespec times[2]);

/* When what fd refers to was created.  Returns 0, or -1 where the file system
 * does not keep that. */
int times_of_birth(int fd, struct timespec *birth_out);

#endif
