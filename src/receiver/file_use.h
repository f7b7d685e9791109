/*
 * file_use.h - working on a file that is received in chunks: the last one to
 * work on it completes it, or frees it where it failed.
 *
 * Layer: receiver.  Uses file_table.h, transfer.h, committer.h, results.h.
 * Threads: any.
 */
#ifndef FERRY_RECEIVER_FILE_USE_H
#define FERRY_RECEIVER_FILE_USE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "receiver/verdict.h"

struct recv_file;
struct transfer;

/*
 * Use the open file with this id until file_use_end().  *out is NULL for one
 * that is over, whose frames are passed over.  ERR_PROTOCOL in e for an id that
 * never was, or whose OPEN is not answered yet: the sender's fault.
 */
int file_use_begin(struct transfer *t, uint64_t id, struct recv_file **out,
		   struct err *e);

/* May check the whole file, set its metadata and hand it to the committer, which
 * blocks as committer_add() does. */
void file_use_end(struct transfer *t, struct recv_file *f);

/* Report what became of a file that is not committed. */
void file_use_report(struct transfer *t, const struct recv_file *f,
		     const struct verdict *v);

/* The file takes no more; report the verdict, if it has none yet. */
void file_use_give_up(struct transfer *t, struct recv_file *f,
		      const struct verdict *v);

/* The same for one that failed because of this errno. */
void file_use_fail(struct transfer *t, struct recv_file *f, int err_no);

/* Handle the body of a FILE_END or FILE_ABORT.  ERR_PROTOCOL in e. */
int file_use_take_end(struct transfer *t, const uint8_t *body, size_t len,
		      struct err *e);
int file_use_take_abort(struct transfer *t, const uint8_t *body, size_t len,
			struct err *e);

/*
 * Flush the next file, by id after *after, of which so many leaves are not
 * flushed, and set *after to it.  Blocks for as long as the disk takes.  Returns
 * whether there was one.
 */
int file_use_flush_next(struct transfer *t, uint64_t *after, uint64_t least);

#endif
