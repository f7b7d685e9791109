/*
 * transport.h - what lies between a stream's bytes and its socket where they
 * are not sent as they are: a protocol of records, as TLS.
 *
 * Layer: net.  Uses base/err.h.  The one implementation is auth/tls_conn.c.
 * Threads: one at a time.
 *
 * A transport does no input and output itself.  It has two buffers of records:
 * one that the stream fills from the socket, and one that it empties to it.
 * ERR_AGAIN is no failure in these functions: nothing is recorded in e.
 */
#ifndef FERRY_NET_TRANSPORT_H
#define FERRY_NET_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	TRANSPORT_RECORD = 16 * 1024, /* plaintext of a full record */
	TRANSPORT_PEER = 32,          /* bytes that tell peers apart */
};

struct transport;

struct transport_ops {
	/*
	 * Records that came: the stream puts at most *cap bytes (not 0) where
	 * in_space() says, then tells how many; in_end() is the peer's FIN.
	 * To be called when a function below returned ERR_AGAIN for want of
	 * input.  in_space() returns NULL with ERR_RESOURCE when out of
	 * memory.
	 */
	void *(*in_space)(struct transport *t, size_t *cap, struct err *e);
	void (*in_added)(struct transport *t, size_t n);
	void (*in_end)(struct transport *t);

	/* Records to be sent, *n bytes (0: none); the pointer stays good until
	 * out_sent(), which takes bytes from the front. */
	const void *(*out)(struct transport *t, size_t *n);
	void (*out_sent)(struct transport *t, size_t n);

	/*
	 * Go on with the handshake.  Returns 0 when it is done and the peer is
	 * authenticated; ERR_AGAIN when more input is needed (after what is
	 * in `out` was sent); ERR_AUTH; ERR_LOST for an end in the middle;
	 * ERR_RESOURCE.
	 */
	int (*handshake)(struct transport *t, struct err *e);
	/* The connection broke in the handshake, with the error in e: add
	 * what helps the user.  Returns its code. */
	int (*explain_broken)(struct err *e);

	/*
	 * The plaintext.  None of these waits.  read(): ERR_AGAIN means that
	 * input is needed; ERR_CLOSED that the peer ended cleanly; ERR_LOST
	 * an end that was cut short; ERR_CORRUPT a damaged record, here or
	 * there; ERR_AUTH that the peer refused us after our part of the
	 * handshake was done.  Errors but ERR_AGAIN stay.  write() takes at
	 * most one record; ERR_AGAIN means that `out` must be sent first.
	 */
	int (*read)(struct transport *t, void *p, size_t cap, size_t *got,
		    struct err *e);
	int (*write)(struct transport *t, const void *p, size_t n,
		     size_t *took, struct err *e);

	/* Whether read() would return something else than ERR_AGAIN. */
	int (*has_input)(struct transport *t);
	/* Whether application data was received. */
	int (*has_begun)(struct transport *t);

	/* Put the end of the plaintext into `out`; nothing can be written
	 * after it. */
	int (*shutdown)(struct transport *t, struct err *e);

	/* See stream_peer_id(); after the handshake. */
	void (*peer_id)(struct transport *t, uint8_t id[TRANSPORT_PEER]);

	void (*free)(struct transport *t);
};

/* The first member of what an implementation keeps. */
struct transport {
	const struct transport_ops *ops;
};

#endif
