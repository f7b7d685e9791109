/*
 * queue.h - the tasks of a sending session: the scanner adds packs and files,
 * the streams take tasks.
 *
 * Layer: sender.
 * Threads: any; every function locks what it needs.
 *
 *	scanner -> packs -> queue_take -> queue_assign_pack_ids -> verdicts
 *	           files -> queue_take -> queue_assign_file_id -> STATE ->
 *	                    ranges, by any stream -> end -> verdict
 *	                    checks of unverified leaves, by any stream
 *
 * The functions are declared in four headers, by their callers:
 *
 *	queue.h		the scanner, and the control thread
 *	queue_tasks.h	a stream that needs a task
 *	queue_files.h	a stream at work on a task
 *	queue_replies.h	a stream that reads the receiver's answers
 *
 * What has no verdict when the connection is lost is queued again by
 * queue_restart().  Memory is bounded: the scanner waits while too many packs
 * or files are queued, or too many items are in flight (queue_priv.h).
 */
#ifndef FERRY_SENDER_QUEUE_H
#define FERRY_SENDER_QUEUE_H

struct outfile;
struct pack;
struct queue;

/* NULL when out of memory or descriptors. */
struct queue *queue_new(void);
/* Free it and everything in it, when no other thread uses it any more.  NULL is
 * allowed. */
void queue_free(struct queue *q);

/* ---- the scanner ---- */

/*
 * Append a pack or a file.  Blocks while the queue is full.  Takes ownership,
 * whatever is returned: 0, or ERR_INTERRUPTED after queue_close().
 */
int queue_add_pack(struct queue *q, struct pack *pk);
int queue_add_file(struct queue *q, struct outfile *f);
/* The scan has ended: nothing more will be added. */
void queue_set_scanned(struct queue *q);
/* The scan goes on only after some files have their verdicts; or goes on. */
void queue_set_waiting(struct queue *q, int is_waiting);
/* Another scan begins. */
void queue_set_unscanned(struct queue *q);
/* Whether it was closed: for a scanner that waits for its list of files. */
int queue_is_closed(struct queue *q);
/* Whether a stream waits for a task now, and nothing is queued. */
int queue_is_starved(struct queue *q);

/* ---- the control thread ---- */

/* End the transfer: wake all threads that wait; nothing can be added or taken
 * from now on. */
void queue_close(struct queue *q);

/* Wake the streams that wait for a task, for something outside the queue. */
void queue_wake(struct queue *q);

/* A session has failed: wake the streams, and give them no tasks until
 * queue_restart(). */
void queue_pause(struct queue *q);

/* Whether everything without a verdict can be read and sent once more.  It
 * cannot where a part of standard input was read. */
int queue_can_restart(struct queue *q);

/* Queue everything without a verdict for another session, with new ids.  The
 * streams' threads must have ended.  Digests of open files are kept. */
void queue_restart(struct queue *q);

/* Whether this session made progress: an item got its verdict (directories,
 * which are sent in each session, only where there were more than in any
 * before), or the receiver said that it has more of a file than in any session
 * before. */
int queue_has_progress(struct queue *q);

/* How many tasks there are to take, approximately. */
unsigned queue_backlog(struct queue *q);

#endif
