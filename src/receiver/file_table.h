/*
 * file_table.h - the files of a session that are open, and which of their leaves
 * are here.
 *
 * Layer: receiver.  Uses file.h, wire/msg.h.
 * Threads: any; it has a lock of its own, inside which a journal's may be taken.
 *
 * The table says what came of a file; what has to be done about it is said in
 * file_use.c.
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

/* Free the table and the files that are in it, which nobody uses any more.  NULL
 * is allowed. */
void file_table_free(struct file_table *t);

unsigned file_table_count(struct file_table *t);

/*
 * Put a file in, with the caller's use.  ERR_PROTOCOL where its id is in the
 * table already (or 0), or more would be open than the sender was told;
 * ERR_RESOURCE where the sizes of all come to more than one file may have:
 * holes cost memory for their digests alone.  With ERR_RESOURCE the file is in
 * the table, and to be refused.
 */
int file_table_add(struct file_table *t, struct recv_file *f, struct err *e);

/* Chunks may come from now on: fill in the state and runs of the answer to
 * OPEN. */
void file_table_answer(struct file_table *t, struct recv_file *f,
		       int is_refused, struct msg_state *m);

/* ---- uses ---- */

enum file_found {
	FILE_NONE,  /* not in the table */
	FILE_EARLY, /* there, but not answered yet */
	FILE_DONE,  /* there, but it takes no more */
	FILE_FOUND, /* *out is in use now */
};
enum file_found file_table_acquire(struct file_table *t, uint64_t id,
				   struct recv_file **out);

enum file_left {
	FILE_STAYS, /* in use by others, or not whole yet */
	FILE_WHOLE, /* taken out, the caller's: all of it is here */
	FILE_OVER,  /* taken out, the caller's: to be freed */
};
/* End a use. */
enum file_left file_table_release(struct file_table *t, struct recv_file *f);

/* The file takes no more.  Returns whether it did until now. */
int file_table_give_up(struct file_table *t, struct recv_file *f);

/* FILE_END came.  ERR_PROTOCOL (nothing recorded) where it cannot be right. */
int file_table_end(struct file_table *t, struct recv_file *f,
		   const struct msg_file_end *m);

/* ---- leaves ---- */

enum chunk_place {
	CHUNK_WANTED,
	CHUNK_HERE,    /* it came before */
	CHUNK_OUTSIDE, /* where no chunk of this file may lie */
};
/* Where the chunk lies.  in_order: only the next one is wanted. */
enum chunk_place file_table_place(struct file_table *t, struct recv_file *f,
				  const struct msg_chunk *m, int in_order);

/* Whether this is the next leaf of a file that comes in order. */
int file_table_is_next(struct file_table *t, const struct recv_file *f,
		       uint64_t leaf);

/*
 * The leaf with this digest is written.  Where another stream recorded other
 * content meanwhile, nobody knows which of them was written last: the file takes
 * no more, and its part is not kept.  Returns 0; ERR_PROTOCOL, ERR_RANGE or
 * ERR_RESOURCE.
 */
int file_table_put_leaf(struct file_table *t, struct recv_file *f,
			uint64_t leaf, const uint8_t *digest, struct err *e);

int file_table_has_leaf(struct file_table *t, const struct recv_file *f,
			uint64_t leaf);

/* So many leaves are zeros.  ERR_PROTOCOL where data was written there, which
 * would stay; ERR_RESOURCE. */
int file_table_put_hole(struct file_table *t, struct recv_file *f,
			uint64_t leaf, uint64_t count, struct err *e);

/* Whether all these leaves are unverified; they are not any more.  Each is
 * checked once. */
int file_table_start_check(struct file_table *t, struct recv_file *f,
			   uint64_t leaf, uint32_t count);

/* ---- flushing meanwhile ---- */

/* The file has a journal, which is the flusher's too from now on. */
void file_table_watch(struct file_table *t, struct recv_file *f);

/* The next such file, by id after this one, that has at least so many leaves
 * that are not flushed; in use by the caller.  NULL: none. */
struct recv_file *file_table_next_unflushed(struct file_table *t,
					    uint64_t after, uint64_t least);

#endif
