/*
 * unlocked.h - the directories that a session has unlocked: their modes kept
 * their owner, the user that the receiver runs as, out of them, and get back
 * what they were at its end.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.
 *
 * Only directories that lie below the one that is received into, which itself
 * is left as it is.  At most some tens of thousands are unlocked at a time, so
 * that memory is bounded.  A process that is killed leaves them unlocked.
 */
#ifndef FERRY_RECEIVER_UNLOCKED_H
#define FERRY_RECEIVER_UNLOCKED_H

#include <stddef.h>

struct attr_helper;
struct dir_opener;
struct dirs;
struct unlocked;

/* opener is borrowed; NULL: what cannot be opened stays locked.  So is attrs:
 * see fs/unlock.h.  NULL when out of memory. */
struct unlocked *unlocked_new(struct dir_opener *opener,
			      struct attr_helper *attrs);
/* Its attrs; NULL also for u NULL. */
struct attr_helper *unlocked_attrs(const struct unlocked *u);
void unlocked_free(struct unlocked *u); /* restores nothing; NULL is allowed */

/*
 * In all that follow u may be NULL: then nothing is ever unlocked.
 *
 * Unlock the directory fd, path (len bytes), because a call in it failed with
 * EACCES.  Returns whether another try may succeed: it was, or another thread
 * or process has just done it.  fd -1: it cannot be opened.
 */
int unlocked_open(struct unlocked *u, int fd, const char *path, size_t len);

/* The same for the directory of the item path. */
int unlocked_open_parent(struct unlocked *u, int fd, const char *path,
			 size_t len);

/* Have d unlock the directories that it is kept out of. */
void unlocked_serve(struct unlocked *u, struct dirs *d);

/* The directory gets other metadata, so its old mode is not to be restored. */
void unlocked_forget(struct unlocked *u, const char *path, size_t len);

/* Called for each directory whose mode cannot be restored, with the errno. */
typedef void (*unlocked_trouble)(void *ctx, const char *path, size_t len,
				 int err_no);

/*
 * Restore the modes of all that lie at this depth (1: in the directory that is
 * received into) or below, the deepest first, and forget them; one whose mode
 * was changed meanwhile keeps it.  walk is a walk from that directory.  Returns
 * how many there were.
 */
size_t unlocked_restore(struct unlocked *u, size_t depth, struct dirs *walk,
			unlocked_trouble trouble, void *ctx);

#endif
