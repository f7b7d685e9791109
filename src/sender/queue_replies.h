/*
 * queue_replies.h - the queue, for a stream that reads the receiver's answers.
 *
 * Layer: sender.
 * Threads: any; every function locks what it needs and none blocks.
 *
 * The answers to one file or pack may come through several streams, and in
 * another order than they were sent in: an answer to what has its verdict
 * already is ignored.  All functions return 0; ERR_PROTOCOL for an id that was
 * not assigned, and for an answer that does not fit what was sent; or what is
 * said at the function.
 */
#ifndef FERRY_SENDER_QUEUE_REPLIES_H
#define FERRY_SENDER_QUEUE_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "wire/msg.h"

struct item;
struct queue;

/* What STATE says of a file. */
struct queue_resumed {
	/* of which the receiver kept a part from an earlier session: what it
	 * has, which is counted as spared; 0: none, or all of the file */
	uint64_t bytes;
	uint64_t holes; /* about how much of it need not be sent as it is a
			   hole; 0 where the receiver has something of it */
	uint64_t size;  /* of the file */
	char name[512]; /* escaped, cut to this */
};

/* STATE, the answer to OPEN.  resumed: NULL where it is not wanted. */
int queue_state(struct queue *q, const struct msg_state *m,
		struct queue_resumed *resumed);

/* CHECKED, the answer to CHECK.  Sets *bytes to how much differs and has to be
 * sent.  ERR_CORRUPT where that is in too many places of the file. */
int queue_checked(struct queue *q, const struct msg_checked *m,
		  uint64_t *bytes);

/* OFFERED, the answer to OFFER: what is wanted is queued as a pack.
 * ERR_RESOURCE when out of memory. */
int queue_offered(struct queue *q, const struct msg_offered *m);

/* An item and its verdict.  All is borrowed for the call. */
struct queue_verdict {
	const char *name; /* terminated */
	size_t name_len;
	const struct item *item;
	uint64_t id, size;
	const struct msg_verdict *verdict;
	int has_digest; /* item->digest is the content's */
	/* How much of the content was counted neither as sent nor as spared
	 * (counters.h); less than 0: too much was. */
	int64_t uncounted;
	/* Content that was compared, and not answered: FILE_END does not wait
	 * for the answers, and another stream may bring the verdict before
	 * them.  Where the file is there, its basis had it. */
	uint64_t unanswered;
	const char *target; /* of a symlink or hard link; terminated; or NULL */
	size_t target_len;
};
/* Called with the queue locked: must not call the queue, nor block. */
typedef void (*queue_verdict_fn)(void *ctx, const struct queue_verdict *v);

/* VERDICT: fn is called for each item that it is for and that had none. */
int queue_verdict(struct queue *q, const struct msg_verdict *m,
		  queue_verdict_fn fn, void *ctx);

/* VERDICT with STATUS_DEFERRED: the receiver has these symlinks, and gives
 * their verdicts when the session ends. */
int queue_deferred(struct queue *q, const struct msg_verdict *m);

/* How many replies had an effect so far: those that asked for nothing, were
 * about something that was over, or came a second time had none. */
uint64_t queue_count_replies(struct queue *q);

/* RESEND.  *is_misfit is set to whether it is about a recipe, whose basis has
 * changed; *bytes to how much content that was counted as sent is sent again.
 * ERR_CORRUPT after too many others in this session, and for content that
 * cannot be read again. */
int queue_resend(struct queue *q, const struct msg_resend *m, int *is_misfit,
		 uint64_t *bytes);

#endif
