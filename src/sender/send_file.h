/*
 * send_file.h - sending a file in chunks, and standard input.
 *
 * Layer: sender.
 * Threads: the stream's; several streams may send ranges of one file at a time.
 *
 * The functions do the tasks of queue_tasks.h except TASK_PACK.  They block
 * while they read the source, and as send_stream_send().  They return 0 or an
 * error that ends the session.  A failure of one file does not end it: the
 * function reports the failure to the user and the receiver, gives the file up,
 * and returns 0.
 */
#ifndef FERRY_SENDER_SEND_FILE_H
#define FERRY_SENDER_SEND_FILE_H

#include <stdint.h>

#include "base/err.h"

struct outfile;
struct send_stream;

/* TASK_OPEN: open the file and send OPEN.  After READY, a file of at most
 * OUTFILE_WHOLE_MAX bytes is then sent whole; where the receiver may have it,
 * it is queued to be listed instead. */
int send_file_open(struct send_stream *st, struct outfile *f, struct err *e);

/* Give the file up for the reason in fe, and report that to the user and the
 * receiver. */
int send_file_abort(struct send_stream *st, struct outfile *f, struct err *fe,
		    struct err *e);

/* Whether a whole leaf is a hole, which is sent as such. */
int send_file_is_hole(const struct send_stream *st, const struct outfile *f,
		      uint64_t leaf);

/*
 * Record the digest of a leaf before it is sent or compared.  Returns 0;
 * SEND_FILE_DROPPED where another one was recorded before, so that the file was
 * given up; or an error that ends the session.
 */
enum { SEND_FILE_DROPPED = 1 };
int send_file_record(struct send_stream *st, struct outfile *f, uint64_t leaf,
		     const uint8_t *digest, struct err *e);

/* TASK_RANGE: send count leaves from leaf on.  The caller then calls
 * send_file_end(). */
int send_file_range(struct send_stream *st, struct outfile *f, uint64_t leaf,
		    uint64_t count, struct err *e);

/*
 * TASK_CHECK: send the digests of count leaves from leaf on, all within one
 * range of the tree, reading the source where they are not known.  The caller
 * then calls send_file_end().
 */
int send_file_check(struct send_stream *st, struct outfile *f, uint64_t leaf,
		    uint64_t count, struct err *e);

/* TASK_STDIN: read the next chunk of standard input and send it.  Blocks until
 * there is a whole chunk or the end; meanwhile answers are read and heart-beats
 * sent.  The queue gives this task to one stream at a time. */
int send_file_stdin(struct send_stream *st, struct outfile *f, struct err *e);

/* Send FILE_END, if all of the file was sent and no other stream does so. */
int send_file_end(struct send_stream *st, struct outfile *f, struct err *e);

#endif
