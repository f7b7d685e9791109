/*
 * committer.h - giving received files their names, durably and in groups.
 *
 * Layer: receiver.
 * Threads: it has a thread of its own; all functions but committer_stop() from
 * any thread.  Its lock is not held while it calls back.
 *
 * The files that are added are whole and verified: only flushing and renaming
 * are left.
 *
 *	none	add renames at once, in the caller's thread; nothing is
 *		flushed
 *	file	each file: flush its data, rename, flush its directory
 *	batch	a group: flush the data of all (each, or with one syncfs()
 *		where they are many), rename all, flush the directories (or
 *		syncfs() again).  A group is closed when the sender says that
 *		nothing more comes for now, when it is GROUP_ENTRIES files or
 *		GROUP_BYTES large, or after GROUP_MS.
 *
 * With a file's directory all those above it are flushed, up to the root: these
 * may be new too, whoever made them, and flushing one that is not dirty costs
 * nothing.
 */
#ifndef FERRY_RECEIVER_COMMITTER_H
#define FERRY_RECEIVER_COMMITTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "receiver/conflict.h"
#include "receiver/sync.h"
#include "wire/msg.h"

struct commit;
struct fs_lacks;
struct made;
struct placed;
struct preserve;
struct unlocked;

/* Called with the result of each entry, in the thread that commits it; within a
 * group in the order in which they were added. */
typedef void (*commit_result)(void *ctx, const struct commit *c,
			      enum file_status status, unsigned cause);

struct committer_config {
	enum sync_mode sync;
	enum conflict_policy existing;
	struct fs_lacks *lacks; /* borrowed */
	const struct preserve *preserve; /* the same, or NULL */
	struct made *linked;    /* see transfer.h; borrowed, or NULL */
	struct placed *placed;  /* borrowed, or NULL, */
	struct unlocked *unlocked; /* and so is this */
	int root_fd;         /* borrowed */
	unsigned open_max;   /* entries that may wait: each holds descriptors */
	unsigned walk_dirs; /* that are held open to flush parents */
	commit_result result;
	/* After the last result of a group (not with SYNC_NONE). */
	void (*group_done)(void *ctx);
	/* Called in the committer's thread when everything is committed, after
	 * committer_finish(). */
	void (*finish)(void *ctx);
	void *ctx;
};

struct committer;

/* Start its thread.  NULL when out of memory or threads. */
struct committer *committer_start(const struct committer_config *cfg);

/* Commit what was added, end the thread, free.  NULL is allowed. */
void committer_stop(struct committer *c);

/* Takes over entry.  Blocks while open_max entries wait, which a sender that
 * keeps to the protocol does not reach.  With SYNC_NONE the entry is committed
 * here, and its result is known when this returns. */
void committer_add(struct committer *c, struct commit *entry);

/* Commit what waits.  Blocks until its descriptors are closed. */
void committer_drain(struct committer *c);

/* Nothing more comes for now: close the group. */
void committer_flush(struct committer *c);

/* Commit everything, then call cfg->finish.  Does not wait for it. */
void committer_finish(struct committer *c);

/* How many entries are not committed yet. */
unsigned committer_pending(struct committer *c);

#endif
