/*
 * quota.h - what one session may send (--max-files, --max-size).
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.
 *
 * Items and bytes are counted when they are announced, before anything is
 * written: several streams that announce at once cannot exceed the limits.  So
 * are directories that are made for them (made.h), and what is written beside
 * files (dir_meta.h).
 */
#ifndef FERRY_RECEIVER_QUOTA_H
#define FERRY_RECEIVER_QUOTA_H

#include <stdint.h>

struct quota;
struct verdict;

/* UINT64_MAX: no limit.  NULL when out of memory. */
struct quota *quota_new(uint64_t max_items, uint64_t max_bytes);
void quota_free(struct quota *q); /* NULL is allowed */

/* Count items and bytes.  Returns 0; or -1 where a limit would be exceeded,
 * with STATUS_FAILED (CAUSE_LIMIT) in v, which needs no value before, and
 * nothing counted. */
int quota_take(struct quota *q, unsigned items, uint64_t bytes,
	       struct verdict *v);

/* Whether there is a limit on items. */
int quota_limits_items(const struct quota *q);

/* Uncount what quota_take() counted and is not received after all. */
void quota_give_back(struct quota *q, unsigned items, uint64_t bytes);

#endif
