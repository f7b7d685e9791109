/*
 * pack.h - small files, symlinks and directories that travel in one frame.
 *
 * Layer: sender.  Uses base, sender/item.h, wire/msg.h.
 * Threads: a pack belongs to whoever holds it: the scanner while it is filled,
 * the queue while it waits or is in flight, a stream from when it takes it
 * until queue_assign_pack_ids().
 */
#ifndef FERRY_SENDER_PACK_H
#define FERRY_SENDER_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sender/item.h"
#include "wire/msg.h"

enum {
	/* Items of a pack: fewer than the protocol allows, so that a damaged or
	 * lost pack costs little. */
	PACK_ITEMS = 256,
};

struct pack {
	struct pack *next; /* the queue's */
	uint64_t first_id; /* 0: not sent yet */
	uint32_t count, cap;
	uint32_t left; /* items without a verdict */
	int was_sent;  /* in a lost session: it may have arrived */
	int is_wanted; /* it was offered, and the receiver wants it */
	struct item *items;
	struct buf names;
	uint64_t bytes;     /* of content: as scanned, later as read */
	uint64_t table_len; /* of the rows, with the longest digests */
};

/* An empty pack, or NULL when out of memory. */
struct pack *pack_new(void);
void pack_free(struct pack *pk); /* NULL is allowed */

/*
 * Append an item with copies of its texts (lengths without terminator).
 * path_off: see struct item.  size: bytes of content, 0 for what is no file.
 * Returns the item, valid until the next pack_add(): the caller fills in root
 * and st.  NULL when the pack is full (then it is to be queued and another
 * begun) or memory ran out.
 */
struct item *pack_add(struct pack *pk, enum item_kind kind, const char *name,
		      size_t name_len, size_t path_off, const char *target,
		      size_t target_len, uint64_t size);

/* The name of one of its items, terminated; borrowed from the pack. */
const char *pack_name(const struct pack *pk, const struct item *it);

/* Whether the answer to an offer asks for item i; for how many it does. */
static inline int pack_is_wanted(const struct msg_offered *m, uint32_t i)
{
	return m->wanted[i / 8] >> (i % 8) & 1;
}
uint32_t pack_count_wanted(const struct msg_offered *m);

/*
 * A pack of those of its files that the answer to its offer asks for, with the
 * same texts; *out is NULL where none is wanted.  The items of pk stay as they
 * are.  Returns 0; ERR_PROTOCOL for an answer that asks for what is no file or
 * has its verdict; ERR_RESOURCE.  m->count must be pk->count.
 */
int pack_wanted(const struct pack *pk, const struct msg_offered *m,
		struct pack **out);

/* Drop the items that have their verdict: what is left is sent again in another
 * session. */
void pack_restart(struct pack *pk);

#endif
