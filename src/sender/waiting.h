/*
 * waiting.h - items that wait for a directory at the receiver to be deleted,
 * which has their name.
 *
 * Layer: sender.
 * Threads: any; it has a lock of its own, which is taken after the queue's.
 */
#ifndef FERRY_SENDER_WAITING_H
#define FERRY_SENDER_WAITING_H

#include <stddef.h>

#include "base/err.h"

struct links;
struct queue;
struct queue_verdict;
struct waiting;

/* NULL when out of memory. */
struct waiting *waiting_new(void);
void waiting_free(struct waiting *w); /* NULL is allowed */

/* Keep a copy of an item.  Returns whether it was kept: no directory, not
 * standard input, and not more than a few hundred, which the next transfer
 * sends; and none after waiting_end(). */
int waiting_add(struct waiting *w, const struct queue_verdict *v);

/* From now on in this session no directory is deleted (1), or one may be
 * (0). */
void waiting_end(struct waiting *w, int is_over);

/* Whether an item with this path waits. */
int waiting_has(struct waiting *w, const char *path, size_t len);

/* Queue all of them once more, to be sent, or in a dry run to be listed, and
 * forget them.  links: knows files with several names, or NULL; it keeps names
 * that have to wait for the verdict on another.  Does not block for long: call
 * it when nothing else is queued or in flight.  Returns how many there were, or
 * an error. */
int waiting_requeue(struct waiting *w, struct queue *q, struct links *links,
		    int is_dry_run, struct err *e);

/* Queue the names that links has kept, when the scan has ended.  As above. */
int waiting_requeue_names(struct queue *q, struct links *links, int is_dry_run,
			  struct err *e);

/* Call fn for each of them, with a verdict of failure, and forget them. */
void waiting_fail(struct waiting *w,
		  void (*fn)(void *ctx, const struct queue_verdict *v),
		  void *ctx);

#endif
