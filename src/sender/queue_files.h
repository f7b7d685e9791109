/*
 * queue_files.h - the queue, for a stream at work on a pack or file.
 *
 * Layer: sender.
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
 * Assign ids to the items of a TASK_PACK, just before its frame is sent: they
 * are in flight from then on.  The pack must hold only the items that are in
 * the frame.  Takes ownership, whatever is returned, and ends the task.
 * Returns the first id; 0 for an empty pack, which is freed, or when out of
 * memory.
 */
uint64_t queue_assign_pack_ids(struct queue *q, struct pack *pk);

/* The session ends before the frame of a TASK_PACK could be made: queue the
 * pack again, for another session.  Takes ownership, and ends the task. */
void queue_return_pack(struct queue *q, struct pack *pk);

/* Assign an id to a file, just before its OPEN is sent.  is_whole: the caller
 * will send all of it without waiting for STATE.  Returns the id; 0 when out of
 * memory. */
uint64_t queue_assign_file_id(struct queue *q, struct outfile *f, int is_whole);

/* Queue a file that has become too large for its pack.  Does not wait for room,
 * which only the streams can make.  Takes ownership. */
void queue_requeue_file(struct queue *q, struct outfile *f);

/* The same for a pack of an item with more metadata than its pack has room
 * for. */
void queue_requeue_pack(struct queue *q, struct pack *pk);

/* ---- leaves ---- */

/* Whether to go on with a file: it was not refused and has not failed, and the
 * session goes on. */
int queue_is_wanted(struct queue *q, struct outfile *f);

/* The caller has read from standard input: the file cannot be sent in another
 * session any more. */
void queue_set_stdin_begun(struct queue *q, struct outfile *f);

/* The caller has read the next chunk of standard input (n bytes; is_end: it is
 * the last).  Another stream may read the one after it.  Returns the index of
 * the chunk's leaf. */
uint64_t queue_add_stdin_leaf(struct queue *q, struct outfile *f, size_t n,
			      int is_end);

/*
 * Record the digest of a leaf, before it is sent or checked.  Returns 0; 1 when
 * it was recorded before; ERR_RESOURCE; ERR_PROTOCOL when it differs from the
 * one before, so that the source has changed.
 */
int queue_put_leaf(struct queue *q, struct outfile *f, uint64_t leaf,
		   const uint8_t *digest);

/* A leaf of n bytes was sent.  Returns whether it had been before, in any
 * session. */
int queue_leaf_sent(struct queue *q, struct outfile *f, uint64_t leaf,
		    size_t n);

/* n bytes of the file are counted as spared (counters.h). */
void queue_count_spared(struct queue *q, struct outfile *f, uint64_t n);

/* Digests that were recorded, as tree_leaf_digest() and
 * tree_range_digest(). */
int queue_leaf_digest(struct queue *q, struct outfile *f, uint64_t leaf,
		      uint8_t *out);
int queue_range_digest(struct queue *q, struct outfile *f, uint64_t range,
		       uint8_t *out);

/* A CHECK is about to be sent: expect an answer. */
void queue_add_check(struct queue *q, struct outfile *f);

/* ---- the end of a file ---- */

/* Whether the caller has to send FILE_END: every leaf is recorded, and no other
 * stream was told to.  Sets the file's digest.  Returns 1 or 0; or
 * ERR_RESOURCE, and the caller has to give the file up. */
int queue_take_end(struct queue *q, struct outfile *f);

/* The file failed on this side: its verdict is not waited for any more.
 * Returns 1 for the first call, whose caller has to report the failure, else
 * 0. */
int queue_fail_file(struct queue *q, struct outfile *f);

#endif
