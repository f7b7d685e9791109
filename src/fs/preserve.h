/*
 * preserve.h - metadata beside mode and time, of files and directories that are
 * open: owner, set-ID bits, ACLs, extended attributes.
 *
 * Layer: fs.  Uses base.
 * Threads: any; a struct preserve is shared and not changed.
 *
 * Everything is read, compared and set by descriptor.  What has an owner or an
 * ACL is set before the mode, as setting these changes it, and the mode before
 * the times.
 */
#ifndef FERRY_FS_PRESERVE_H
#define FERRY_FS_PRESERVE_H

#include <sys/stat.h>

#include "base/err.h"
#include "base/file_meta.h"

struct ids;

/* How it is kept on this host.  All zeroes: nothing is. */
struct preserve {
	unsigned kinds;  /* enum file_meta_preserve */
	struct ids *ids; /* borrowed; NULL: by numbers */
};

/* ---- on the sender ---- */

/* In place of the descriptor of what is not open: ACLs and attributes are left
 * out; or it is known to have none (preserve_is_bare()). */
enum { PRESERVE_CLOSED = -1, PRESERVE_BARE = -2 };

/*
 * Whether leaf in the directory dir_fd has no ACL and no attributes of these
 * kinds (enum file_meta_preserve); 0 also where that cannot be told without
 * opening it.  With follow, what a symlink leads to.
 */
int preserve_is_bare(unsigned kinds, int dir_fd, const char *leaf, int follow);

/*
 * Append the further fields of what is open at fd, or PRESERVE_CLOSED or
 * PRESERVE_BARE, with what how->kinds names: of a directory also the default
 * ACL.  At most room bytes: *lost gets the kinds (enum file_meta_kind) that
 * were left out for want of it.  Returns 0; or ERR_LOCAL with errno where
 * something could not be read.
 */
int preserve_read(const struct preserve *how, int fd, const struct stat *st,
		  size_t room, struct buf *fields, unsigned *lost,
		  struct err *e);

/* ---- on the receiver ---- */

/* The user and group here that the item is to have.  Returns whether they are
 * to be set. */
int preserve_owner(const struct preserve *how, const struct file_meta *m,
		   uid_t *uid, gid_t *gid);

/*
 * Set all but mode and times on the open file or directory, which is_new says
 * has no ACL and no attributes yet; *wants_mode becomes 1 where the mode has to
 * be set after it, also if it was right before.  Returns what could not be set
 * (enum file_meta_kind), 0 if nothing; then e->sys_errno says why.
 */
unsigned preserve_set(const struct preserve *how, int fd,
		      const struct file_meta *m, int is_new, int *wants_mode,
		      struct err *e);

/*
 * The mode to set on what is open at fd after preserve_set(): that of m, with
 * the bits above 0777 only where they were asked for, and a set-ID bit only
 * where the file has the user or group that it was made for.  *lost gets
 * FILE_META_SETID where a bit had to be left out.
 */
mode_t preserve_mode(const struct preserve *how, int fd,
		     const struct file_meta *m, unsigned *lost);

/* Give the open file `to` what `from` has of all this, but for the mode: for a
 * copy that takes its place.  What cannot be set is left out. */
void preserve_copy(int from, int to);

/* Which of what preserve_set() sets is otherwise on the open file or directory,
 * whose status is st; 0: all is as it should be.  SETID where bits of
 * preserve_mode() above 0777 are.  With PRESERVE_CLOSED, ACL and attributes
 * count as different. */
unsigned preserve_differs(const struct preserve *how, int fd,
			  const struct stat *st, const struct file_meta *m);

/* Which kinds (enum file_meta_kind) the effective user may not set on what has
 * this status, because of who owns it: for a dry run.  Others may fail, too. */
unsigned preserve_denied(const struct preserve *how, const struct stat *st,
			 const struct file_meta *m);

#endif
