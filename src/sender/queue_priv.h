/*
 * queue_priv.h - struct queue, and what its parts share.  Private to queue*.c.
 *
 * Layer: sender.
 * Threads: the caller holds the lock in all of these functions.
 *
 * queue.c is the lowest part; queue_tasks.c, queue_files.c and queue_replies.c
 * are above it, each with a header of its own, and do not call one another.
 */
#ifndef FERRY_SENDER_QUEUE_PRIV_H
#define FERRY_SENDER_QUEUE_PRIV_H

#include <pthread.h>

#include "os/wake.h"
#include "sender/inflight.h"
#include "sender/queue.h"

enum {
	QUEUE_PACKS_MAX = 64,
	QUEUE_FILES_MAX = 512,
	/* Nothing is added to the queue while so many items are in flight: more
	 * than the receiver collects before it commits (see committer.h), or
	 * each side would wait for the other. */
	QUEUE_INFLIGHT_MAX = 32768,
	/* With all that is queued and in the streams' hands then. */
	QUEUE_UNDER_WAY_MAX = 65536,
};

_Static_assert(QUEUE_INFLIGHT_MAX +
			       (QUEUE_PACKS_MAX + STREAMS_MAX) * PACK_ITEMS +
			       QUEUE_FILES_MAX <=
		       QUEUE_UNDER_WAY_MAX,
	       "as ferry-protocol(7) says");

/* The lock guards everything but wake, which is fixed; also the packs and
 * files that are here (see their headers). */
struct queue {
	pthread_mutex_t lock;
	struct wake wake; /* for streams without a task */

	/* packs and files that wait; next to be taken first */
	struct pack *packs, **packs_end;
	struct outfile *files, **files_end;
	unsigned pack_count, file_count;
	pthread_cond_t room; /* for the scanner */

	/* what was taken */
	struct outfile *active; /* open files, with leaves to send */
	struct inflight inflight;
	unsigned busy; /* tasks that were taken and not handed back */
	unsigned open_count, open_limit; /* files without a verdict */
	unsigned checking;   /* tasks among them that are TASK_CHECK */
	unsigned checks_out; /* CHECKs without an answer */
	unsigned resends;    /* that the receiver asked for */

	/* state */
	unsigned waiting; /* streams that found nothing to take */
	int is_signalled; /* wake is */
	int is_closed, is_paused, is_scanned;
	int has_progress; /* see queue_has_progress() */
};

/* Make streams that wait look again. */
void queue_signal(struct queue *q);
void queue_clear_signal(struct queue *q);

/* Queue a pack before all others; a file after them. */
void queue_push_pack(struct queue *q, struct pack *pk);
void queue_append_file(struct queue *q, struct outfile *f);

/* Whether leaves of the file may be taken. */
int queue_can_send(const struct outfile *f);

/* Put a file on the list of those to take ranges and checks from, or take it
 * off; queue_settle_active(): whichever what is left of it asks for. */
void queue_add_active(struct queue *q, struct outfile *f);
void queue_remove_active(struct queue *q, struct outfile *f);
void queue_settle_active(struct queue *q, struct outfile *f);

/* Leaves that have to be sent, once more or after all.  Returns 0, also where
 * the file is not sent any more; or ERR_CORRUPT where they lie in too many
 * places. */
int queue_return_leaves(struct queue *q, struct outfile *f, uint64_t leaf,
			uint64_t count);

/* The file has its verdict, or failed here: no answer is expected any more. */
void queue_land_file(struct queue *q, struct outfile *f);

/* Free a file that nobody uses and of which no answer is expected. */
void queue_drop_if_unused(struct queue *q, struct outfile *f);

/* How many tasks wait for a stream, about: a file counts as several where it
 * may keep several busy. */
unsigned queue_count_tasks(const struct queue *q);

/* Whether everything was sent and has its verdict, but for symlinks that the
 * receiver has: those verdicts come before the summary. */
int queue_is_done(const struct queue *q);

#endif
