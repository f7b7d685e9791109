/*
 * outfile.h - a file that is sent in chunks: a large one, or standard input.
 *
 * Layer: sender.  Uses base, chunk/tree.h, sender/item.h.
 * Threads: as said at the fields.
 *
 * Its content is counted in leaves of the tree (chunk/tree.h).
 *
 *	FILE_QUEUED -> FILE_OPENING -> FILE_SENDING -> FILE_ENDED -> verdict
 *
 * A file that is sent whole without waiting for STATE skips FILE_OPENING.
 * FILE_ENDED goes on sending leaves that arrived damaged.  Every state may
 * change to FILE_DEAD, and a lost session makes all FILE_QUEUED again.
 */
#ifndef FERRY_SENDER_OUTFILE_H
#define FERRY_SENDER_OUTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/runs.h"
#include "chunk/tree.h"
#include "sender/item.h"

enum {
	/* A file of at most so many bytes is sent by the stream that opened it,
	 * without waiting for the receiver's answer. */
	OUTFILE_WHOLE_MAX = 8 << 20,
	/* Runs of leaves to be sent of one file: a check adds at most half of
	 * its 64 leaves, and is not begun with more than half of these. */
	OUTFILE_RUNS_MAX = 8192,
};

enum outfile_state {
	FILE_QUEUED,
	FILE_OPENING, /* OPEN was sent, no STATE yet */
	FILE_SENDING,
	FILE_ENDED, /* FILE_END was sent */
	FILE_DEAD,  /* failed or refused: nothing more is sent */
};

struct outfile {
	/* fixed once queued */
	struct buf names;
	int is_stream; /* standard input: size unknown, cannot be read again */

	/* set by the stream that opens it, fixed once OPEN was sent */
	struct item item;  /* but for its digest; st: when it was opened */
	uint64_t id;       /* 0: not opened yet */
	int fd;            /* -1 before */
	struct tree *tree; /* what is in it: guarded by the queue's lock */
	/* TREE_SIZE_UNKNOWN for standard input until its end was read */
	uint64_t size;

	/* guarded by the queue's lock */
	struct outfile *next;
	enum outfile_state state;
	unsigned users;         /* streams at work on it */
	int is_in_flight;       /* it has an id and no verdict */
	int is_active;          /* on the list of files to take ranges from */
	int has_digest;         /* item.digest is the whole file's */
	struct runs todo;       /* leaves to be sent, and */
	struct runs unverified; /* those that the receiver says it has, which
				   are still to be checked */
	unsigned checks;        /* CHECKs without an answer */
	uint64_t most_claimed;  /* leaves that the receiver ever said it had */
	/* the same, of standard input only */
	int is_reading; /* a stream is reading the next chunk of it */
	int at_eof;
	uint64_t next_leaf;
	uint64_t sent_bytes;
};

/*
 * A file with a copy of the name (name_len bytes); path_off as in struct item.
 * The caller fills in root, st and size, or is_stream and fd.  NULL when out
 * of memory.
 */
struct outfile *outfile_new(const char *name, size_t name_len, size_t path_off);

/* Free, and close its descriptor unless it is standard input, which stays the
 * process's.  NULL is allowed. */
void outfile_free(struct outfile *f);

/* Its name as the receiver gets it, terminated; borrowed. */
const char *outfile_name(const struct outfile *f);

/* Back to FILE_QUEUED for another session.  What was learnt of its content
 * (the tree) and its descriptor are kept. */
void outfile_restart(struct outfile *f);

#endif
