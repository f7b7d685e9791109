/*
 * outfile.h - a file that is sent in chunks: a large one, or standard input.
 *
 * Layer: sender.
 * Threads: see the fields of struct outfile.
 *
 * Content is counted in leaves of the digest tree (chunk/tree.h).
 *
 *	FILE_QUEUED -> FILE_OPENING -> FILE_SENDING -> FILE_ENDED -> verdict
 *
 * A file that is sent whole without waiting for STATE skips FILE_OPENING.  In
 * FILE_ENDED, leaves that arrived damaged are still sent again.  Every state
 * may change to FILE_DEAD; after a lost session, files without a verdict are
 * FILE_QUEUED again.
 */
#ifndef FERRY_SENDER_OUTFILE_H
#define FERRY_SENDER_OUTFILE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/runs.h"
#include "chunk/tree.h"
#include "sender/item.h"

struct delta;

enum {
	/* A file of at most this size is sent by the stream that opened it,
	 * without waiting for STATE: that saves a round trip.  Where the
	 * receiver may have the file, it is listed before. */
	OUTFILE_WHOLE_MAX = 8 << 20,
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

struct outfile {
	/* fixed once queued */
	struct buf names;
	int is_stream; /* standard input: size unknown, cannot be read again */
	int was_listed;

	/* set by the stream that opens it, fixed once OPEN was sent */
	struct item item;  /* except its digest; st: when it was opened */
	uint64_t id;       /* 0: not opened yet */
	int fd;            /* -1 before */
	int has_holes;             /* as source_has_holes() */
	struct timespec opened_at; /* just before st was read */
	struct tree *tree; /* its content is guarded by the queue's lock */
	/* TREE_SIZE_UNKNOWN for standard input until its end was read */
	uint64_t size;

	/* guarded by the queue's lock */
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
	uint8_t check_digest;   /* which they are to be checked by (enum
				   digest_id); fixed while there are any */
	unsigned checks;        /* CHECKs without an answer */
	struct delta *delta;    /* where the receiver has a basis; or NULL */
	uint64_t most_reported; /* the most leaves that a STATE reported */
	/* of its content, in this session: what was counted as sent or as
	 * spared (counters.h); and whether its holes were, with STATE */
	int64_t counted;
	int has_counted_holes;
	/* likewise, for standard input only */
	int is_reading; /* a stream is reading the next chunk of it */
	int is_begun;   /* something was read */
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

/* Free it and close its descriptor, except standard input.  NULL is allowed. */
void outfile_free(struct outfile *f);

/* The name that the receiver gets, terminated; borrowed. */
const char *outfile_name(const struct outfile *f);

/* How many whole leaves from leaf on, at most count, are a hole.  Takes no call
 * for a file without holes. */
uint64_t outfile_hole_leaves(const struct outfile *f, uint64_t leaf,
			     uint64_t count);

/* Make it FILE_QUEUED again for another session.  The digests in its tree and
 * its descriptor are kept. */
void outfile_restart(struct outfile *f);

#endif
