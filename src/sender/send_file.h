/*
 * send_file.h - sending a file in chunks, and standard input.
 *
 * Layer: sender.  Uses fs/source.h, sender/queue_files.h, sender/stream.h.
 * Threads: the stream's; several streams may send ranges of one file at a time.
 *
 * The functions do the tasks of queue_tasks.h, all but TASK_PACK.  They block
 * as long as reading takes and send_stream_send() does.  They return 0 or an
 * error that ends the session; a failure of the file alone is reported to both
 * sides, ends the file, and returns 0.
 */
#ifndef FERRY_SENDER_SEND_FILE_H
#define FERRY_SENDER_SEND_FILE_H

#include <stdint.h>

#include "base/err.h"

struct outfile;
struct send_stream;

/* TASK_OPEN: open the file and send OPEN.  A small one is sent whole at once,
 * unless READY did not come yet. */
int send_file_open(struct send_stream *st, struct outfile *f, struct err *e);

/* TASK_RANGE: send count leaves from leaf on; send_file_end() follows. */
int send_file_range(struct send_stream *st, struct outfile *f, uint64_t leaf,
		    uint64_t count, struct err *e);

/*
 * TASK_CHECK: send the digests of count leaves from leaf on, all within one
 * range of the tree, reading the source where they are not known.
 * send_file_end() follows.
 */
int send_file_check(struct send_stream *st, struct outfile *f, uint64_t leaf,
		    uint64_t count, struct err *e);

/* TASK_STDIN: read the next chunk of standard input and send it.  Waits for
 * input as long as that takes, serving the connection meanwhile; the queue lets
 * one stream at a time do this. */
int send_file_stdin(struct send_stream *st, struct outfile *f, struct err *e);

/* If all of the file was sent, and nobody else does it, send FILE_END. */
int send_file_end(struct send_stream *st, struct outfile *f, struct err *e);

#endif
