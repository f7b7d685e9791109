/*
 * stream_priv.h - struct stream, and the functions that its files share.
 * Private to stream.c, stream_out.c and stream_in.c.
 *
 * Layer: net.
 *
 * Each file calls only those after it: stream.c (whole receives, opening and
 * closing), stream_out.c (sending, and the hooks), stream_in.c (a single step
 * of input), sock.c.
 */
#ifndef FERRY_NET_STREAM_PRIV_H
#define FERRY_NET_STREAM_PRIV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "net/sock.h"
#include "net/stream.h"
#include "net/transport.h"

enum {
	/* Input buffer of a plain stream: reads of this size and more bypass
	 * it. */
	STREAM_IN_BYTES = 8 * 1024,
	/* Output buffer: with a transport, one full record. */
	STREAM_OUT_BYTES = TRANSPORT_RECORD,
	STREAM_PARTS_MAX = 8,
};

struct stream {
	struct sock sock;
	struct transport *transport; /* owned; NULL: plain */
	struct stream_hooks hooks;
	/* of stream_set_peer(); "": not set */
	char identity[STREAM_IDENTITY];
	uint8_t peer_id[STREAM_PEER];
	uint64_t ticked_ms; /* when on_tick was called last */
	int in_tick;        /* on_tick or its flush is running: call no hook */
	int is_sending;     /* a record may be half sent */
	/* on_input read nothing: it is not called again until the next tick */
	int is_input_muted;
	uint64_t received;     /* bytes returned to the caller */
	size_t in_off, in_end; /* in use of in[]; plain only */
	size_t out_len;        /* in use of out[] */
	uint8_t in[STREAM_IN_BYTES];
	uint8_t out[STREAM_OUT_BYTES];
};

/* ---- stream_in.c ---- */

/*
 * Read 1 to n bytes.  With wait, wait up to a tick: a plain stream for all n
 * bytes of a large read, else for the first.  Returns ERR_AGAIN when nothing
 * came; else as stream_recv().
 */
int stream_in_read(struct stream *s, void *p, size_t n, int wait, size_t *got,
		   struct err *e);

/* Pass input from the socket, or its end, to the transport.  With wait, wait up
 * to a tick.  Returns 0; ERR_AGAIN when nothing came; or an error. */
int stream_in_feed(struct stream *s, int wait, struct err *e);

/* Whether input is in our own buffers, where poll(2) does not see it. */
int stream_in_is_buffered(struct stream *s);

/* After a failure of the transport: send its alert, if that is possible without
 * waiting. */
void stream_in_alert(struct stream *s);

/* ---- stream_out.c, where stream_send() and stream_flush() are too ---- */

/* Send the records that the transport has for output. */
int stream_out_records(struct stream *s, struct err *e);

/* Whether stream_flush() has something to send. */
int stream_out_pending(const struct stream *s);

/*
 * To be called after each step of a wait, with the step's result rc: calls
 * on_tick if it is due.  Returns 0 to continue (rc was 0 or ERR_AGAIN), or the
 * error that ends the wait.
 */
int stream_out_step(struct stream *s, int rc, int sending, struct err *e);

/* The error of an aborted stream: that of on_tick if it returns one; else
 * ERR_INTERRUPTED if the cancel token is set, or ERR_LOST. */
int stream_out_abort_error(struct stream *s, int sending, struct err *e);

#endif
