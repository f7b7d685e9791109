/*
 * queue.h - what a sending session has to do: the scanner adds, the streams
 * take.
 *
 * Layer: sender.  Uses base, sender/pack.h, sender/outfile.h.
 * Threads: any; every function locks what it needs.
 *
 *	scanner -> packs -> queue_take -> queue_assign_pack_ids -> verdicts
 *	           files -> queue_take -> queue_assign_file_id -> STATE ->
 *	                    ranges, by any stream -> end -> verdict
 *	                    checks of unverified leaves, by any stream
 *
 * The functions stand in four headers, by who calls them:
 *
 *	queue.h		the scanner, and the control thread
 *	queue_tasks.h	a stream that looks for work
 *	queue_files.h	a stream that does it
 *	queue_replies.h	a stream that takes the receiver's answers
 *
 * What has no verdict when the connection is lost goes back to the beginning by
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
/* Free it with all that is in it.  Nobody uses it any more.  NULL is
 * allowed. */
void queue_free(struct queue *q);

/* ---- the scanner ---- */

/*
 * Queue it, after all others.  Blocks while the queue is full.  Takes
 * ownership, in every case.  Returns 0, or ERR_INTERRUPTED after
 * queue_close().
 */
int queue_add_pack(struct queue *q, struct pack *pk);
int queue_add_file(struct queue *q, struct outfile *f);
/* Nothing more will be added. */
void queue_set_scanned(struct queue *q);
/* Something more will, after all. */
void queue_set_unscanned(struct queue *q);
/* Whether it was closed: for a scanner that waits for something else. */
int queue_is_closed(struct queue *q);
/* Whether a stream waits for work right now, and nothing is queued. */
int queue_is_starved(struct queue *q);

/* ---- the control thread ---- */

/* Wake everybody and let nothing more in or out. */
void queue_close(struct queue *q);

/* Wake the streams that wait: there is something else to see. */
void queue_wake(struct queue *q);

/* Wake the streams and give them nothing more, until queue_restart(): the
 * connection is lost, but may come back. */
void queue_pause(struct queue *q);

/* Whether all that has no verdict can be read and sent once more: not when some
 * of standard input is among it. */
int queue_can_restart(struct queue *q);

/* Everything without a verdict is to be sent again, with new ids: for another
 * session.  The streams' threads have ended.  What is known of files that are
 * open (their digests) is kept. */
void queue_restart(struct queue *q);

/* Whether this session got anywhere: a verdict came, or the receiver said that
 * it has more of a file than it ever had. */
int queue_has_progress(struct queue *q);

/* How many tasks wait for a stream, about. */
unsigned queue_backlog(struct queue *q);

#endif
