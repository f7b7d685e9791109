/*
 * outfile.h - a file that is sent in chunks: a large one, or standard input.
 *
 * Layer: sender.
 * Threads: see the fields of struct outfile.
 *
 * Content is counted in leaves of the digest tree (chunk/tree.h).
 */
#ifndef FERRY_SENDER_OUTFILE_H
#define FERRY_SENDER_OUTFILE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "chunk/tree.h"
#include "sender/item.h"

struct outfile_locked;

enum {
	/* A file of at most this size is sent by the stream that opened it,
	 * without waiting for STATE: that saves a round trip.  Where the
	 * receiver may have the file, it is listed before. */
	OUTFILE_WHOLE_MAX = 8 << 20,
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
	struct tree *tree; /* what is in it is the queue's (queue_put_leaf()) */
	/* TREE_SIZE_UNKNOWN for standard input until its end was read */
	uint64_t size;

	/* set with STATE, before there are leaves to be sent or checked */
	uint8_t check_digest;  /* which leaves are checked by (enum digest_id) */
	int has_counted_holes; /* its holes were counted as spared
				  (counters.h) */
	int has_counted_part;  /* so was what is to be checked */

	/* what the queue's lock guards: outfile_priv.h; owned */
	struct outfile_locked *locked;
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
