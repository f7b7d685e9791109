/*
 * transfer.h - what the streams of a session share: the modules that they
 * receive into, and the settings by which they handle frames.
 *
 * Layer: receiver.
 * Threads: the settings and pointers are set once, before the first frame; each
 * part has a lock of its own, see its header.  The counters are atomic.
 */
#ifndef FERRY_RECEIVER_TRANSFER_H
#define FERRY_RECEIVER_TRANSFER_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "chunk/digest.h"
#include "fs/preserve.h"
#include "receiver/conflict.h"
#include "receiver/fs_lacks.h"
#include "receiver/kept.h"
#include "receiver/same_meta.h"
#include "receiver/sync.h"
#include "session/idle.h"

struct asked;
struct committer;
struct delta_session_key;
struct deletion;
struct dir_meta;
struct file_table;
struct made;
struct placed;
struct flusher;
struct quota;
struct results;
struct mode_rules;
struct session_events;
struct symlinks;
struct unlocked;

enum {
	/* In this many packs each name is looked up before its file is written,
	 * so that a file that is the same is not written at all: at first, and
	 * again after any name that was taken.  In a new tree this would be a
	 * wasted system call for each file. */
	TRANSFER_PROBE_PACKS = 16,
};

struct transfer {
	/* settings */
	const struct digest_ops *digest;
	const struct session_events *events; /* borrowed */
	uint64_t number;                     /* of the session; for messages */
	const char *peer;                    /* borrowed; for messages */
	const struct asked *asked;           /* borrowed; NULL: anything */
	enum conflict_policy existing;
	enum sync_mode sync;
	const struct mode_rules *chmod; /* borrowed; NULL: none */
	uint32_t umask;                 /* the user's */
	unsigned open_files; /* how many files in chunks the sender may have
				without a verdict */
	uint32_t features; /* that may be used: enum wire_feature */
	struct preserve preserve; /* what is accepted, beside mode and time */
	enum file_meta_form meta_form; /* of metadata that comes */
	int stdout_fd; /* with --stdout; else -1 */
	struct kept_sender keeper;
	int root_fd;   /* -1 with --stdout */
	unsigned walk_dirs; /* that a walk may hold open */
	struct timespec began; /* by the clock that dates files */

	/* the parts; owned */
	struct results *results;
	struct quota *quota;
	struct file_table *files;
	struct committer *committer;
	struct delta_session_key *delta_key; /* with FEATURE_DELTA, or NULL */
	struct flusher *flusher;
	struct symlinks *symlinks; /* NULL with --stdout, */
	struct placed *placed;     /* NULL with --stdout, */
	struct unlocked *unlocked; /* and so are these */
	struct made *made;
	struct made *linked; /* files that hard links may be made to; or NULL */
	/* in a dry run: files with several names, and the metadata that they
	 * were planned to get; or NULL */
	struct made *updated;
	struct dir_meta *dir_meta;
	struct deletion *deletion; /* since it began; the first stream's */

	struct idle idle; /* the sender makes no progress */
	/* The session cannot go on, or all its streams are gone. */
	atomic_int is_over;
	/* After FINISH: the deadline for the further streams to end
	 * (clock_ms()); before, 0. */
	atomic_uint_fast64_t end_by_ms;
	/* The highest id so far.  A frame for a lower id that is not in the
	 * table of files is for a file that is over, and ignored. */
	atomic_uint_fast64_t max_id;
	/* When a file was first held up by a former session (clock_ms()); 0:
	 * none was. */
	atomic_uint_fast64_t held_up_ms;
	atomic_int probe_budget; /* packs left of TRANSFER_PROBE_PACKS */
	struct fs_lacks lacks;
	atomic_uint resends; /* chunks and packs asked for again */
	atomic_uint unsent;  /* NOTE frames that came, and their bytes */
	atomic_uint_fast64_t unsent_bytes;
	atomic_uint_fast64_t resent_bytes, wire_bytes;
	/* Content of chunks that were written, or were found to be the same as
	 * the sender's: what would be progress of a session that is lost. */
	atomic_uint_fast64_t stored_bytes;
	/* For progress alone: content that has arrived, also of a chunk or pack
	 * that is not whole yet, and when the last of it did (clock_ms()); what
	 * of that was told to the sender, and when; what the sender has told
	 * (PROGRESS). */
	atomic_uint_fast64_t content_bytes, content_ms, told_bytes, told_ms;
	atomic_uint_fast64_t payload_bytes; /* that brought content */
	atomic_uint_fast64_t spared_bytes, total_bytes, total_files;
	atomic_uint total_flags;
};

/* Whether the sender only asks what would be done: then nothing is changed
 * here. */
int transfer_is_dry_run(const struct transfer *t);

/* Raise max_id to the last of count ids, which came, the lowest being first.
 * Returns 0, or -1 where there are no such ids. */
int transfer_see_ids(struct transfer *t, uint64_t first, uint64_t count);

/* Why the sender may not name an item so, or NULL: name_check() forbids it, or
 * it was not asked for. */
const char *transfer_check_name(const struct transfer *t, const char *name,
				size_t len);

/* The mode that an item is to have here: as --chmod says; else that of the
 * sender, less the umask unless all bits are to be kept (PRESERVE_SETID). */
uint32_t transfer_mode(const struct transfer *t, const struct file_meta *meta,
		       int is_dir);

/* How metadata of a file that is the same is set. */
struct same_meta transfer_same_meta(struct transfer *t);

/* Whether hard links to a file with this metadata may follow, so that it is to
 * be noted. */
int transfer_may_be_linked(const struct transfer *t,
			   const struct file_meta *meta);

/* The file of fd is the sender's item path, with this metadata, and unchanged:
 * note it if hard links to it may follow. */
void transfer_note_linked(struct transfer *t, const struct file_meta *meta,
			  const char *path, size_t len, int fd);

/* Whether the sender may send this metadata: what was accepted. */
int transfer_allows_meta(const struct transfer *t,
			 const struct file_meta *meta);

#endif
