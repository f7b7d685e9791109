/*
 * stream_priv.h - what struct stream holds, and its sending half.  Private to
 * stream.c and stream_out.c.
 *
 * Layer: net.  Uses base, sock.h, tls_conn.h.
 */
#ifndef FERRY_NET_STREAM_PRIV_H
#define FERRY_NET_STREAM_PRIV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "net/sock.h"
#include "net/stream.h"
#include "auth/tls_conn.h"

enum {
	/* Input buffer: plain reads of this size and more go past it. */
	STREAM_IN_BYTES = 8 * 1024,
	/* Output buffer: with TLS, one full record. */
	STREAM_OUT_BYTES = TLS_CONN_RECORD,
	STREAM_PARTS_MAX = 8,
};

struct stream {
	struct sock sock;
	struct tls_conn *tls; /* NULL: plain */
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

/* stream_send(), stream_flush() */
int stream_out_send(struct stream *s, const struct iovec *parts, int count,
		    struct err *e);
int stream_out_flush(struct stream *s, struct err *e);

/* Send the TLS records that are made. */
int stream_out_records(struct stream *s, struct err *e);

/* TLS ended with an error: let the peer know, if that can be done without
 * waiting. */
void stream_out_alert(struct stream *s);

/* Whether there is something to flush. */
int stream_out_pending(const struct stream *s);

/* Whether input waits in our own buffers, where poll(2) does not see it. */
int stream_has_buffered(struct stream *s);

/*
 * After a step of a wait, which returned rc (0 and ERR_AGAIN go on): calls
 * on_tick where it is due.  Returns 0 to go on, or the error that ends the
 * wait.
 */
int stream_out_step(struct stream *s, int rc, int sending, struct err *e);

/* The stream was aborted: ask on_tick for the error, else ERR_LOST. */
int stream_out_given_up(struct stream *s, int sending, struct err *e);

#endif
