/*
 * queue_replies.h - what the receiver's answers mean to what is in flight.
 *
 * Layer: sender.  Uses sender/queue.h, wire/msg.h.
 * Threads: any; every function locks what it needs and none blocks.
 *
 * Answers come by any stream, so those to one file or pack may come in another
 * order than they were sent in: what has its verdict already is passed over.
 * An id that was never given is ERR_PROTOCOL in all of them, as is an answer
 * that does not fit what was sent.
 */
#ifndef FERRY_SENDER_QUEUE_REPLIES_H
#define FERRY_SENDER_QUEUE_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "wire/msg.h"

struct item;
struct queue;

/* STATE, the answer to OPEN. */
int queue_state(struct queue *q, const struct msg_state *m);

/* CHECKED.  *bytes is how much has to be sent after all.  ERR_CORRUPT where
 * that lies in too many places. */
int queue_checked(struct queue *q, const struct msg_checked *m,
		  uint64_t *bytes);

/* OFFERED: what is wanted is queued as a pack.  Also ERR_RESOURCE. */
int queue_offered(struct queue *q, const struct msg_offered *m);

/* An item and its verdict.  All is borrowed for the call. */
struct queue_verdict {
	const char *name; /* terminated */
	size_t name_len;
	const struct item *item;
	uint64_t id, size;
	const struct msg_verdict *verdict;
	int has_digest; /* item->digest is the content's */
};
/* Called with the queue locked: must not call it, nor block. */
typedef void (*queue_verdict_fn)(void *ctx, const struct queue_verdict *v);

/* VERDICT: fn is called for each item that is done by it. */
int queue_verdict(struct queue *q, const struct msg_verdict *m,
		  queue_verdict_fn fn, void *ctx);

/* VERDICT with STATUS_DEFERRED: symlinks that are not sent any more, and get
 * their verdicts when the session ends. */
int queue_deferred(struct queue *q, const struct msg_verdict *m);

/* RESEND.  *bytes is how much of a pack will be sent again (0 for a chunk).
 * ERR_CORRUPT when it was asked for too often in this session, or the content
 * cannot be read again. */
int queue_resend(struct queue *q, const struct msg_resend *m, uint64_t *bytes);

#endif
