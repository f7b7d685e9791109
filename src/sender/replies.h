/*
 * replies.h - what the receiver answers on a stream.
 *
 * Layer: sender.  Uses session/channel.h, wire/msg.h.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_REPLIES_H
#define FERRY_SENDER_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct send_stream;

/*
 * Take all answers that have arrived, without waiting.  Sends nothing, so it
 * may be called while a frame is being sent.  Returns 0; ERR_PROTOCOL for what
 * makes no sense; as channel_poll_reply(), or what an ERROR frame says.
 */
int replies_take(struct send_stream *st, struct err *e);

/* A READY frame came: keep what it says, and move on to STREAM_READY.  n: bytes
 * of the body.  Returns 0 or ERR_PROTOCOL. */
int replies_ready(struct send_stream *st, const uint8_t *body, size_t n,
		  struct err *e);

/* An ERROR frame came.  Returns its code, with its text in e; the receiver's
 * name is in front unless connection.c adds it when the stream ends. */
int replies_peer_error(const struct send_stream *st, const uint8_t *body,
		       size_t n, struct err *e);

#endif
