/*
 * committer.h - giving received files their names, durably and in groups.
 *
 * Layer: session.  Uses fs/part.h, fs/dirs.h, chunk/tree.h.
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
 * Directories made for the files are flushed as well, before any file in
 * them is reported.
 */
#ifndef FERRY_SESSION_COMMITTER_H
#define FERRY_SESSION_COMMITTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chunk/digest.h"
#include "fs/part.h"
#include "session/receive.h"
#include "wire/msg.h"

/* A directory's descriptor that several entries share. */
struct held_dir;
/* Duplicates fd.  NULL with errno. */
struct held_dir *held_dir_new(int fd, uint64_t root_dev);
struct held_dir *held_dir_ref(struct held_dir *d);
void held_dir_unref(struct held_dir *d); /* NULL is allowed */
int held_dir_fd(const struct held_dir *d);

/* A whole, verified part file that awaits its name. */
struct commit {
	struct commit *next;
	uint64_t id;
	uint64_t size;
	uint8_t digest[DIGEST_MAX];
	struct part part;       /* fd open, or -1: closed already */
	struct held_dir *dir;   /* owned reference */
	char *name;             /* as it came; owned; the final name is its
				   last component */
	size_t name_len;
};

struct commit *commit_new(const char *name, size_t name_len);
void commit_free(struct commit *c); /* closes; does not unlink */

/* What became of one; called in the thread that commits, in order of adding
 * within a group. */
typedef void (*commit_result)(void *ctx, const struct commit *c,
			      enum file_status status, unsigned cause);

struct committer_config {
	enum sync_mode sync;
	enum existing existing;
	const struct digest_ops *digest;
	int root_fd;         /* borrowed */
	/* So many files of a group may keep their descriptors, to be flushed
	 * each by itself (SYNC_BATCH). */
	unsigned few;
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

/* Whether an entry may keep its descriptor open, to be flushed alone; else
 * the caller closes it before adding. */
int committer_keeps_fd(struct committer *c);

/* Note a directory that is being made: dirs_on_create.  ctx is a struct
 * committer. */
void committer_dir_made(void *ctx, const char *path, size_t len);

/* Nothing more comes for now. */
void committer_flush(struct committer *c);

/* Commit everything, then run the finish hook. */
void committer_finish(struct committer *c);

/* Flush what directories were made and not yet flushed (called by the finish
 * hook and by who makes links); with all, the whole file system.  Returns
 * 0 or ERR_LOCAL; nothing with SYNC_NONE. */
int committer_sync_dirs(struct committer *c, int all, struct err *e);

/* Entries that are not committed yet. */
unsigned committer_pending(struct committer *c);

#endif
