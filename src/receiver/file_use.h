/*
 * file_use.h - uses of a file that is received in chunks: when the last use
 * ends, a file that is whole is completed, and one that failed is freed.
 *
 * Layer: receiver.
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
 * Use the open file with this id until file_use_end().  *out is NULL for a file
 * that is over, whose frames are ignored.  Returns 0; or ERR_PROTOCOL for an id
 * that was never opened, or whose OPEN is not answered yet.
 */
int file_use_begin(struct transfer *t, uint64_t id, struct recv_file **out,
		   struct err *e);

/* End a use.  The last one of a whole file checks its digest, sets its metadata
 * and hands it to the committer, and blocks as committer_add(). */
void file_use_end(struct transfer *t, struct recv_file *f);

/* Report the verdict on a file that is not committed. */
void file_use_report(struct transfer *t, const struct recv_file *f,
		     const struct verdict *v);

/* The file is over; report the verdict, unless it has one already. */
void file_use_give_up(struct transfer *t, struct recv_file *f,
		      const struct verdict *v);

/* The same for a file that failed with this errno. */
void file_use_fail(struct transfer *t, struct recv_file *f, int err_no);

/* Handle the body of a FILE_END or FILE_ABORT.  *has_effect: the file was
 * there.  ERR_PROTOCOL in e. */
int file_use_take_end(struct transfer *t, const uint8_t *body, size_t len,
		      int *has_effect, struct err *e);
int file_use_take_abort(struct transfer *t, const uint8_t *body, size_t len,
			struct err *e);

/*
 * Flush the next file, in the order of ids after *after, that has at least so
 * many leaves that are not flushed, and set *after to its id.  Blocks for as
 * long as the disk takes.  Returns whether there was one.
 */
int file_use_flush_next(struct transfer *t, uint64_t *after, uint64_t least);

#endif
