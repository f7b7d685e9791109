/*
 * send_compare.h - COMPARE: asks what a file shares with its basis.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_SEND_COMPARE_H
#define FERRY_SENDER_SEND_COMPARE_H

#include <stdint.h>

#include "base/err.h"

struct outfile;
struct send_stream;

/* Read these leaves (of a TASK_COMPARE) and send their digests; holes are sent
 * as such instead.  A file that fails is reported and is no error here.
 * Returns as send_stream_send(). */
int send_compare(struct send_stream *st, struct outfile *f, uint64_t leaf,
		 uint64_t count, struct err *e);

/* Ask for pieces of the basis (of a TASK_PIECES).  Returns as
 * channel_send(). */
int send_compare_pieces(struct send_stream *st, struct outfile *f,
			struct err *e);

#endif
