/*
 * send_delete.h - the end of a session with --delete: delete at the receiver
 * what is not here (receiver/delete.h).
 *
 * Layer: sender.
 * Threads: the first stream's.
 *
 * When every item has its verdict: send_delete_run().  As long as *again is set
 * then, items were queued, and when these have their verdicts, it goes on with
 * send_delete_requeue().  At last send_delete_end().
 */
#ifndef FERRY_SENDER_SEND_DELETE_H
#define FERRY_SENDER_SEND_DELETE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct send_stream;

/*
 * Have the receiver list what differs from the directories here, and delete
 * what is in none of the sources and not left out by a pattern.  Where anything
 * failed, or the scan met an error, nothing is deleted, which the user is told.
 * Then queue the items again that were waiting, as directories had their names
 * (waiting.h).  Blocks.
 *
 * *again: whether any were queued.  Returns 0, or an error that ends the
 * session.
 */
int send_delete_run(struct send_stream *st, int *again, struct err *e);

/* Queue what had to wait for the verdicts on these, as hard links do for the
 * file.  *again and returns: as send_delete_run(). */
int send_delete_requeue(struct send_stream *st, int *again, struct err *e);

/* What still waits has failed. */
void send_delete_end(struct send_stream *st);

#endif
