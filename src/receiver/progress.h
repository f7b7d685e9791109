/*
 * progress.h - how far a session is: told to its sender, and to the user here.
 *
 * Layer: receiver.
 * Threads: any; it works on the atomics of struct transfer.
 */
#ifndef FERRY_RECEIVER_PROGRESS_H
#define FERRY_RECEIVER_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf;
struct channel;
struct session_progress;
struct transfer;

enum {
	/* Between two PROGRESS frames of a session, which follow a frame or a
	 * tick; and the ticks of its streams, for frames that take long. */
	RECV_PROGRESS_MS = 100,
	RECV_PROGRESS_TICK_MS = 250,
};

/* Take the body of the sender's PROGRESS.  Returns 0 or ERR_PROTOCOL. */
int recv_progress_take(struct transfer *t, const uint8_t *body, size_t n);

/* Send PROGRESS and flush it, where the sender knows it, more content has
 * arrived, and the last one is RECV_PROGRESS_MS ago.  Leaves channel->out
 * alone.  Returns as channel_send(). */
int recv_progress_if_due(struct transfer *t, struct channel *channel,
			 struct err *e);

/* Append the last PROGRESS of a session to out, where the sender knows it. */
void recv_progress_put_last(struct transfer *t, struct buf *out);

/* How far it is.  What the sender says of it is not relied upon. */
void recv_progress_get(struct transfer *t, struct session_progress *p);

#endif
