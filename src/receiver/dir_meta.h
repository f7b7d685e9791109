/*
 * dir_meta.h - modes and times of directories, which are set when a session's
 * files are in place: before that, each new file would change the time, and a
 * mode could keep files out.
 *
 * Layer: receiver.
 * Threads: dir_meta_add() from any, it has a lock of its own; dir_meta_apply()
 * when no more are added.
 *
 * The list is kept in a buffer of at most 4 MiB; what does not fit goes to an
 * unlinked temporary file, so that millions of directories cost no more memory.
 */
#ifndef FERRY_RECEIVER_DIR_META_H
#define FERRY_RECEIVER_DIR_META_H

#include <stddef.h>

#include "base/err.h"
#include "fs/part.h"

struct dir_meta;
struct made;
struct preserve;
struct quota;
struct unlocked;
struct verdict;

/*
 * root_fd is borrowed: paths are relative to it, and the temporary file is made
 * there, whose bytes count (quota).  All are borrowed.  Only directories that
 * the transfer has made get metadata; with replaces, all do.  NULL when out of
 * memory.
 */
struct dir_meta *dir_meta_new(int root_fd, struct made *made,
			      struct unlocked *unlocked, struct quota *quota,
			      int replaces);
/* How many directories its walks may hold open; by default, the most. */
void dir_meta_set_held(struct dir_meta *d, unsigned walk_dirs);
/* Keep more than modes and times (borrowed). */
void dir_meta_set_preserve(struct dir_meta *d, const struct preserve *how);
void dir_meta_free(struct dir_meta *d); /* NULL is allowed */

/* Note a directory.  is_made: the transfer is known to have made it.  Returns
 * 0; 1 with a verdict in v where a limit is exceeded; ERR_RESOURCE or
 * ERR_LOCAL. */
int dir_meta_add(struct dir_meta *d, const char *path, size_t len,
		 const struct file_meta *meta, int is_made, struct verdict *v,
		 struct err *e);

/* Called for each directory whose metadata cannot be set, with the errno. */
typedef void (*dir_meta_trouble)(void *ctx, const char *path, size_t len,
				 unsigned lost, int err_no);

/*
 * Set modes and times of all, and restore those of unlocked directories that
 * get none.  Directories without all permissions for their owner get their
 * modes last, the deepest first, so that what lies below them is reached before
 * (all that are more than 64 deep count as equally deep).  Blocks for as long
 * as the disk takes.  Returns how many there were; or a negative error that
 * prevented the whole: ERR_RESOURCE, ERR_LOCAL.
 */
int dir_meta_apply(struct dir_meta *d, dir_meta_trouble trouble, void *ctx,
		   struct err *e);

/* Only restore the modes of unlocked directories, after a session that
 * failed. */
void dir_meta_restore(struct dir_meta *d, dir_meta_trouble trouble, void *ctx);

#endif
