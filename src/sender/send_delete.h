/*
 * send_delete.h - the end of a session that is to delete at the receiver what is
 * not here (receiver/delete.h).
 *
 * Layer: sender.
 * Threads: the first stream's.
 */
#ifndef FERRY_SENDER_SEND_DELETE_H
#define FERRY_SENDER_SEND_DELETE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct send_stream;

/*
 * After every item got its verdict: have the receiver list what differs from the
 * directories here, and delete what is in none of the sources and not left out by
 * a pattern.  Where anything failed, or the scan met an error, nothing is deleted,
 * which the user is told.  Blocks.
 *
 * *again: items are queued once more, whose names were taken by directories that
 * are gone now.  Returns 0, or an error that ends the session.
 */
int send_delete_run(struct send_stream *st, int *again, struct err *e);

/* After that has its verdicts: queue what had to wait for them, as hard links do
 * for the file.  As above. */
int send_delete_requeue(struct send_stream *st, int *again, struct err *e);

/* After what was queued once more: what still has no place has failed. */
void send_delete_end(struct send_stream *st);

#endif
