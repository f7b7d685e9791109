/*
 * msg_list.h - encoding and decoding of LIST, by which the sender asks what the
 * receiver wants without having read any content, and of its answer.
 *
 * Layer: wire.  Uses base only.  Pure; only a struct buf allocates memory.
 * Specified in ferry-protocol(7); that page and this file change together.
 *
 * The rules are those of msg.h.
 */
#ifndef FERRY_WIRE_MSG_LIST_H
#define FERRY_WIRE_MSG_LIST_H

#include "wire/msg.h"

/*
 * LIST: u64 id of the first item | u32 items (1..PACK_ITEMS_MAX) | u32 raw
 * length (1..CHUNK_MAX) | u8 codec | u8[3] reserved | digest of the table |
 * payload, which expands to the table: raw length bytes
 */
enum { MSG_LIST_FIXED = 20, LIST_DIGEST = 32, LISTED_RUN = 5 };
struct msg_list {
	uint64_t first_id;
	uint32_t count;
	uint32_t raw_len;
	uint8_t codec;
	uint8_t digest[WIRE_DIGEST_MAX];
};
void msg_put_list(struct buf *b, const struct msg_list *m, size_t digest_size,
		  uint32_t payload_len);
/* As msg_get_pack(). */
int msg_get_list(struct msg_list *m, size_t digest_size, const uint8_t *p,
		 size_t n, size_t payload_len);

/*
 * A row of the table; numbers (N) are of 1 to 10 bytes, see ferry-protocol(7):
 *
 *	u8 bits: kind (enum item_kind; with 64, less 3), 4: the mode is that of
 *	the row before, 8: there is a digest, 16: whatever the times, compare by
 *	content, 32: the further fields are those of the row before, 128: the
 *	sender cannot read it, so that it would fail (with FEATURE_DRY_RUN
 *	alone) | u16 mode, without bit 4 | N seconds, less those of the row
 *	before | u32 nanoseconds | with FILE_META_EXTENDED, and without bit 32:
 *	N bytes of further fields | these | N bytes that the name has in common
 *	with that of the row before, at its beginning | N bytes that follow |
 *	these
 *	FILE	N size | u8[32] SHA-256 of the content, with bit 8
 *	SYMLINK, LINK	N bytes of the target | target
 *	SPECIAL	u8 type (enum special_type) | N major | N minor
 *
 * Before the first row the mode and seconds are 0, the name is empty, and there
 * are no further fields.  With FILE_META_BASIC there are neither the bits 32
 * and 64 nor what needs them.
 */
struct msg_row {
	struct pack_item item; /* digest: with has_digest */
	int has_digest;
	int by_content;
	int is_unreadable;
};

/* The last row.  Starts all zero but for the form, which is the same for all
 * rows of a table. */
struct msg_rows {
	enum file_meta_form form;
	struct file_meta fields; /* its further fields alone; borrowed: from
				    what was put, or was decoded */
	uint32_t mode;
	uint64_t mtime_s;
	char name[WIRE_NAME_MAX];
	size_t name_len;
};

/* Append a row.  Its further fields must stay until the next one was. */
void msg_put_row(struct buf *b, struct msg_rows *rows, const struct msg_row *row);
/* Decode the next row.  Its name is borrowed from rows, until the next call;
 * its further fields and target, from what r reads.  Call it count times, then
 * check rd_at_end(). */
int msg_get_row(struct msg_row *row, struct msg_rows *rows, struct rd *r);

/*
 * LISTED, the answer: u64 id of the first item | u32 items | u32 reserved |
 * runs of items with the same state, until all have one: u8 state | u16 cause
 * (with FAILED) | u16 items (at least 1)
 *
 * Without FEATURE_DRY_RUN an item is DONE, and has a verdict, or is not, and
 * gets none under this id.  With it none gets a verdict: the state says what
 * would be done.
 */
enum listed_state {
	LISTED_DONE = 0,
	/* wanted: */
	LISTED_NEW = 1,      /* nothing has the name */
	LISTED_REPLACES = 2, /* what has the name is replaced, */
	LISTED_BACKUP = 3,   /* or gets another name, */
	LISTED_RENAMED = 4,  /* or this gets another name */
	/* a file of this size is there, and may be the same: */
	LISTED_COMPARE = 5,
	/* with FEATURE_DRY_RUN alone: */
	LISTED_UNCHANGED = 6,
	LISTED_UPDATED = 7, /* its metadata alone differs */
	LISTED_SKIPPED = 8,
	LISTED_FAILED = 9, /* for the cause */
	/* A directory has the name, which may be deleted: then the sender lists
	 * the item once more. */
	LISTED_WAITING = 10,
	LISTED_STATE_MAX = 10,
};
struct listed_item {
	uint8_t state;
	uint16_t cause;
};
struct msg_listed {
	uint64_t first_id;
	uint32_t count;
	struct listed_item items[PACK_ITEMS_MAX];
};
/* The verdict that an item would get whose state is this one (LISTED_NEW or
 * later, but not COMPARE); LISTED_WAITING: that which it gets where the
 * directory stays. */
enum file_status msg_listed_status(unsigned state);

void msg_put_listed(struct buf *b, const struct msg_listed *m);
int msg_get_listed(struct msg_listed *m, const uint8_t *p, size_t n);

#endif
