/*
 * delta.h - what is known of the basis of a file that is sent, and what is to
 * be found out about it next.
 *
 * Layer: sender.  Pure but for memory: it neither reads nor sends.
 * Threads: guarded by the queue's lock; an index that was taken is constant.
 *
 * Leaves are compared with the basis at their offset, as long as that finds
 * something.  Where it finds little, pieces of the basis are asked for, which
 * may lie anywhere:
 *
 * 	UNASKED		there is no reason to, yet: leaves of which little was
 * 			found are kept back
 * 	ASKING		they have to be asked for
 * 	AWAITING	the answer is on its way: nothing of the file is sent
 * 	PROBING		some pieces are known: leaves are sent as they are, and
 * 			looked up to see whether all pieces are worth asking
 * 			for; if so -> ASKING
 * 	FINDING		all pieces are known that lie near: leaves are looked up
 * 	OFF		no pieces are asked for any more
 */
#ifndef FERRY_SENDER_DELTA_H
#define FERRY_SENDER_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "base/runs.h"
#include "chunk/digest.h"
#include "chunk/match.h"
#include "wire/msg.h"

enum delta_mode {
	DELTA_UNASKED,
	DELTA_ASKING,
	DELTA_AWAITING,
	DELTA_PROBING,
	DELTA_FINDING,
	DELTA_OFF,
};

enum {
	DELTA_BLOCKS = SIGNATURE_BLOCKS_MAX, /* of a leaf */
	DELTA_RUNS_MAX = 8192,
	/* The most leaves of a file that were compared and not sent yet. */
	DELTA_LEAVES_MAX = 1024,
	/* Above DELTA_WINDOW_FROM leaves of the basis, pieces of so many are
	 * known at a time, and of DELTA_MARGIN before and after them: with 16
	 * KiB a piece the index stays below 32 MiB. */
	DELTA_WINDOW_FROM = 4096,
	DELTA_WINDOW = 8192,
	DELTA_MARGIN = 1024,
	DELTA_PIECES_MAX = 1 << 20,
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

struct delta {
	uint64_t basis_size, leaves; /* leaves: of the file */
	int may_find; /* FEATURE_PIECES was granted */
	uint64_t salt;
	enum delta_mode mode;
	int is_comparing;
	struct runs compare; /* leaves that are still to be compared */
	struct runs poor;    /* that were, and of which little was found */
	struct runs recipes; /* leaves that were sent as recipes */
	unsigned misfits;    /* recipes that did not make their chunk */
	/* leaves that are compared, in the order in which that was asked */
	struct delta_leaf *list, **list_end;
	unsigned waiting, ready;
	unsigned seen, found; /* recent blocks: compared, the same */
	/* pieces */
	struct delta_index *index; /* or NULL */
	struct delta_request request;
	uint64_t next_off;    /* where the next piece may begin */
	uint64_t pieces_left; /* that may still be named */
	uint64_t window_end;  /* FINDING: leaves below are looked up */
	uint64_t probes;      /* leaves that were to be probed, */
	uint64_t next_probe;  /* and the number of the next that is */
};

/* salt: random, for the index.  NULL when out of memory. */
struct delta *delta_new(uint64_t basis_size, uint64_t leaves, int may_find,
			uint64_t salt);
void delta_free(struct delta *d); /* NULL is allowed */

/* Whether the file waits for pieces: nothing of it is to be sent. */
int delta_is_held(const struct delta *d);

/* ---- comparing ---- */

/* Of count leaves from leaf on, those that are to be sent (todo) and worth
 * comparing are moved to d->compare.  Returns 0, or an enum err_code where they
 * are in too many places. */
int delta_compare_leaves(struct delta *d, struct runs *todo, uint64_t leaf,
			 uint64_t count);

/* Compare no more leaves, and ask for no pieces; what was asked for is used.
 * Returns as delta_compare_leaves(). */
int delta_stop(struct delta *d, struct runs *todo);

/* How many leaves may be taken from d->compare now: few, as long as it is not
 * known whether that finds anything. */
unsigned delta_may_compare(const struct delta *d);

/* A leaf with its digests, to be compared; d->waiting counts it already.  Takes
 * ownership. */
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

/* So many leaves that were taken from d->compare are not compared after all.
 * Returns as delta_compare_leaves(). */
int delta_skip(struct delta *d, struct runs *todo, unsigned count);

/* ---- pieces ---- */

/* ASKING -> AWAITING.  What to ask for is in d->request. */
void delta_ask(struct delta *d);

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
