/*
 * channel.h - frames over one stream, with checksums and heart-beats.
 *
 * Layer: session.
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
	struct buf out;        /* frames to be sent, built by the caller */
	uint64_t last_out_ms;  /* when a frame was last sent (clock_ms()) */
	uint64_t ping_ms;      /* heart-beat interval */
	int tick_ms;           /* of the stream */
	int timeout_ms;        /* ours */
	int tells_busy;        /* BUSY was granted: the owner's to set */
	/* When the peer last said that it is busy; where BUSY was not granted,
	 * by any heart-beat.  clock_ms(); 0: never. */
	uint64_t busy_ms;
	/* heart-beats that have come since then, clock_ms() */
	uint64_t began_ms, heartbeats;
	uint64_t flushed_ms;   /* by channel_ping_if_due() */
	int has_begun;         /* a frame has arrived */
	/* the sender's: replies that have arrived, the last one perhaps not
	 * completely; how much of them channel_poll_reply() has returned */
	struct buf in;
	size_t in_done;
	/* the receiver's: the part of a header that has arrived; the check of
	 * the last frame's body */
	uint8_t head[FRAME_HEADER];
	size_t head_len;
	uint32_t body_check;
};

/* Owns stream from now on.  The heart-beat interval is a quarter of timeout_ms,
 * which is our own, and at most 5 s. */
void channel_init(struct channel *c, struct stream *stream, int is_sender,
		  int timeout_ms);

/* The peer gives up after timeout_ms: make the heart-beat interval a quarter of
 * that, if it is longer so far, but never less than 250 ms. */
void channel_set_peer_timeout(struct channel *c, uint32_t timeout_ms);

/* Append a TIMEOUT frame with our own time-out to c->out. */
void channel_put_timeout(struct channel *c);

/* Take the body of the peer's TIMEOUT frame.  Returns 0 or ERR_PROTOCOL. */
int channel_take_timeout(struct channel *c, const uint8_t *body, size_t n,
			 struct err *e);

/* Free the buffers and the stream. */
void channel_release(struct channel *c);

/*
 * Send the frames in c->out and after them n payload bytes (n may be 0); c->out
 * is empty afterwards.  Small frames may stay in the stream's buffer until the
 * next flush or wait.  Returns as stream_send(); ERR_RESOURCE when there was
 * not enough memory to build a frame.
 */
int channel_send(struct channel *c, const void *payload, size_t n,
		 struct err *e);

/* Send n more bytes of the payload of which channel_send() sent the beginning.
 * Until all of it was sent, nothing else may be.  Returns as stream_send(). */
int channel_send_rest(struct channel *c, const void *payload, size_t n,
		      struct err *e);

/* Send and flush a whole frame of its own, which leaves c->out alone, and takes
 * the place of no heart-beat: for a tick of the stream.  Returns as
 * channel_send(). */
int channel_send_aside(struct channel *c, struct buf *frame, struct err *e);

/* Have the stream's ticks come at least this often (stream_set_tick()). */
void channel_want_tick(struct channel *c, int ms);

/* Send and flush a PING. */
int channel_ping(struct channel *c, struct err *e);

/* Send and flush a heart-beat if nothing was sent for the heart-beat interval:
 * BUSY with is_busy, where it was granted; else PING.  Twice a second, flush
 * what was sent before, as a thread that is at work waits for nothing. */
int channel_ping_if_due(struct channel *c, int is_busy, struct err *e);

/*
 * Receiver: read the header of the next frame, without blocking.  The caller
 * then reads the body, the payload straight into its buffer.  Returns 0;
 * ERR_AGAIN when it has not arrived, and for a heart-beat; ERR_PROTOCOL for a
 * malformed one; otherwise as stream_recv_some().
 */
int channel_poll_header(struct channel *c, struct frame *f, struct err *e);

/* Read n bytes of a payload; blocks.  Returns as stream_recv(), with ERR_LOST
 * where the peer closed the connection. */
int channel_recv(struct channel *c, void *p, size_t n, struct err *e);

/* Read the n bytes of a body before its payload, or all of a body without one;
 * blocks.  Returns as channel_recv(); ERR_CORRUPT where their check is
 * wrong. */
int channel_recv_fields(struct channel *c, void *p, size_t n, struct err *e);

/*
 * Sender: the next whole frame from the receiver, whose frames are small,
 * without blocking.  *body is borrowed until the next call.  Heart-beats are
 * skipped.  Returns 0; ERR_AGAIN when no whole frame has arrived; ERR_PROTOCOL
 * for a malformed header; ERR_CORRUPT where the body's check is wrong;
 * otherwise as stream_recv_some().
 */
int channel_poll_reply(struct channel *c, struct frame *f, const uint8_t **body,
		       struct err *e);

/* Turn the body of the peer's ERROR frame into a failure in e.  Returns its
 * code. */
int channel_peer_error(const uint8_t *body, size_t n, struct err *e);

/* Send an ERROR frame, at the end of a session: failures are ignored, and
 * frames in c->out are dropped. */
void channel_send_error(struct channel *c, unsigned code, const char *text);

#endif
