/*
 * stream_priv.h - what struct stream holds, and the parts that it is made of.
 * Private to stream.c, stream_out.c and stream_in.c.
 *
 * Layer: net.  Uses base, sock.h, transport.h.
 *
 * Calls go one way: stream.c (whole receives, begin and end), stream_out.c
 * (sending, and what happens in every wait), stream_in.c (a single step of
 * input), sock.c.
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
	/* Input buffer: plain reads of this size and more bypass it. */
	STREAM_IN_BYTES = 8 * 1024,
	/* Output buffer: with a transport, one full record. */
	STREAM_OUT_BYTES = TRANSPORT_RECORD,
	STREAM_PARTS_MAX = 8,
};

struct stream {
	struct sock sock;
	struct transport *transport; /* owned; NULL: plain */
	struct stream_hooks hooks;
	uint64_t ticked_ms; /* when on_tick was called last */
	int in_tick;        /* on_tick is running: no hook is called */
	int is_sending;     /* some of a block is sent, the rest not yet */
	/* on_input left input where it was: not asked again until a tick */
	int is_input_muted;
	uint64_t received;     /* bytes handed to the caller */
	size_t in_off, in_end; /* in use of in[]; plain only */
	size_t out_len;        /* in use of out[] */
	uint8_t in[STREAM_IN_BYTES];
	uint8_t out[STREAM_OUT_BYTES];
};

/* ---- stream_in.c ---- */

/*
 * At least one byte, at most n, to p.  With wait, a plain stream waits up to a
 * tick for all n of a large receive.  ERR_AGAIN when nothing came, after a
 * tick at the latest; else as stream_recv().
 */
int stream_in_take(struct stream *s, void *p, size_t n, int wait, size_t *got,
		   struct err *e);

/* Give the transport more of what the peer sent, or its end.  Returns 0;
 * ERR_AGAIN when nothing came, after a tick at the latest; or an error. */
int stream_in_feed(struct stream *s, int wait, struct err *e);

/* Whether input waits in our own buffers, where poll(2) does not see it. */
int stream_in_is_buffered(struct stream *s);

/* The transport failed: let the peer know, if that can be done without
 * waiting. */
void stream_in_alert(struct stream *s);

/* ---- stream_out.c; stream_send() and stream_flush() are there too ---- */

/* Send the transport's records. */
int stream_out_records(struct stream *s, struct err *e);

/* Whether there is something to flush. */
int stream_out_pending(const struct stream *s);

/*
 * After a step of a wait, which returned rc (0 and ERR_AGAIN go on): calls
 * on_tick where it is due.  Returns 0 to go on, or the error that ends the
 * wait.
 */
int stream_out_step(struct stream *s, int rc, int sending, struct err *e);

/* The stream was aborted: what on_tick says to that, ERR_INTERRUPTED where the
 * cancel token was set, else ERR_LOST. */
int stream_out_given_up(struct stream *s, int sending, struct err *e);

#endif
