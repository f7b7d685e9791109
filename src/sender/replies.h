/*
 * replies.h - handling the frames that the receiver sends on a stream.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_REPLIES_H
#define FERRY_SENDER_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct send_stream;

/*
 * Handle all frames that have arrived.  Does not block, and sends nothing, so
 * it may be called while a frame is being sent.  Returns 0; ERR_PROTOCOL for a
 * frame that is malformed, was not granted or is not expected; ERR_CORRUPT
 * where damaged data cannot be sent again; ERR_RESOURCE; the error of an ERROR
 * frame; otherwise as channel_poll_reply().
 */
int replies_take(struct send_stream *st, struct err *e);

/* Turn the body of an ERROR frame into an error in e, and return its code.  The
 * receiver's name is put before the text, unless connection.c will do that when
 * the stream ends. */
int replies_peer_error(const struct send_stream *st, const uint8_t *body,
		       size_t n, struct err *e);

#endif
