/*
 * order.h - what is said through ssh before a session: what ferry remote on the
 * other host is to do, and its answer.
 *
 * Layer: wire.  Uses base only.  Pure; only a struct buf allocates memory.
 * Specified in ferry-protocol(7), BY SSH; that page and this file change
 * together.
 *
 * All integers are big-endian.
 *
 *	order	u8[8] magic "FERRYORD" | u16 version | u16 reserved | u32 length
 *		of the list | u8[16] nonce | list
 *	answer	"ferry-remote:" | nonce in hex | "\n" | u16 version | u16 code |
 *		u32 length of the list | list
 *	list	u16 count | count times (u16 length | bytes without a NUL)
 *
 * The nonce tells the answer from what the login shell there may print before
 * it.
 */
#ifndef FERRY_WIRE_ORDER_H
#define FERRY_WIRE_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
	ORDER_VERSION = 1,
	ORDER_NONCE = 16,
	ORDER_HEADER = 32,
	ORDER_LIST_MAX = 1 << 20, /* bytes of a list */
	ORDER_ITEMS_MAX = 8192,
	ORDER_MARKER = 13 + 2 * ORDER_NONCE + 1,
	ORDER_ANSWER = 8, /* bytes between the marker and the list */
};

/*
 * The order's second item, with the name by which the user has called this
 * host: its messages, which that user reads, begin with it.  Releases that do
 * not know it refuse the order, and quote the item.
 */
#define ORDER_HOST "--host="

struct order {
	uint16_t version;
	uint32_t len; /* of the list */
	uint8_t nonce[ORDER_NONCE];
};

struct order_answer {
	uint16_t version;
	uint16_t code; /* 0: the session begins; else enum wire_error, and the
			  first item of the list says why */
	uint32_t len;
};

/* Begin a list in b, append an item, and end it.  off: what begin returned.  An
 * item that is too long, and too many of them, set b->failed. */
size_t order_begin_list(struct buf *b);
void order_put_item(struct buf *b, size_t off, const char *item);

/* Append an order or an answer; its list is what follows, of len bytes. */
void order_put(struct buf *b, const struct order *m);
void order_put_marker(struct buf *b, const uint8_t nonce[ORDER_NONCE]);
void order_put_answer(struct buf *b, const struct order_answer *m);

/* Decode ORDER_HEADER or ORDER_ANSWER bytes.  Return 0 or ERR_PROTOCOL.  With
 * another version only that is set, and 0 is returned. */
int order_get(struct order *m, const uint8_t p[ORDER_HEADER]);
int order_get_answer(struct order_answer *m, const uint8_t p[ORDER_ANSWER]);

/* Read a list: its count, then item after item, which are borrowed and not
 * terminated.  The caller checks rd_at_end() after the last. */
int order_get_count(struct rd *r);
const char *order_get_item(struct rd *r, size_t *len);

#endif
