/*
 * file_table.h - the files of a session that are open, and which of their
 * leaves are here.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own, inside which a journal's may be
 * taken.
 *
 * The table only records the state of a file; file_use.c acts on it.
 */
#ifndef FERRY_RECEIVER_FILE_TABLE_H
#define FERRY_RECEIVER_FILE_TABLE_H

#include <stdint.h>

#include "base/err.h"

struct digest_ops;
struct file_table;
struct msg_chunk;
struct msg_file_end;
struct msg_state;
struct recv_file;

/* open_max: files that may be open at a time.  NULL when out of memory. */
struct file_table *file_table_new(const struct digest_ops *ops,
				  unsigned open_max);

/* Free the table and the files in it, which must not be in use.  NULL is
 * allowed. */
void file_table_free(struct file_table *t);

unsigned file_table_count(struct file_table *t);

/*
 * Put a file in, with the caller's use.  Returns 0; ERR_PROTOCOL where its id
 * is 0 or in the table already, or more files would be open than the sender was
 * told; ERR_RESOURCE where the sizes of all files add up to more than one may
 * have, as each leaf takes memory for its digest even in a hole.  With
 * ERR_RESOURCE the file is in the table, and the caller refuses it.
 */
int file_table_add(struct file_table *t, struct recv_file *f, struct err *e);

/* Fill in the state and runs of the answer to OPEN.  From now on chunks may
 * come. */
void file_table_answer(struct file_table *t, struct recv_file *f,
		       int is_refused, struct msg_state *m);

/* ---- uses ---- */

enum file_found {
	FILE_NONE,  /* not in the table */
	FILE_EARLY, /* its OPEN was not answered yet */
	FILE_DONE,  /* it is over: whatever comes for it is ignored */
	FILE_FOUND, /* *out is in use now */
};
enum file_found file_table_acquire(struct file_table *t, uint64_t id,
				   struct recv_file **out);

enum file_left {
	FILE_STAYS, /* in use by others, or not whole yet */
	FILE_WHOLE, /* whole; taken out of the table, the caller owns it */
	FILE_OVER,  /* over; taken out of the table, the caller frees it */
};
/* End a use. */
enum file_left file_table_release(struct file_table *t, struct recv_file *f);

/* The file is over: whatever still comes for it is ignored.  Returns whether
 * this was the first call for it. */
int file_table_give_up(struct file_table *t, struct recv_file *f);

/* Record a FILE_END.  ERR_PROTOCOL (and nothing is recorded) where it is the
 * second, or its size does not fit the file. */
int file_table_end(struct file_table *t, struct recv_file *f,
		   const struct msg_file_end *m);

/* ---- leaves ---- */

enum chunk_place {
	CHUNK_WANTED,
	CHUNK_HERE,    /* this leaf is here already */
	CHUNK_OUTSIDE, /* this file has no such leaf */
};
/* Where the chunk lies.  in_order: only the next leaf is wanted. */
enum chunk_place file_table_place(struct file_table *t, struct recv_file *f,
				  const struct msg_chunk *m, int in_order);

/* Whether this is the next leaf of a file that comes in order. */
int file_table_is_next(struct file_table *t, const struct recv_file *f,
		       uint64_t leaf);

/*
 * Record the digest of a leaf that was written.  If another stream has recorded
 * another digest meanwhile, it is not known whose data was written last: the
 * file is over, and its part is not kept.  Returns 0; ERR_PROTOCOL, ERR_RANGE
 * or ERR_RESOURCE.
 */
int file_table_put_leaf(struct file_table *t, struct recv_file *f,
			uint64_t leaf, const uint8_t *digest, struct err *e);

/* How many bytes are still to come of the files that are open and have no
 * basis, at most. */
uint64_t file_table_outstanding(struct file_table *t);

/*
 * Where the part is to be reserved before the leaf is written: a window around
 * it, *len bytes from *off on; *len 0: nowhere, as it was already, or much more
 * is reserved than has come, or the file has holes.
 */
void file_table_reserve(struct file_table *t, struct recv_file *f,
			uint64_t leaf, uint64_t *off, uint64_t *len);

int file_table_has_leaf(struct file_table *t, const struct recv_file *f,
			uint64_t leaf);

/* As tree_leaf_digest() and tree_range_digest(): that of a leaf whose range is
 * not complete, or of a complete range. */
int file_table_get_leaf(struct file_table *t, const struct recv_file *f,
			uint64_t leaf, uint8_t *digest);
int file_table_get_range(struct file_table *t, const struct recv_file *f,
			 uint64_t range, uint8_t *digest);

/* Record that count leaves are zeros.  Returns 0; ERR_PROTOCOL where data was
 * written there, which would stay; ERR_RESOURCE. */
int file_table_put_hole(struct file_table *t, struct recv_file *f,
			uint64_t leaf, uint64_t count, struct err *e);

/* Whether all these leaves are unverified.  If so, they no longer are, as each
 * is checked once. */
int file_table_start_check(struct file_table *t, struct recv_file *f,
			   uint64_t leaf, uint32_t count);

/* ---- flushing meanwhile ---- */

/* From now on the flusher may use the file's journal. */
void file_table_watch(struct file_table *t, struct recv_file *f);

/* The watched file with the lowest id above `after` that has `least` or more
 * leaves that are not flushed, in use by the caller; NULL if there is none. */
struct recv_file *file_table_next_unflushed(struct file_table *t,
					    uint64_t after, uint64_t least);

#endif
