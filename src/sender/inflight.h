/*
 * inflight.h - the packs and files that were sent and have no verdict yet, by
 * id.
 *
 * Layer: sender.
 * Threads: a struct inflight is part of struct queue and guarded by its lock.
 *
 * Ids are assigned in order from 1 on, so the list is sorted by them.  Memory
 * is bounded, as the queue adds nothing while too many items are in flight.
 */
#ifndef FERRY_SENDER_INFLIGHT_H
#define FERRY_SENDER_INFLIGHT_H

#include <stddef.h>
#include <stdint.h>

#include "sender/outfile.h"
#include "sender/pack.h"

/* The ids first, ..., first + count - 1: a pack's items, or one file. */
struct inflight_entry {
	uint64_t first;
	uint32_t count;
	/* one of the two, owned; both NULL: everything has its verdict */
	struct pack *pack;
	struct outfile *file;
};

struct inflight {
	struct inflight_entry *v; /* owned */
	size_t len, cap;
	uint64_t next_id;
	uint64_t items;    /* without a verdict, including deferred ones */
	uint64_t deferred; /* symlinks that the receiver makes at the end */
};

void inflight_init(struct inflight *in);
/* Free everything, including the packs and files. */
void inflight_release(struct inflight *in);

/*
 * Assign ids to the items of a pack, or to a file (the other one is NULL), and
 * take ownership of it.  Sets the id in the pack or file, and returns it (the
 * first of a pack's); or 0 when out of memory: then it stays the caller's.
 */
uint64_t inflight_add(struct inflight *in, struct pack *pk, struct outfile *f);

/* Whether count ids from first on were assigned; they may have their verdicts
 * already. */
int inflight_was_given(const struct inflight *in, uint64_t first,
		       uint64_t count);

/* The entry that holds an id; NULL where everything in it has its verdict, or
 * the id was not assigned.  Valid until the next inflight_add(). */
struct inflight_entry *inflight_at(struct inflight *in, uint64_t id);

/* Where a loop over the entries of several ids begins: the index of the entry
 * that holds the id or, where none does, of the first one after it; len where
 * there is none. */
size_t inflight_index(const struct inflight *in, uint64_t id);

/* An item of a pack has its verdict, or will get none under this id.  The pack
 * is freed with its last item. */
void inflight_end_item(struct inflight *in, struct inflight_entry *en,
		       struct item *it);

/* A file has its verdict or has failed: it leaves the list and is the caller's
 * again. */
void inflight_end_file(struct inflight *in, struct outfile *f);

/* The receiver has this symlink and will make it at the end of the session. */
void inflight_defer(struct inflight *in, struct item *it);

/* Remove a whole pack, to be sent once more: it is the caller's.  None of its
 * items may have its verdict or be deferred. */
struct pack *inflight_take_pack(struct inflight *in, struct inflight_entry *en);

/*
 * Remove the pack or file with the highest ids, which becomes the caller's (the
 * other pointer is NULL).  Returns whether there was one; if not, the next id
 * is 1 again.
 */
int inflight_pop(struct inflight *in, struct pack **pk, struct outfile **f);

#endif
