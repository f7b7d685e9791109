/*
 * placed.h - which files a session has put, or found the same, where the file
 * system folds names (upper and lower case, Unicode forms): two names of the
 * session may be one file there, and the second must not replace the first.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.
 *
 * Whether names are folded is found for each directory, from the session's
 * second file on where the conflict policy may replace files, else with the
 * first conflict: by the directory's attribute (os/casefold.h), or else by
 * trying it (fs/trial.h) once for each file system.
 */
#ifndef FERRY_RECEIVER_PLACED_H
#define FERRY_RECEIVER_PLACED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

struct placed;

/* replaces: the policy may replace what has a name.  began: when the session
 * did (CLOCK_REALTIME_COARSE).  NULL when out of memory. */
struct placed *placed_new(int replaces, const struct timespec *began);
void placed_free(struct placed *p); /* NULL is allowed */

/* A name in dir_fd, the last component of path, which is that of an item. */
struct placed_name {
	int dir_fd;
	const char *leaf;
	const char *path; /* path_len bytes, not terminated */
	size_t path_len;
};

/*
 * Before an item gets its name: whether files have to be noted.  If so, the
 * lock is held until placed_unlock(), so that no other one gets the name in
 * between.
 */
int placed_lock(struct placed *p, const struct placed_name *name);
void placed_unlock(struct placed *p);

/* The item has this name now, or the same was there.  Locked. */
void placed_note(struct placed *p, const struct placed_name *name);

/*
 * An item was found to be there already; the lock is not held.  Returns NULL;
 * or the path of another item of this session that was put there while it was
 * compared, as placed_rival().
 */
char *placed_note_same(struct placed *p, const struct placed_name *name);

/*
 * What has the name (there) is another item of this session: its path, which
 * the caller frees.  NULL where it is not.  is_locked: by placed_lock().
 */
char *placed_rival(struct placed *p, const struct placed_name *name,
		   const struct stat *there, int is_locked);

/*
 * Before a kept part with this tag is opened for an item: take it, unless
 * another item has it through another spelling of the directory.  On FUSE the
 * lock on the part does not tell, as the kernel has an inode for each spelling.
 * Returns 0, or -1 where it is taken.
 */
int placed_take_part(struct placed *p, const struct placed_name *name,
		     uint64_t tag);
void placed_drop_part(struct placed *p, const struct placed_name *name,
		      uint64_t tag);

#endif
