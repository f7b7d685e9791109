/*
 * input.h - reads the bodies of a stream's frames: sends heart-beats meanwhile,
 * keeps to the rate limit, and asks again for what arrived damaged.
 *
 * Layer: receiver.
 * Threads: a struct input belongs to its stream's thread.
 *
 * Whatever waits here calls input_tick(), and ends when that returns an error.
 */
#ifndef FERRY_RECEIVER_INPUT_H
#define FERRY_RECEIVER_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cancel;
struct channel;
struct cpu_meter;
struct expander;
struct rate_limit;
struct transfer;

enum { INPUT_BODY_MAX = 8192 };

struct input {
	struct channel *channel;         /* borrowed */
	const struct cancel *stop;       /* the receiver's */
	struct rate_limit *rate_limit;   /* of all sessions */
	/* of the sender; NULL before it is authenticated */
	struct rate_limit *sender_rate_limit;
	struct transfer *transfer;       /* NULL before HELLO or JOIN */
	struct cpu_meter *cpu;           /* of the stream's thread; as transfer */
	uint64_t hello_by_ms;            /* deadline for HELLO or JOIN */
	uint64_t tell_by_ms; /* until then the sender is being told why the
				session is over; 0: not yet */
	int is_first;                    /* the session's first stream */
	int is_at_frame; /* between input_begin_frame() and _end_frame() */
	int is_receiving; /* the rest of that frame */
	/* Of the payload that is read: the content that it stands for, how much
	 * of that was counted as arrived; its length, and the stream's bytes
	 * when it began. */
	uint64_t content, counted, payload, wire_began;
	/* of that frame: how long it was handled without waiting for the
	 * sender; since when (clock_ms()) */
	uint64_t worked_ms, works_since_ms;
	int has_effect; /* that frame brought something that was not here, or
			   ended something; set by who handles it */
	/* since input_alloc() */
	struct expander *expander;
	uint8_t *wire; /* CHUNK_MAX bytes: a payload as it came */
	uint8_t *raw;  /* CHUNK_MAX bytes: the same expanded */
};

/* Allocate the buffers for payloads.  Returns 0 or ERR_RESOURCE. */
int input_alloc(struct input *in, struct err *e);

/* No more is read: what was counted of a payload that is not whole is taken
 * back. */
void input_release(struct input *in);

/* A frame is handled: while it is not received, the sender waits for us.
 * is_progress, at its end: it was more than a sign of life. */
void input_begin_frame(struct input *in);
void input_end_frame(struct input *in, int is_progress);

/*
 * To be called about once a second by whatever waits: sends a heart-beat if one
 * is due (not while the stream is sending, nor without a session).  Returns 0
 * to go on waiting; ERR_INTERRUPTED when the receiver stops; ERR_CLOSED when
 * the session is over (in->tell_by_ms); ERR_TIMEOUT after a deadline, or when
 * the sender makes no progress (session/idle.h); an error of sending.
 */
int input_tick(struct input *in, int sending, struct err *e);

/* Read the whole body of a frame without payload.  Returns ERR_PROTOCOL where
 * it is longer than INPUT_BODY_MAX; otherwise as channel_recv_fields(). */
int input_body(struct input *in, size_t len, uint8_t *body, struct err *e);

/* The payload that is read next is so long and stands for so many bytes of
 * content, which count as arrived (transfer.content_bytes) while it is read. */
void input_expect(struct input *in, uint64_t content, size_t payload);

/* Read a payload of len bytes as it is to `to`, waiting as the rate limit
 * demands.  Returns 0, or an error that ends the session: also where the codec
 * was not granted. */
int input_fetch(struct input *in, unsigned codec, uint8_t *to, size_t len,
		struct err *e);

/* Expand n bytes at src to raw_len bytes at dst.  Returns as
 * input_payload(). */
int input_expand(struct input *in, unsigned codec, uint8_t *dst,
		 size_t raw_len, const uint8_t *src, size_t n, struct err *e);

/*
 * Read a payload of len bytes and expand it to in->raw, waiting as the rate
 * limit demands.  Returns 0; ERR_CORRUPT, with e untouched, where it arrived
 * damaged and does not expand to raw_len bytes; or an error that ends the
 * session.
 */
int input_payload(struct input *in, unsigned codec, size_t raw_len, size_t len,
		  struct err *e);

/* Read the n bytes of a body before its payload, as channel_recv_fields(). */
int input_fields(struct input *in, void *p, size_t n, struct err *e);

/* Read n bytes of a payload and discard them. */
int input_skip(struct input *in, size_t n, struct err *e);

/*
 * Ask the sender to send a chunk or pack (what, for messages) of this many raw
 * bytes again, as it arrived damaged.  Returns ERR_CORRUPT where that happened
 * too often in this session; otherwise as channel_send().
 */
int input_ask_again(struct input *in, const char *what, uint64_t id,
		    uint64_t offset, uint64_t bytes, struct err *e);

/* Record ERR_PROTOCOL for a frame of this kind, and return it. */
int input_malformed(const char *frame, struct err *e);

#endif
