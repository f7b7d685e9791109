/*
 * committer.h - giving received files their names, durably and in groups.
 *
 * Layer: receiver.  Uses fs/part.h, fs/dirs.h, chunk/tree.h.
 * Threads: one thread of its own; committer_add() from any thread.
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
#include "fs/part.h"
#include "receiver/receive.h"
#include "wire/msg.h"

struct journal;

/* A directory's descriptor that several entries share. */
struct held_dir;
/* Duplicates fd.  NULL with errno. */
struct held_dir *held_dir_new(int fd, uint64_t root_dev);
struct held_dir *held_dir_ref(struct held_dir *d);
void held_dir_unref(struct held_dir *d); /* NULL is allowed */
int held_dir_fd(const struct held_dir *d);
/* Whether what is created there gets just the mode that is asked for (it has
 * no default ACL, and the process's umask is 0). */
int held_dir_is_exact(const struct held_dir *d);

/* A whole, verified part file that awaits its name. */
struct commit {
	struct commit *next;
	uint64_t id;
	uint64_t size;
	uint8_t digest[DIGEST_MAX];
	struct file_meta meta;
	struct part part;       /* open: a hidden part is its descriptor */
	struct journal *journal; /* of a kept part, or NULL; owned */
	uint64_t tag;           /* of a kept part */
	struct held_dir *dir;   /* owned reference */
	char *name;             /* as it came; owned; the final name is its
				   last component */
	size_t name_len;
	char *renamed;          /* the last component that it got instead, or
				   NULL; owned */
};

struct commit *commit_new(const char *name, size_t name_len);
void commit_free(struct commit *c); /* closes; does not unlink */
/* Remove part and journal, as far as they were made. */
void commit_discard(struct commit *c);

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
	/* Run in the committer's thread after everything was committed, once
	 * committer_finish() asked for it. */
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

/* Flush the whole file system of the root, for what was made there besides
 * files.  Returns 0 or ERR_LOCAL; nothing with SYNC_NONE. */
int committer_sync_all(struct committer *c, struct err *e);

/* Entries that are not committed yet. */
unsigned committer_pending(struct committer *c);

#endif
