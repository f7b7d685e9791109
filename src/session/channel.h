/*
 * channel.h - frames over one stream, with checks and heart-beats.
 *
 * Layer: session.  Uses net/stream.h, wire/.
 * Threads: a struct channel belongs to the thread that owns its stream.
 */
#ifndef FERRY_SESSION_CHANNEL_H
#define FERRY_SESSION_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/stream.h"
#include "wire/frame.h"

struct channel {
	struct stream *stream; /* owned */
	int is_sender;
	struct buf out;        /* frames being put together */
	struct buf in;         /* sender: replies that are not whole yet */
	size_t in_done;        /* of `in`: handed out by channel_poll_reply() */
	uint8_t head[FRAME_HEADER]; /* receiver: a header that is not whole */
	size_t head_len;
	uint32_t body_check;   /* receiver: of the frame that came last */
	uint64_t last_out_ms;  /* when a frame was last sent */
	uint64_t ping_ms;      /* heart-beat after so long a silence */
};

/* Take over stream.  The heart-beat interval follows from timeout_ms. */
void channel_init(struct channel *l, struct stream *stream, int is_sender,
	       int timeout_ms);

/* Free, with the stream. */
void channel_release(struct channel *l);

/*
 * Send the frames in l->out, and n payload bytes behind them (n may be 0);
 * l->out is empty afterwards.  Small frames may wait in the stream's buffer
 * for the next flush or wait.  Returns as stream_send(); ERR_RESOURCE when a
 * frame could not be put together.
 */
int channel_send(struct channel *l, const void *payload, size_t n, struct err *e);

/* Send an empty PING if nothing was sent for the heart-beat interval. */
int channel_ping_if_due(struct channel *l, struct err *e);

/*
 * The header of the next frame, without waiting (for the receiver, which then
 * reads the body where it belongs).  ERR_AGAIN when it has not arrived, and
 * for a PING; as stream_recv(); ERR_PROTOCOL for a bad one.
 */
int channel_poll_header(struct channel *l, struct frame *f, struct err *e);

/* Read n bytes of a payload; waits. */
int channel_recv(struct channel *l, void *p, size_t n, struct err *e);

/* Read the n bytes before the payload, or all of a body that has none; waits.
 * ERR_CORRUPT where they are not what was sent. */
int channel_recv_fields(struct channel *l, void *p, size_t n, struct err *e);

/*
 * The next whole frame from a receiver that has arrived, without waiting (for
 * the sender, whose replies are small): the body is at *body until the next
 * call.  PINGs are taken in silence.  ERR_AGAIN when there is none; ERR_CORRUPT
 * where it is not what was sent.
 */
int channel_poll_reply(struct channel *l, struct frame *f, const uint8_t **body,
		    struct err *e);

/* Turn a peer's ERROR body into a failure record. */
int channel_peer_error(const uint8_t *body, size_t n, struct err *e);

/* Append an ERROR frame to l->out and send it, as far as that goes without
 * trouble; for the end of a session. */
void channel_send_error(struct channel *l, unsigned code, const char *text);

#endif
