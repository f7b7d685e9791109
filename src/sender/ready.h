/*
 * ready.h - what a session may use: asking for it in HELLO, and READY, the
 * receiver's answer.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_READY_H
#define FERRY_SENDER_READY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct send_stream;
struct sender;

/* The features that this side asks for in HELLO. */
uint32_t ready_features(const struct sender *s);

/*
 * Handle a READY frame, whose body has n bytes, and set STREAM_READY.  On the
 * first stream keep what it grants, which holds for the whole session, set up
 * the stream for that, and tell the user what the session goes without.
 *
 * Returns 0; ERR_PROTOCOL, also where the receiver does not know the codec or
 * --preserve that was asked for; ERR_REMOTE where it does not accept what was
 * asked for; ERR_USAGE where this ferry cannot read what is to be preserved;
 * ERR_RESOURCE.  st->unmet is what the receiver is to be told of that.
 */
int ready_take(struct send_stream *st, const uint8_t *body, size_t n,
	       struct err *e);

/* On a further stream, before it sends JOIN: set it up for what the first one
 * was granted.  Returns as compressor_init(). */
int ready_adopt(struct send_stream *st, struct err *e);

#endif
