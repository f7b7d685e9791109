/*
 * queue_delta.h - the queue, for what concerns the basis of a file.
 *
 * Layer: sender.
 * Threads: any; every function locks what it needs and none blocks.
 */
#ifndef FERRY_SENDER_QUEUE_DELTA_H
#define FERRY_SENDER_QUEUE_DELTA_H

#include <stdint.h>

struct delta_leaf;
struct delta_take;
struct delta_request;
struct msg_signature;
struct outfile;
struct queue;

/* A session begins: whether pieces may be asked for (FEATURE_PIECES).  salt is
 * random, and unknown to the receiver. */
void queue_delta_begin(struct queue *q, int may_find, uint64_t salt);

/* No more leaves are compared, those of files to come neither.  Returns 0, or
 * an enum err_code where a file then has too many ranges to send. */
int queue_delta_stop(struct queue *q);

/* SIGNATURE.  *same is set to how many bytes of content the receiver has taken
 * from the basis.  Returns 0; ERR_PROTOCOL; ERR_RESOURCE. */
int queue_delta_signature(struct queue *q, const struct msg_signature *m,
			  uint64_t *same);

/* A list of leaves (by next) of a TASK_COMPARE is about to be sent.  Takes
 * ownership of it. */
void queue_delta_compare(struct queue *q, struct outfile *f,
			 struct delta_leaf *list);

/* So many leaves of a TASK_COMPARE are not compared after all.  Returns 0; or
 * an enum err_code where the file differs in too many places. */
int queue_delta_skip(struct queue *q, struct outfile *f, unsigned count);

/* What a TASK_PIECES asks for. */
void queue_delta_request(struct queue *q, struct outfile *f,
			 struct delta_request *out);

/* How a leaf is to be sent; to be ended with queue_delta_give(): as
 * delta_take() and delta_give(). */
void queue_delta_take(struct queue *q, struct outfile *f, uint64_t leaf,
		      struct delta_take *out);
int queue_delta_give(struct queue *q, struct outfile *f,
		     struct delta_take *t, uint64_t leaf, int as_recipe,
		     uint64_t found);

/* Leaves of a TASK_RANGE are held: they are taken again later.  Returns 0; or
 * ERR_CORRUPT where they are in too many places. */
int queue_delta_hold(struct queue *q, struct outfile *f, uint64_t leaf,
		     uint64_t count);

#endif
