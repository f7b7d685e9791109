/*
 * input.h - reading the bodies of a stream's frames, with heart-beats, the rate
 * limit, and asking again for what arrived damaged.
 *
 * Layer: receiver.  Uses session/, chunk/codec.h, transfer.h.
 * Threads: a struct input belongs to its stream's thread.
 *
 * Everything here that waits ends as input_tick() says.
 */
#ifndef FERRY_RECEIVER_INPUT_H
#define FERRY_RECEIVER_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cancel;
struct channel;
struct expander;
struct rate_limit;
struct transfer;

enum { INPUT_BODY_MAX = 8192 };

struct input {
	struct channel *channel;         /* borrowed */
	const struct cancel *stop;       /* the receiver's */
	struct rate_limit *rate_limit;   /* of all sessions */
	struct transfer *transfer;       /* NULL before HELLO or JOIN */
	uint64_t hello_by_ms;            /* until when that has to come */
	int is_first;                    /* of the session's streams */
	/* since input_alloc() */
	struct expander *expander;
	uint8_t *wire; /* CHUNK_MAX bytes: a payload as it came */
	uint8_t *raw;  /* CHUNK_MAX bytes: the same expanded */
};

/* Buffers for payloads.  Returns 0 or ERR_RESOURCE. */
int input_alloc(struct input *in, struct err *e);
void input_release(struct input *in);

/*
 * Called about once a second in whatever waits: send a heart-beat if one is due
 * (not while sending, nor to a peer without a session).  Returns 0 to go on
 * waiting; ERR_INTERRUPTED when the receiver stops; ERR_CLOSED when the session
 * is over; ERR_TIMEOUT at a deadline; what sending returns.
 */
int input_tick(struct input *in, int sending, struct err *e);

/* Read a whole body of a frame without payload: ERR_PROTOCOL where it is
 * longer than INPUT_BODY_MAX; as channel_recv_fields(). */
int input_body(struct input *in, size_t len, uint8_t *body, struct err *e);

/*
 * Read a payload of len bytes and expand it to in->raw, at the pace of the rate
 * limit.  Returns 0; ERR_CORRUPT, with e untouched, where it does not expand to
 * raw_len bytes: it arrived damaged; else an error that ends the session.
 */
int input_payload(struct input *in, unsigned codec, size_t raw_len, size_t len,
		  struct err *e);

/* Throw away n bytes of a payload. */
int input_skip(struct input *in, size_t n, struct err *e);

/*
 * Ask the sender for a chunk or pack (what, for messages) again, which arrived
 * damaged and has so many raw bytes.  ERR_CORRUPT where that happened too often
 * in this session; as channel_send().
 */
int input_ask_again(struct input *in, const char *what, uint64_t id,
		    uint64_t offset, uint64_t bytes, struct err *e);

/* Record ERR_PROTOCOL for a frame of this kind, and return it. */
int input_malformed(const char *frame, struct err *e);

#endif
