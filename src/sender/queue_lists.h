/*
 * queue_lists.h - the queue: what becomes of the items of a list.
 *
 * Layer: sender.
 * Threads: any; every function locks what it needs and none blocks.
 */
#ifndef FERRY_SENDER_QUEUE_LISTS_H
#define FERRY_SENDER_QUEUE_LISTS_H

#include "sender/queue_replies.h"
#include "wire/msg_list.h"

struct outfile;
struct pack;

/* An item of a dry run, and what would become of it.  Called with the queue
 * locked: must not call the queue, nor block. */
typedef void (*queue_planned_fn)(void *ctx, const struct queue_verdict *v,
				 const struct listed_item *plan);

/*
 * LISTED, the answer to LIST.  What is wanted is queued to be sent; what has to
 * be compared, to be listed with its digest, or where it is large, to be
 * opened.  fn is called for each item of a dry run whose plan is known; NULL:
 * it is no dry run.  Returns as queue_offered().
 */
int queue_listed(struct queue *q, const struct msg_listed *m,
		 queue_planned_fn fn, void *ctx);

/* Instead of sending the list of a TASK_PACK: queue all of its items to be
 * sent.  Takes ownership, and ends the task.  Returns 0 or ERR_RESOURCE. */
int queue_expand_list(struct queue *q, struct pack *pk);

/* Instead of opening the file of a TASK_OPEN: queue a list of it, with its
 * digest.  The file is given up; the task still has to be released.  Returns 0
 * or ERR_RESOURCE. */
int queue_list_file(struct queue *q, struct outfile *f);

#endif
