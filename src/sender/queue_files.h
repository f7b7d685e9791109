/*
 * queue_files.h - what a stream that works on a pack or file tells the queue.
 *
 * Layer: sender.  Uses sender/queue.h, sender/outfile.h.
 * Threads: any; every function locks what it needs and none blocks.
 */
#ifndef FERRY_SENDER_QUEUE_FILES_H
#define FERRY_SENDER_QUEUE_FILES_H

#include <stddef.h>
#include <stdint.h>

struct outfile;
struct pack;
struct queue;

/* ---- ids ---- */

/*
 * Give the items of a TASK_PACK their ids, before its frame is sent: they are
 * in flight from then on.  All items must be in the frame (the taker removes
 * others first; an empty pack is freed).  Takes ownership in every case, and
 * ends the task.  Returns the first id; 0 for an empty pack, or when out of
 * memory.
 */
uint64_t queue_assign_pack_ids(struct queue *q, struct pack *pk);

/* Give a file its id, before its OPEN is sent.  is_whole: the caller will send
 * all of it without waiting for STATE.  Returns the id; 0 when out of
 * memory. */
uint64_t queue_assign_file_id(struct queue *q, struct outfile *f, int is_whole);

/* Queue a file that was found too large for its pack.  Never blocks, as a
 * stream that waited for room would keep the queue from getting any.  Takes
 * ownership. */
void queue_requeue_file(struct queue *q, struct outfile *f);

/* ---- leaves ---- */

/* Whether the file is still wanted: not refused or failed meanwhile, and the
 * session goes on. */
int queue_is_wanted(struct queue *q, struct outfile *f);

/* The caller has read n bytes of standard input, the next chunk; another stream
 * may read on.  Returns the leaf's index. */
uint64_t queue_add_stdin_leaf(struct queue *q, struct outfile *f, size_t n,
			      int is_end);

/*
 * A leaf's digest is known (it is being sent, checked, or a hole).  Returns 0;
 * 1 when it was known before; ERR_RESOURCE; ERR_PROTOCOL when it is another
 * than before: the source changed.
 */
int queue_put_leaf(struct queue *q, struct outfile *f, uint64_t leaf,
		   const uint8_t *digest);

/* Digests known already, as tree_leaf_digest() and tree_range_digest(). */
int queue_leaf_digest(struct queue *q, struct outfile *f, uint64_t leaf,
		      uint8_t *out);
int queue_range_digest(struct queue *q, struct outfile *f, uint64_t range,
		       uint8_t *out);

/* A CHECK is being sent: its answer is expected. */
void queue_add_check(struct queue *q, struct outfile *f);

/* ---- the end of a file ---- */

/* Whether the caller has to send FILE_END: every leaf is recorded and nobody
 * else is going to.  Fills in the file's digest.  Returns 1, 0, or
 * ERR_RESOURCE: then nobody will, and the file has to be given up. */
int queue_take_end(struct queue *q, struct outfile *f);

/* The file failed here: no verdict is expected any more.  Returns 1 for the
 * first call, whose caller has to report it, else 0. */
int queue_fail_file(struct queue *q, struct outfile *f);

#endif
