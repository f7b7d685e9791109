/*
 * transport.h - the interface of a record protocol, such as TLS, between a
 * stream and its socket.
 *
 * Layer: net.  Implemented by auth/tls_conn.c.
 * Threads: one at a time.
 *
 * A transport does no input or output itself.  It has two buffers of records:
 * the stream fills one from the socket, and sends the other.  ERR_AGAIN is not
 * a failure in these functions: nothing is recorded in e.
 */
#ifndef FERRY_NET_TRANSPORT_H
#define FERRY_NET_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	/* Plaintext of a full record (RFC 8446, section 5.1). */
	TRANSPORT_RECORD = 16 * 1024,
	TRANSPORT_PEER = 32, /* bytes of a peer's id */
	TRANSPORT_IDENTITY = 256, /* of its text, terminated */
};

struct transport;

struct transport_ops {
	/*
	 * Input: the stream writes at most *cap bytes (not 0) of records to
	 * where in_space() points, and calls in_added() with the number;
	 * in_end() after the peer's FIN.  To be called when a function below
	 * needs input.  in_space() returns NULL with ERR_RESOURCE when out of
	 * memory.
	 */
	void *(*in_space)(struct transport *t, size_t *cap, struct err *e);
	void (*in_added)(struct transport *t, size_t n);
	void (*in_end)(struct transport *t);

	/* Output: the records to be sent, *n bytes (0: none).  The pointer is
	 * valid until out_sent(), which removes the first n bytes. */
	const void *(*out)(struct transport *t, size_t *n);
	void (*out_sent)(struct transport *t, size_t n);

	/*
	 * Continue the handshake.  Returns 0 when it is done and the peer is
	 * authenticated; ERR_AGAIN when `out` must be sent and then more input
	 * is needed; ERR_AUTH; ERR_LOST when the input ended; ERR_RESOURCE.
	 */
	int (*handshake)(struct transport *t, struct err *e);
	/* The connection failed during the handshake with the error in e: add
	 * to its text what helps the user.  Returns its code. */
	int (*explain_broken)(struct err *e);

	/*
	 * Read and write plaintext, without waiting.  read() returns 0 with
	 * *got > 0; ERR_AGAIN when input is needed; ERR_CLOSED when the peer
	 * closed cleanly; ERR_LOST for an end without that, or an alert;
	 * ERR_CORRUPT for a record that arrived damaged on either side;
	 * ERR_AUTH when the peer refused us after our part of the handshake was
	 * done; ERR_RESOURCE.  An error other than ERR_AGAIN is permanent.
	 * write() takes at most one record; ERR_AGAIN when `out` must be sent
	 * first.
	 */
	int (*read)(struct transport *t, void *p, size_t cap, size_t *got,
		    struct err *e);
	int (*write)(struct transport *t, const void *p, size_t n,
		     size_t *took, struct err *e);

	/* Whether read() would return data, the end, or an error other than
	 * ERR_AGAIN. */
	int (*has_input)(struct transport *t);
	/* Whether read() has returned data. */
	int (*has_begun)(struct transport *t);

	/* Put the record that ends our plaintext into `out`; write() must not
	 * be called after it. */
	int (*shutdown)(struct transport *t, struct err *e);

	/* See stream_peer_id() and stream_identity(); only after the
	 * handshake. */
	void (*peer_id)(struct transport *t, uint8_t id[TRANSPORT_PEER]);
	void (*identity)(struct transport *t, char text[TRANSPORT_IDENTITY]);
	/* See stream_credential(); likewise. */
	size_t (*credential)(struct transport *t);

	void (*free)(struct transport *t);
};

/* The first member of an implementation's struct. */
struct transport {
	const struct transport_ops *ops;
};

#endif
