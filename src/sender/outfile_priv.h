/*
 * outfile_priv.h - what the queue knows of a file that is sent in chunks.
 * Private to the queue (queue_priv.h, inflight.c) and outfile.c.
 *
 * Layer: sender.
 * Threads: guarded by the queue's lock.
 *
 *	FILE_QUEUED -> FILE_OPENING -> FILE_SENDING -> FILE_ENDED -> verdict
 *
 * A file that is sent whole without waiting for STATE skips FILE_OPENING.  In
 * FILE_ENDED, leaves that arrived damaged are still sent again.  Every state
 * may change to FILE_DEAD; after a lost session, files without a verdict are
 * FILE_QUEUED again.
 */
#ifndef FERRY_SENDER_OUTFILE_PRIV_H
#define FERRY_SENDER_OUTFILE_PRIV_H

#include <stdint.h>

#include "base/runs.h"
#include "sender/outfile.h"

struct delta;

enum {
	/* The most runs of leaves of one file that wait to be sent.  No check
	 * is begun while there are more than half as many, and each adds at
	 * most 32 (every other one of its 64 leaves). */
	OUTFILE_RUNS_MAX = 8192,
};

enum outfile_state {
	FILE_QUEUED,
	FILE_OPENING, /* OPEN was sent, no STATE yet */
	FILE_SENDING,
	FILE_ENDED, /* FILE_END was sent */
	FILE_DEAD,  /* failed or refused: nothing more is sent */
};

/* guarded by the queue's lock */
struct outfile_locked {
	struct outfile *next;
	enum outfile_state state;
	unsigned users;         /* streams at work on it */
	int is_in_flight;       /* it has an id and no verdict */
	int is_counted;         /* in the queue's open_count */
	int is_active;          /* on the list of files to take ranges from */
	int has_digest;         /* item.digest is the whole file's */
	struct runs todo;       /* leaves to be sent */
	struct runs unverified; /* leaves that the receiver says it has and
				   that are still to be checked */
	struct runs sent;       /* leaves that were sent, in any session */
	unsigned checks;        /* CHECKs without an answer */
	struct delta *delta;    /* where the receiver has a basis; or NULL */
	uint64_t most_reported; /* the most leaves that a STATE reported */
	/* of its content, in this session: what was counted as sent or as
	 * spared (counters.h) */
	int64_t counted;
	/* likewise, for standard input only */
	int is_reading; /* a stream is reading the next chunk of it */
	int is_begun;   /* something was read */
	int at_eof;
	uint64_t next_leaf;
	uint64_t sent_bytes;
};

#endif
