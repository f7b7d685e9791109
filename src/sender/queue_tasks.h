/*
 * queue_tasks.h - the next thing for a stream to do.
 *
 * Layer: sender.  Uses sender/queue.h.
 * Threads: any; every function locks what it needs and none blocks.
 */
#ifndef FERRY_SENDER_QUEUE_TASKS_H
#define FERRY_SENDER_QUEUE_TASKS_H

#include <stdint.h>

struct outfile;
struct pack;
struct queue;

enum task_kind {
	TASK_PACK,  /* read the files of a pack and send it */
	TASK_OPEN,  /* open a file, and send OPEN */
	TASK_RANGE, /* send leaves of it */
	TASK_CHECK, /* send the digests of leaves that the receiver has */
	TASK_STDIN, /* read and send the next chunk of standard input */
};
struct task {
	enum task_kind kind;
	struct pack *pack;    /* PACK: owned by the taker, which ends the task
				 with queue_assign_pack_ids() */
	struct outfile *file; /* else: used by the taker, until
				 queue_release_task() */
	uint64_t leaf, count; /* RANGE; CHECK: within one range of the tree */
	int is_waiting;       /* queue_take()'s own; zero before the first
				 call */
};

enum queue_next { QUEUE_TASK, QUEUE_WAIT, QUEUE_DONE, QUEUE_CLOSED };
/*
 * The next task; t holds the stream's last one (zero at first).  Files are
 * opened first, as that takes a round trip, then packs, then ranges; a check
 * after each range, so that both get on.  only_open: nothing but TASK_OPEN
 * (before READY).
 *
 * QUEUE_WAIT: nothing now; the scan or replies may bring more, then
 * queue_wake_fd() becomes readable.  QUEUE_DONE: all was sent and has its
 * verdict, or is a symlink that the receiver makes at the end.  QUEUE_CLOSED:
 * after queue_close() or queue_pause().
 */
enum queue_next queue_take(struct queue *q, struct task *t, int only_open);

/* A TASK_RANGE, if there is one now, for a stream without READY: the only kind
 * that queue_return_range() can take back.  Returns whether there is. */
int queue_take_range(struct queue *q, struct task *t);

/* The task's use of its file is over (not for TASK_PACK). */
void queue_release_task(struct queue *q, const struct task *t);

/* As queue_release_task(), of a TASK_RANGE that may not have arrived: another
 * stream is to send it.  Returns 0, or ERR_CORRUPT: then none will. */
int queue_return_range(struct queue *q, const struct task *t);

/* Readable while there may be something to take; borrowed, never to be read. */
int queue_wake_fd(const struct queue *q);

/* How many files may be open on the receiver at a time (0 counts as 1). */
void queue_set_open_limit(struct queue *q, unsigned limit);

/* Whether queue_take_range() finds something as soon as a STATE has come, and
 * no file is being sent yet. */
int queue_awaits_state(struct queue *q);

/* After QUEUE_WAIT: whether the scan is over and everything was taken, so that
 * only verdicts are missing (worth a FLUSH). */
int queue_is_drained(struct queue *q);

/* Whether everything was sent and has its verdict, symlinks as well. */
int queue_is_over(struct queue *q);

#endif
