/*
 * transfer.h - what the streams of a session receive into: the parts that they
 * share, and the settings that frames are handled by.
 *
 * Layer: receiver.
 * Threads: the settings and pointers are set once, before the first frame; each
 * part has a lock of its own, see its header.  The counters are atomic.
 */
#ifndef FERRY_RECEIVER_TRANSFER_H
#define FERRY_RECEIVER_TRANSFER_H

#include <stdatomic.h>
#include <stdint.h>

#include "chunk/digest.h"
#include "receiver/conflict.h"
#include "receiver/sync.h"

struct committer;
struct dir_meta;
struct file_table;
struct flusher;
struct quota;
struct results;
struct session_events;
struct symlinks;

enum {
	/* In so many packs each name is looked up before it is written: at
	 * first, and again whenever something was there. */
	TRANSFER_PROBE_PACKS = 16,
};

struct transfer {
	/* settings */
	const struct digest_ops *digest;
	const struct session_events *events; /* borrowed */
	const char *peer;                    /* borrowed; for messages */
	enum conflict_policy existing;
	enum sync_mode sync;
	unsigned open_files; /* without a verdict, that the sender may have */
	uint32_t features; /* that may be used: enum wire_feature */
	int stdout_fd; /* with --stdout; else -1, and it is a directory */

	/* the parts; owned */
	struct results *results;
	struct quota *quota;
	struct file_table *files;
	struct committer *committer;
	struct flusher *flusher;
	struct symlinks *symlinks; /* NULL with --stdout, */
	struct dir_meta *dir_meta; /* and so is this */

	/* The session cannot go on, or all its streams are gone. */
	atomic_int is_over;
	/* Since FINISH came: until when the further streams may go on
	 * (clock_ms()); else 0. */
	atomic_uint_fast64_t end_by_ms;
	/* The highest id that came.  A frame about a lower one that is not in
	 * the table of files is late, and passed over. */
	atomic_uint_fast64_t max_id;
	atomic_int probe_budget; /* packs left of TRANSFER_PROBE_PACKS */
	atomic_uint resends; /* that were asked for */
	atomic_uint_fast64_t resent_bytes, wire_bytes;
};

/* This id came. */
void transfer_see_id(struct transfer *t, uint64_t id);

#endif
