/*
 * delta_priv.h - struct delta.  Private to delta.c and its unit test.
 *
 * Layer: sender.
 * Threads: guarded by the queue's lock.
 *
 * What is done about pieces of the basis:
 *
 *	UNASKED		there is no reason to, yet: leaves of which little was
 *			found are kept back
 *	ASKING		they have to be asked for
 *	AWAITING	the answer is on its way: nothing of the file is sent
 *	PROBING		some pieces are known: leaves are sent as they are, and
 *			looked up to see whether all pieces are worth asking
 *			for; if so -> ASKING
 *	FINDING		all pieces are known that lie near: leaves are looked up
 *	OFF		no pieces are asked for any more
 */
#ifndef FERRY_SENDER_DELTA_PRIV_H
#define FERRY_SENDER_DELTA_PRIV_H

#include <stdint.h>

#include "base/runs.h"
#include "sender/delta.h"

enum delta_mode {
	DELTA_UNASKED,
	DELTA_ASKING,
	DELTA_AWAITING,
	DELTA_PROBING,
	DELTA_FINDING,
	DELTA_OFF,
};

enum {
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

#endif
