/*
 * fd_budget.h - the process's descriptors, shared out among pending connections
 * and sessions.
 *
 * Layer: receiver.  Uses base.
 * Threads: any; it has a lock of its own.
 *
 * A session gets its share when it begins, for as long as it lasts, and tells its
 * sender how many streams and open files that is for: so a session never waits
 * for a descriptor while it holds others, and none of its files fails for want of
 * one.  Each gets a part of what is left, so that something is left for the next.
 */
#ifndef FERRY_RECEIVER_FD_BUDGET_H
#define FERRY_RECEIVER_FD_BUDGET_H

#include <stdint.h>

#include "base/err.h"

struct cancel;
struct fd_budget;

struct fd_share {
	unsigned streams;    /* of the session, at least 1 */
	unsigned open_files; /* received in chunks, until their verdicts */
	unsigned commits;    /* files that wait for their commit */
	uint64_t fds;        /* descriptors that this may take */
};

/*
 * Raise the process's limit as far as it may be, and count what is left of it.
 * sessions: how many there may be at a time, which all get the same part where
 * they are few.  NULL when out of memory.
 */
struct fd_budget *fd_budget_new(unsigned sessions);
void fd_budget_free(struct fd_budget *b); /* NULL is allowed */

/* Set aside what pending connections take.  Returns how many there may be at a
 * time: at most so many, fewer where descriptors are few. */
unsigned fd_budget_take_pending(struct fd_budget *b, unsigned most);

/*
 * Take a session's share, for at most so many streams.  Where too little is
 * left, waits until others give back, until by_ms (clock_ms()) at the latest or
 * until stop is set; the only session always gets the least there is.  Returns
 * 0; or ERR_RESOURCE, and share->streams is 0.
 */
int fd_budget_take(struct fd_budget *b, unsigned streams, uint64_t by_ms,
		   const struct cancel *stop, struct fd_share *share,
		   struct err *e);

void fd_budget_give_back(struct fd_budget *b, const struct fd_share *share);

/* How many descriptors a budget of so many has for a session; for tests.
 * Returns 0, or -1 where there are fewer than the least. */
int fd_budget_divide(uint64_t fds, unsigned streams, struct fd_share *share);

#endif
