/*
 * quota.h - what one session may send (--max-files, --max-size).
 *
 * Layer: receiver.  Uses verdict.h.
 * Threads: any; it has a lock of its own.
 *
 * Items and bytes are counted when they are announced, before anything is
 * written, so that a sender gains nothing by announcing much at once on several
 * streams.
 */
#ifndef FERRY_RECEIVER_QUOTA_H
#define FERRY_RECEIVER_QUOTA_H

#include <stdint.h>

struct quota;
struct verdict;

/* UINT64_MAX: no limit.  NULL when out of memory. */
struct quota *quota_new(uint64_t max_items, uint64_t max_bytes);
void quota_free(struct quota *q); /* NULL is allowed */

/* Count items and bytes.  Returns 0; or -1 where that is too much, with a
 * verdict of STATUS_FAILED (CAUSE_LIMIT) in v, and nothing is counted. */
int quota_take(struct quota *q, unsigned items, uint64_t bytes,
	       struct verdict *v);

/* They were not received, for another reason. */
void quota_give_back(struct quota *q, unsigned items, uint64_t bytes);

#endif
