/*
 * queue_tasks.h - the queue, for a stream that needs a task.
 *
 * Layer: sender.
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
	TASK_COMPARE, /* send digests of leaves, to compare them with the
			 basis */
	TASK_PIECES,  /* ask for pieces of the basis */
	TASK_STDIN, /* read and send the next chunk of standard input */
};
struct task {
	enum task_kind kind;
	struct pack *pack;    /* PACK: owned by the stream, until
				 queue_assign_pack_ids() ends the task */
	struct outfile *file; /* others: borrowed, until
				 queue_release_task() */
	uint64_t leaf, count; /* RANGE, COMPARE; CHECK: within one range of the
				 tree */
	int is_waiting;       /* queue_take()'s own; zero before the first
				 call */
};

enum queue_next { QUEUE_TASK, QUEUE_WAIT, QUEUE_DONE, QUEUE_CLOSED };
/*
 * Get the next task.  t holds the stream's last one (zero at first).  Files are
 * opened first, as that takes a round trip, then packs are sent, then ranges; a
 * check follows each range, so that neither has to wait for the other to end.
 * only_open: give nothing but TASK_OPEN of a file that is not listed first, nor
 * sent whole (before READY).
 *
 * QUEUE_WAIT: there is none now.  queue_wake_fd() becomes readable when the
 * scan or an answer may have brought one.  QUEUE_DONE: everything was sent and
 * has its verdict, or is a symlink that the receiver makes at the end.
 * QUEUE_CLOSED: queue_close() or queue_pause() was called.
 */
enum queue_next queue_take(struct queue *q, struct task *t, int only_open);

/* After QUEUE_WAIT: the stream of t takes no task for now. */
void queue_stop_waiting(struct queue *q, struct task *t);

/* Get a TASK_RANGE, if there is one now.  For a stream before READY: what it
 * sends may be lost, and only a range can be given back
 * (queue_return_range()).  Returns whether there is one. */
int queue_take_range(struct queue *q, struct task *t);

/* End a task, except TASK_PACK: its file is not used any more. */
void queue_release_task(struct queue *q, const struct task *t);

/* As queue_release_task(), for a TASK_RANGE that may not have arrived: another
 * stream will send it.  Returns 0; or ERR_CORRUPT, and no other stream will. */
int queue_return_range(struct queue *q, const struct task *t);

/* A descriptor that is readable while there may be a task to take; borrowed,
 * never to be read. */
int queue_wake_fd(const struct queue *q);

/* How many files may be open at a time: as the receiver allows, and as this
 * side has descriptors for.  The smaller one is the limit (0 counts as 1). */
void queue_set_open_limit(struct queue *q, unsigned allowed, unsigned own);

/* Whether no file is being sent yet, but one will be as soon as its STATE has
 * arrived: then queue_take_range() will find a range. */
int queue_awaits_state(struct queue *q);

/* After QUEUE_WAIT: whether only verdicts can bring a task, so that a FLUSH
 * saves time: the scan has ended and everything was taken, or a file waits
 * until this side can open another.  (A receiver that has as many as it allows
 * knows it.) */
int queue_is_drained(struct queue *q);

/* Whether, besides, nothing was only offered or listed that may still have to
 * be sent: so the receiver may have committed all.  Takes as long as there are
 * packs and files in flight. */
int queue_has_sent_all(struct queue *q);

/* Whether this side is at work, so that the receiver waits for it: the scan
 * goes on, or more tasks are begun than the `blocked` ones that only wait for
 * their connection to take what was read. */
int queue_is_busy(struct queue *q, unsigned blocked);

/* Whether everything was sent and has its verdict, including symlinks. */
int queue_is_over(struct queue *q);

#endif
