/*
 * inflight.h - what was sent and has no verdict yet: ids -> packs and files.
 *
 * Layer: sender.  Uses base, sender/pack.h, sender/outfile.h.
 * Threads: none of its own: a part of struct queue, guarded by its lock.
 *
 * Ids are given in order from 1 on, so the list is sorted by them.  Memory is
 * bounded by the queue, which adds nothing while too many items are in flight.
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
	/* one of the two, owned; both NULL: all has its verdict */
	struct pack *pack;
	struct outfile *file;
};

struct inflight {
	struct inflight_entry *v; /* owned */
	size_t len, cap;
	uint64_t next_id;
	uint64_t items;    /* without a verdict, with those deferred */
	uint64_t deferred; /* of them: symlinks that the receiver makes at the
			      end */
};

void inflight_init(struct inflight *in);
/* Free everything, with the packs and files. */
void inflight_release(struct inflight *in);

/*
 * Give ids to the items of a pack, or to a file (the other one is NULL), and
 * take it over.  Returns the first id, which the pack or file knows from then
 * on; or 0 when out of memory: then it stays the caller's.
 */
uint64_t inflight_add(struct inflight *in, struct pack *pk, struct outfile *f);

/* Whether count ids from first on were given; they may have their verdicts. */
int inflight_was_given(const struct inflight *in, uint64_t first,
		       uint64_t count);

/* The entry that holds an id, or NULL where there is none (any more).  Valid
 * until the next inflight_add(). */
struct inflight_entry *inflight_at(struct inflight *in, uint64_t id);

/* The index of the entry that holds an id or, where none does, of the first one
 * after it (len: there is none): where a walk over several ids begins. */
size_t inflight_index(const struct inflight *in, uint64_t id);

/* An item of a pack is done with: it has its verdict, or gets none under this
 * id.  The pack is freed with its last one. */
void inflight_end_item(struct inflight *in, struct inflight_entry *en,
		       struct item *it);

/* A file is done with: it leaves the list and is the caller's again. */
void inflight_end_file(struct inflight *in, struct outfile *f);

/* The receiver has a symlink, and makes it at the end of the session. */
void inflight_defer(struct inflight *in, struct item *it);

/* Take a whole pack out, to be sent once more: it is the caller's.  No item of
 * it has its verdict or is deferred. */
struct pack *inflight_take_pack(struct inflight *in, struct inflight_entry *en);

/*
 * Take out the pack or file with the greatest ids, which becomes the caller's
 * (the other pointer is NULL).  Returns 0 when there is none: then ids begin
 * at 1 again.
 */
int inflight_pop(struct inflight *in, struct pack **pk, struct outfile **f);

#endif
