/*
 * symlinks.h - symlinks of a session, which are made when nothing can be
 * written any more by way of them: in groups, or at the end.
 *
 * Layer: receiver.  Uses fs/, session/channel.h, conflict.h, results.h, sync.h.
 * Threads: any; it has a lock of its own.
 */
#ifndef FERRY_RECEIVER_SYMLINKS_H
#define FERRY_RECEIVER_SYMLINKS_H

#include <stdint.h>

#include "base/err.h"
#include "receiver/conflict.h"
#include "receiver/sync.h"

struct channel;
struct pack_item;
struct results;
struct symlinks;

struct symlinks_config {
	int root_fd;       /* borrowed */
	uint32_t dir_mode; /* of directories that are missing */
	enum conflict_policy existing;
	enum sync_mode sync;
	int is_told;             /* the sender learns that one is deferred */
	struct results *results; /* borrowed */
};

/* NULL when out of memory. */
struct symlinks *symlinks_new(const struct symlinks_config *cfg);
void symlinks_free(struct symlinks *s); /* NULL is allowed */

/*
 * Keep a symlink, whose name and target were checked.  Returns 0; 1 when so many are kept that the caller has to make them
 * now; ERR_RESOURCE.
 */
int symlinks_add(struct symlinks *s, const struct pack_item *it, uint64_t id,
		 struct err *e);

/*
 * Make those that are kept, flush as the sync mode says, and only then report
 * them.  Takes its time: heart-beats go to ch (NULL: none, where another thread
 * has the channel).  Returns 0, or an error that has to end the session; they
 * come again in the next one then.
 */
int symlinks_make(struct symlinks *s, struct channel *ch, struct err *e);

#endif
