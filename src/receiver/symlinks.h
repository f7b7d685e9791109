/*
 * symlinks.h - the symlinks, special files and hard links of a session, which
 * are deferred: made in groups, or at the end, and reported only then.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.
 */
#ifndef FERRY_RECEIVER_SYMLINKS_H
#define FERRY_RECEIVER_SYMLINKS_H

#include <stdint.h>

#include "base/err.h"
#include "receiver/conflict.h"
#include "receiver/sync.h"

struct channel;
struct dirs;
struct made;
struct pack_item;
struct results;
struct fs_lacks;
struct preserve;
struct symlinks;
struct unlocked;

struct symlinks_config {
	int root_fd;       /* borrowed */
	uint32_t dir_mode; /* of directories that are missing */
	unsigned walk_dirs; /* that may be held open */
	enum conflict_policy existing;
	struct placed *placed;     /* borrowed, or NULL, */
	struct unlocked *unlocked; /* and so are these */
	struct made *made;
	struct made *linked; /* files that hard links may be made to */
	struct fs_lacks *lacks;
	struct attr_helper *attrs;
	const struct preserve *preserve; /* NULL: owners and times of those that
					    are the same are left alone */
	enum sync_mode sync;
	int tells_sender;        /* report STATUS_DEFERRED to the sender */
	struct results *results; /* borrowed */
};

/* NULL when out of memory. */
struct symlinks *symlinks_new(const struct symlinks_config *cfg);
void symlinks_free(struct symlinks *s); /* NULL is allowed */

/*
 * Keep a symlink, special file or hard link, whose name and target were
 * checked.  Returns 0; 1 when so many are kept that the caller has to call
 * symlinks_make() now; ERR_RESOURCE.
 */
int symlinks_add(struct symlinks *s, const struct pack_item *it, uint64_t id,
		 struct err *e);

/*
 * Make the symlinks that are kept, flush as the sync mode says, and only then
 * report them.  Blocks for as long as the disk takes; heart-beats go to ch
 * (NULL: none, because another thread uses the channel).  Returns 0; or an
 * error that has to end the session, without a verdict for any of them, so that
 * the sender sends them again in the next one.
 */
int symlinks_make(struct symlinks *s, struct channel *ch, struct err *e);

/*
 * Find the file that a hard link is made to, for its node: that which target
 * (len bytes), an item of the transfer, has become according to linked
 * (made_has(); may be NULL), also one that it has become under a further
 * name (CONFLICT_RENAME).  from: a walk, which n->from_dir is borrowed from;
 * n->from becomes leaf.  Returns 0 or a cause.
 */
unsigned symlinks_find_first(struct made *linked, struct dirs *from,
			     const char *target, size_t len, struct node *n,
			     char leaf[NAME_COMPONENT_MAX + 1]);

/* The policy for a hard link whose name in dir_fd, leaf, something has: what
 * has its content is no conflict. */
enum conflict_policy symlinks_policy_of_link(const struct node *n, int dir_fd,
					     const char *leaf,
					     enum conflict_policy existing);

/* The file type of a special file (enum special_type); 0 for anything else. */
mode_t symlinks_type_of(unsigned special);

#endif
