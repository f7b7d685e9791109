/*
 * committer.h - giving received files their names, durably and in groups.
 *
 * Layer: receiver.  Uses fs/, chunk/, commit.h, conflict.h, sync.h.
 * Threads: one thread of its own; all functions but committer_stop() from any
 * thread.  Its lock is never held when it calls back.
 *
 * What is added is whole and verified: only flushing and renaming are left.
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
 * With a file's directory all those above it are flushed, up to the root: they
 * may be new as well, made by whomever, and one that is clean costs nothing.
 */
#ifndef FERRY_RECEIVER_COMMITTER_H
#define FERRY_RECEIVER_COMMITTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chunk/digest.h"
#include "receiver/conflict.h"
#include "receiver/sync.h"
#include "wire/msg.h"

struct commit;

/* What became of one; called in the thread that commits, in order of adding
 * within a group. */
typedef void (*commit_result)(void *ctx, const struct commit *c,
			      enum file_status status, unsigned cause);

struct committer_config {
	enum sync_mode sync;
	enum conflict_policy existing;
	const struct digest_ops *digest;
	int root_fd;         /* borrowed */
	unsigned open_max;   /* entries that may wait: each holds descriptors */
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

/* Take over an entry.  Blocks only when far too many wait (a sender that
 * keeps to the protocol does not get there). */
void committer_add(struct committer *c, struct commit *entry);

/* Commit what waits and let go of its descriptors, before going on. */
void committer_drain(struct committer *c);

/* Nothing more comes for now. */
void committer_flush(struct committer *c);

/* Commit everything, then run the finish hook. */
void committer_finish(struct committer *c);

/* Entries that are not committed yet. */
unsigned committer_pending(struct committer *c);

#endif
