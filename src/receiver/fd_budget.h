/*
 * fd_budget.h - the process's descriptors, shared out among pending connections
 * and sessions.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.
 *
 * A session gets its share when it begins and gives it back when it ends, and
 * tells its sender how many streams and open files that allows.  So a session
 * never waits for a descriptor while it has others, and no file fails because
 * there is none.  Each session gets only a fraction of what is left, so that
 * the next one gets some too.
 */
#ifndef FERRY_RECEIVER_FD_BUDGET_H
#define FERRY_RECEIVER_FD_BUDGET_H

#include <stdint.h>

#include "base/err.h"

struct cancel;
struct fd_budget;

struct fd_share {
	unsigned streams;    /* of the session, at least 1 */
	/* directories that a stream, and a walk of the session's, may hold
	 * open: dirs_set_held() */
	unsigned dirs, walk_dirs;
	unsigned open_files; /* that are received in chunks, until their
				verdicts */
	unsigned commits;    /* files that wait for their commit */
	uint64_t fds;        /* descriptors that all of this takes at most */
};

/*
 * Raise the process's limit as far as it is allowed to, and count what is left
 * of it.  sessions: how many there may be at a time; where these are few, all
 * get the same share.  NULL when out of memory.
 */
struct fd_budget *fd_budget_new(unsigned sessions);
void fd_budget_free(struct fd_budget *b); /* NULL is allowed */

/* Set aside descriptors for pending connections.  Returns how many of these
 * there may be at a time: at most `most`, fewer where descriptors are few. */
unsigned fd_budget_take_pending(struct fd_budget *b, unsigned most);

/*
 * Take the share of a session that wants this many streams.  Where too little
 * is left, waits until other sessions end, but not longer than until by_ms
 * (clock_ms()), nor when stop is set.  A session that is the only one always
 * gets the smallest share.  Returns 0; or ERR_RESOURCE, with share->streams 0.
 */
int fd_budget_take(struct fd_budget *b, unsigned streams, uint64_t by_ms,
		   const struct cancel *stop, struct fd_share *share,
		   struct err *e);

void fd_budget_give_back(struct fd_budget *b, const struct fd_share *share);

/* Divide this many descriptors among one session's needs.  Returns 0; or -1
 * where they are too few, with the smallest share.  Exported for tests. */
int fd_budget_divide(uint64_t fds, unsigned streams, struct fd_share *share);

#endif
