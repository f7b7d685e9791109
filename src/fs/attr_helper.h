/*
 * attr_helper.h - sets, from a process of its own, the attributes that cannot
 * be set by a descriptor alone.
 *
 * Layer: fs.  Uses base, os.
 * Threads: attr_helper_start() as helper_start() (os/helper.h); the calls that
 * set something from any thread, one at a time is served; attr_helper_stop()
 * from the owner's.
 *
 * Owner and times of a symlink or special file are set by its name, and a call
 * that gives a directory its set-group-ID bit back could give it to a file: the
 * sandbox allows neither.  The helper gets the descriptor of a directory, which
 * has to be open for reading, so that only what the sandbox lets be opened can
 * be changed.
 */
#ifndef FERRY_FS_ATTR_HELPER_H
#define FERRY_FS_ATTR_HELPER_H

#include <sys/types.h>
#include <time.h>

#include "base/err.h"

struct attr_helper;

/* Start the process, which first calls confine (NULL: nothing).  If that fails
 * the process ends, and what it is asked for fails with EPIPE.  Returns NULL
 * with ERR_RESOURCE. */
struct attr_helper *attr_helper_start(int (*confine)(const void *ctx,
						     struct err *e),
				      const void *ctx, struct err *e);
void attr_helper_stop(struct attr_helper *h); /* NULL is allowed */

/*
 * With h NULL, the following do it in this process.  They block.  Returns 0, or
 * -1 with errno.
 */

/* Set the access and modification time of the symlink or special file name in
 * dir_fd, given as for utimensat().  0 also where the kernel or file system
 * does not support it. */
int attr_helper_set_times(struct attr_helper *h, int dir_fd, const char *name,
			  const struct timespec times[2]);

/* Set the owner and group of the symlink or special file name in dir_fd. */
int attr_helper_set_owner(struct attr_helper *h, int dir_fd, const char *name,
			  uid_t uid, gid_t gid);

/* Set the permission bits of the directory dir_fd to those of mode; set-ID and
 * sticky bits that it has, and mode has too, stay. */
int attr_helper_chmod_dir(struct attr_helper *h, int dir_fd, mode_t mode);

#endif
