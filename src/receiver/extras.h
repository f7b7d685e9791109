/*
 * extras.h - lists a directory, or everything in and below one, for a sender
 * that decides what of it is deleted.
 *
 * Layer: receiver.
 * Threads: the first stream's.
 *
 * Each directory is opened relative to its parent's descriptor, with
 * O_NOFOLLOW.  Memory does not grow with the number of files.  What other
 * transfers of ferry keep (name_is_own()) is not listed, nor what the conflict
 * policy has made: "NAME~" and "NAME (N)".
 */
#ifndef FERRY_RECEIVER_EXTRAS_H
#define FERRY_RECEIVER_EXTRAS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/names.h"
#include "fs/name.h"
#include "receiver/conflict.h"

struct extras;
struct unlocked;

struct extras_config {
	enum conflict_policy existing;
	struct timespec began; /* the session, by the clock that dates files */
	struct unlocked *unlocked; /* borrowed; or NULL */
	unsigned depth; /* directories that may be open at a time */
};

/* NULL when out of memory. */
struct extras *extras_new(const struct extras_config *cfg);
void extras_free(struct extras *x); /* NULL is allowed */

/*
 * Whether the entry leaf of dir was made since the session began: then it is
 * another transfer's, or the user's.  Where the file system does not tell when
 * a file was made: whether its status was changed since then, and also its
 * content if it has several names, as removing one of them changes the status,
 * too.  *mode: its mode, 0 where it is gone.
 */
int extras_is_young(const struct timespec *began, int dir, const char *leaf,
		    uint32_t *mode);

/*
 * Sum up the names in the directory dir (borrowed).  lettered gets the first of
 * them that has a letter of ASCII, or is empty.  Returns 0, or ERR_LOCAL with
 * errno.
 */
int extras_sum(const struct extras *x, int dir, struct names_sum *sum,
	       char lettered[NAME_COMPONENT_MAX + 1], struct err *e);

/* Begin to list the directory dir (borrowed), without what is below its
 * directories.  Returns 0, or ERR_LOCAL with errno. */
int extras_begin(struct extras *x, int dir, struct err *e);

/*
 * Begin to list what is below the directory leaf in dir (borrowed), and at last
 * that directory itself.  path: its path, for unlocked.h.
 */
void extras_begin_tree(struct extras *x, int dir, const char *leaf,
		       const char *path, size_t path_len);

struct extras_row {
	const char *name; /* below the directory, or of a tree: with leaf; borrowed
			     until the next call */
	size_t name_len;
	int is_dir;
	unsigned cause; /* why it is not deleted (enum wire_cause), or 0 */
};

/* The next one.  A directory comes after all that is in it.  Returns whether
 * there is one. */
int extras_next(struct extras *x, struct extras_row *row);

#endif
