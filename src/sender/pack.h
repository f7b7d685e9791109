/*
 * pack.h - small files, symlinks and directories that travel in one frame.
 *
 * Layer: sender.
 * Threads: a pack has one owner at a time: the scanner while it is filled, the
 * queue while it waits or is in flight, a stream from queue_take() to
 * queue_assign_pack_ids().
 */
#ifndef FERRY_SENDER_PACK_H
#define FERRY_SENDER_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sender/item.h"
#include "wire/msg.h"

enum {
	/* The most items of a pack: fewer than the protocol allows, so that
	 * little has to be sent again after a damaged or lost pack. */
	PACK_ITEMS = 256,
};

struct pack {
	struct pack *next; /* the queue's */
	uint64_t first_id; /* 0: not sent yet */
	uint32_t count, cap;
	uint32_t left; /* items without a verdict */
	int was_sent;  /* in a lost session, so it may have arrived */
	int has_sent_content; /* not only offered, in any session */
	int is_offered;       /* in flight: without its content */
	int is_wanted; /* it was offered, and the receiver asked for it */
	int is_list;     /* its metadata alone is sent, files of any size in it;
			    its bytes are 0 */
	int has_digests; /* then: with digests of the files' content */
	struct item *items;
	struct buf names;
	uint64_t bytes;     /* of content: as scanned, later as read */
	uint64_t table_len; /* at most: with the longest digests */
	uint64_t fields_room; /* of that, for further metadata of all items */
	uint32_t item_room;   /* what each item adds to that */
};

/* An empty pack, or NULL when out of memory. */
struct pack *pack_new(void);
void pack_free(struct pack *pk); /* NULL is allowed */

/* What an item is called; lengths without terminator. */
struct pack_texts {
	const char *name;
	size_t name_len;
	size_t path_off; /* see struct item */
	const char *target; /* of a symlink, else of no length */
	size_t target_len;
};

/*
 * Append an item with copies of its texts.  size: bytes of content; 0 unless it
 * is a file.  Returns the item, valid until the next pack_add(); the caller
 * sets root and st.  NULL when the pack is full or memory ran out.
 */
struct item *pack_add(struct pack *pk, enum item_kind kind,
		      const struct pack_texts *texts, uint64_t size);

/* What an item of pk is called; pk is borrowed. */
struct pack_texts pack_texts_of(const struct pack *pk, const struct item *it);

/*
 * A pack of this item of pk alone, with room for as much metadata as there can
 * be.  NULL when out of memory.
 */
struct pack *pack_alone(const struct pack *pk, const struct item *it);

/* The name of an item, terminated; borrowed from the pack. */
const char *pack_name(const struct pack *pk, const struct item *it);

/* The target of a symlink or hard link, likewise. */
const char *pack_target(const struct pack *pk, const struct item *it);

/* Whether the answer to an offer asks for item i; how many it asks for. */
static inline int pack_is_wanted(const struct msg_offered *m, uint32_t i)
{
	return m->wanted[i / 8] >> (i % 8) & 1;
}
uint32_t pack_count_wanted(const struct msg_offered *m);

/*
 * Make a pack of those files of pk that the answer to its offer asks for; *out
 * is NULL where it asks for none.  pk is not changed.  Returns 0; ERR_PROTOCOL
 * where the answer asks for something that is not a file or has its verdict;
 * ERR_RESOURCE.  m->count must be pk->count.
 */
int pack_wanted(const struct pack *pk, const struct msg_offered *m,
		struct pack **out);

/* Keep the first items, kept of them, and those from next on; drop what is
 * between.  bytes becomes as scanned again. */
void pack_keep(struct pack *pk, uint32_t kept, uint32_t next);

/* Drop the items that have their verdict; the others are sent in another
 * session. */
void pack_restart(struct pack *pk);

#endif
