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
#include <stdatomic.h>

#include "os/wake.h"
#include "sender/inflight.h"
#include "sender/outfile_priv.h"
#include "sender/queue.h"
#include "sender/queue_replies.h"

enum {
	QUEUE_PACKS_MAX = 64,
	QUEUE_FILES_MAX = 512,
	/* Nothing is added to the queue while so many items are in flight.  It
	 * has to be more than the receiver collects before it commits
	 * (committer.h), or each side would wait for the other. */
	QUEUE_INFLIGHT_MAX = 32768,
	/* The most items in flight, which the receiver may rely on: those
	 * above, and what is queued and taken at that time. */
	QUEUE_UNDER_WAY_MAX = 65536,
};

_Static_assert(QUEUE_INFLIGHT_MAX +
			       (QUEUE_PACKS_MAX + STREAMS_MAX) * PACK_ITEMS +
			       QUEUE_FILES_MAX <=
		       QUEUE_UNDER_WAY_MAX,
	       "as ferry-protocol(7) says");

/* The lock guards everything except wake, which does not change, and also the
 * packs and files in the queue (see their headers). */
struct queue {
	pthread_mutex_t lock;
	struct wake wake; /* for streams without a task */

	/* packs and files that wait, in the order in which they are taken */
	struct pack *packs, **packs_end;
	struct outfile *files, **files_end;
	unsigned pack_count, file_count;
	pthread_cond_t room; /* for the scanner */

	/* what was taken */
	struct outfile *active; /* open files, with leaves to send */
	struct inflight inflight;
	unsigned busy; /* tasks that were taken and not ended */
	unsigned open_count, open_limit; /* files taken, without a verdict */
	int has_own_limit; /* the receiver allows more of them */
	unsigned checking;   /* tasks of kind TASK_CHECK among the busy ones */
	unsigned checks_out; /* CHECKs without an answer */
	unsigned compares_out; /* leaves in COMPAREs without an answer */
	uint64_t salt; /* random, for deltas */
	int may_find;  /* FEATURE_PIECES was granted */
	int compares_none; /* queue_delta_stop() */
	unsigned resends;    /* that the receiver asked for */

	/* state */
	int is_full;      /* the scan waits for room */
	int scan_waits;   /* or for verdicts */
	unsigned waiting; /* streams that wait for a task */
	int is_signalled; /* whether wake is */
	int is_closed, is_paused, is_scanned;
	int has_progress; /* see queue_has_progress() */
	atomic_uint_fast64_t replies; /* see queue_count_replies() */
	/* directories with a verdict: in this session, and the most in one */
	uint64_t dirs, most_dirs;
};

/* Wake the streams that wait for a task; and undo that. */
void queue_signal(struct queue *q);
void queue_clear_signal(struct queue *q);

/* Queue a pack before all others; queue a file after all others. */
void queue_push_pack(struct queue *q, struct pack *pk);
void queue_append_file(struct queue *q, struct outfile *f);

/* What is the same in the verdict on an item of a pack and in what is planned
 * for it. */
struct queue_verdict queue_describe_item(const struct inflight_entry *en,
					 uint64_t id);

/* Whether leaves of the file may be sent in its state. */
int queue_can_send(const struct outfile *f);

/* Add a file to the list of those that ranges and checks are taken from, or
 * remove it; queue_settle_active() does whichever is right for what is left of
 * the file. */
void queue_add_active(struct queue *q, struct outfile *f);
void queue_remove_active(struct queue *q, struct outfile *f);
void queue_settle_active(struct queue *q, struct outfile *f);

/* Make leaves of a file to be sent, again or for the first time.  Returns 0,
 * also where nothing more of the file is sent; or ERR_CORRUPT where they are in
 * too many places. */
int queue_return_leaves(struct queue *q, struct outfile *f, uint64_t leaf,
			uint64_t count);

/* The file is not in flight any more: it has its verdict, or failed on this
 * side. */
void queue_end_flight(struct queue *q, struct outfile *f);

/* Free a file that no task uses and that is not in flight. */
void queue_drop_if_unused(struct queue *q, struct outfile *f);

/* How many tasks there are to take, approximately: a file counts as several
 * where several streams can work on it. */
unsigned queue_count_tasks(const struct queue *q);

/* Whether everything was sent and has its verdict, except deferred symlinks,
 * whose verdicts come just before the summary. */
int queue_is_done(const struct queue *q);

#endif
