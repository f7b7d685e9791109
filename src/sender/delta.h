/*
 * delta.h - what is known of the basis of a file that is sent, and what is to
 * be found out about it next.
 *
 * Layer: sender.  Pure but for memory: it neither reads nor sends.
 * Threads: guarded by the queue's lock; an index that was taken is constant.
 *
 * Leaves are compared with the basis at their offset, as long as that finds
 * something.  Where it finds little, pieces of the basis are asked for, which
 * may lie anywhere.
 */
#ifndef FERRY_SENDER_DELTA_H
#define FERRY_SENDER_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "base/runs.h"
#include "chunk/digest.h"
#include "chunk/match.h"
#include "wire/msg.h"

struct delta;
struct piece_index;

enum {
	DELTA_BLOCKS = SIGNATURE_BLOCKS_MAX, /* of a leaf */
	DELTA_RUNS_MAX = 8192,
};

/* A leaf that is compared. */
struct delta_leaf {
	struct delta_leaf *next;
	uint64_t leaf;
	unsigned blocks;
	int is_ready;             /* the answer has come */
	unsigned equal;           /* then: blocks that are the same, */
	uint8_t same[MATCH_BITS]; /* and which */
	uint8_t sha[COMPARE_SHA];
	uint8_t digest[DIGEST_MAX]; /* the session's */
	uint8_t sums[]; /* before: digests of its blocks */
};

/* Pieces of the basis; users: the delta, and streams at work with it. */
struct delta_index {
	struct piece_index *pieces;
	unsigned bits;
	unsigned users;
};

/* What is asked for with a COMPARE_PIECES. */
struct delta_request {
	uint64_t leaf; /* of the basis */
	uint32_t count;
	unsigned bits, stride;
};

/* salt: random, for the index.  NULL when out of memory. */
struct delta *delta_new(uint64_t basis_size, uint64_t leaves, int may_find,
			uint64_t salt);
void delta_free(struct delta *d); /* NULL is allowed */

/* Whether the file waits for pieces: nothing of it is to be sent. */
int delta_is_held(const struct delta *d);

/* ---- comparing ---- */

/* Of count leaves from leaf on, those that are to be sent (todo) and worth
 * comparing are moved to those that are to be compared.  Returns 0, or an enum
 * err_code where they are in too many places. */
int delta_compare_leaves(struct delta *d, struct runs *todo, uint64_t leaf,
			 uint64_t count);

/* Compare no more leaves, and ask for no pieces; what was asked for is used.
 * Returns as delta_compare_leaves(). */
int delta_stop(struct delta *d, struct runs *todo);

/* In how many places there are leaves to be compared. */
size_t delta_compare_places(const struct delta *d);

/* How many leaves may be taken to be compared now: few, as long as it is not
 * known whether that finds anything. */
unsigned delta_may_compare(const struct delta *d);

/* Take leaves that follow one another, to be compared: at most max, and as many
 * as may be now.  As runs_take().  An answer is expected for each. */
uint64_t delta_take_compare(struct delta *d, unsigned max, uint64_t *leaf);

/* For how many leaves an answer is expected. */
unsigned delta_waiting(const struct delta *d);
/* Expect none any more: the file is over. */
void delta_stop_waiting(struct delta *d);

/* A leaf that was taken, with its digests, to be compared.  Takes ownership. */
void delta_add(struct delta *d, struct delta_leaf *l);

/* These leaves were found to be the same.  Here and below, what is to be sent
 * now is added to todo.  ERR_PROTOCOL where they were not asked for; otherwise
 * as delta_compare_leaves(). */
int delta_same(struct delta *d, struct runs *todo, uint64_t leaf,
	       uint32_t count);

/* This leaf differs, and the basis has count blocks with these digests there.
 * Returns as delta_same(). */
int delta_differs(struct delta *d, struct runs *todo, uint64_t leaf,
		  const uint8_t *sums, unsigned count);

/* How many bytes the leaves have that were compared and have no answer yet.
 * size: the file's. */
uint64_t delta_unanswered(const struct delta *d, uint64_t size);

/* So many leaves that were taken are not compared after all.
 * Returns as delta_compare_leaves(). */
int delta_skip(struct delta *d, struct runs *todo, unsigned count);

/* ---- pieces ---- */

/* Whether pieces have to be asked for. */
int delta_has_request(const struct delta *d);
/* They are asked for: the answer is awaited from now on. */
void delta_ask(struct delta *d);
/* What to ask for. */
struct delta_request delta_request(const struct delta *d);

/* Pieces were named, or all of them.  ERR_PROTOCOL where they were not asked
 * for; ERR_RESOURCE. */
int delta_pieces(struct delta *d, const struct msg_signature *m);
int delta_pieces_end(struct delta *d, const struct msg_signature *m);

/* Whether a leaf may be sent now.  Not where the pieces near it have to be
 * asked for first, nor while it is not known whether they will be. */
int delta_may_send(struct delta *d, uint64_t leaf);

/* ---- sending ---- */

enum delta_way { DELTA_HELD, DELTA_AS_IS, DELTA_BY_BLOCKS, DELTA_BY_PIECES, DELTA_PROBE };

/* How a leaf is to be sent, and what is needed for that; HELD: not now, pieces
 * are asked for. */
struct delta_take {
	enum delta_way way;
	struct delta_leaf *leaf;   /* BY_BLOCKS; owned */
	struct delta_index *index; /* BY_PIECES, PROBE; until delta_give() */
};
void delta_take(struct delta *d, uint64_t leaf, int was_sent,
		struct delta_take *out);

/* The leaf is about to be sent, as a recipe or not; found: bytes of it in the
 * basis.  Frees what was taken.  Returns whether the leaf is held after all, as
 * pieces of it were found. */
int delta_give(struct delta *d, struct delta_take *t, uint64_t leaf,
	       int as_recipe, uint64_t found);

/* The receiver asks for a leaf again.  Returns whether it was sent as a recipe,
 * so that the basis has changed.  Where that happens often, no more recipes are
 * made; *rc is as of delta_compare_leaves(). */
int delta_misfit(struct delta *d, struct runs *todo, uint64_t leaf, int *rc);

#endif
