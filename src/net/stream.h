/*
 * stream.h - an ordered, full-duplex byte stream with deadlines, plain or by a
 * transport that encrypts.
 *
 * Layer: net.  Uses base, os/cancel.h.  Knows nothing of frames, and of TLS
 * what transport.h says.
 * Threads: a struct stream belongs to one thread; only stream_abort(),
 * stream_wire_in() and stream_wire_out() may be called from another.
 *
 * No deadlock of two senders: while a send waits for the peer to read, input
 * is offered to a hook.  No endless wait: whatever waits gives up with
 * ERR_TIMEOUT once timeout_ms passed without a byte moving in either
 * direction, or at the absolute deadline where one is set.
 */
#ifndef FERRY_NET_STREAM_H
#define FERRY_NET_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

struct cancel;
struct stream;
struct transport;

/* All may be NULL. */
struct stream_hooks {
	/*
	 * Called inside stream_send()/stream_flush() when input can be read
	 * while output is stuck.  It should take it with stream_recv_some();
	 * it must not send.  Returns 0, or an error that ends the send.
	 */
	int (*on_input)(void *ctx, struct err *e);
	/*
	 * Called about once a second inside every wait, and at once after
	 * stream_abort().  Returns 0, or an error that ends the wait.  In a
	 * wait for input (and only there: sending says which) it may send;
	 * what it sends is flushed, and is no byte that moved where timeouts
	 * and stream_idle_ms() are concerned: a heart-beat of ours is no sign
	 * that the peer lives.
	 */
	int (*on_tick)(void *ctx, int sending, struct err *e);
	void *ctx;
};

struct stream_config {
	int timeout_ms; /* see above */
	/* For the handshake alone; for what follows see stream_set_deadline()
	 * and stream_set_cancel(). */
	uint64_t deadline_ms; /* clock_ms() time; 0: only timeout_ms counts */
	const struct cancel *cancel; /* ends it with ERR_INTERRUPTED; or NULL */
};

/*
 * Make a stream of a connected TCP socket.  fd is the stream's if this succeeds
 * (stream_free() closes it), and else stays the caller's: other threads may
 * look at it by its number until the caller sees to that.  The transport is
 * taken over in both cases.  With t NULL the bytes are sent as they are; else
 * the transport's handshake is made here, which blocks.
 * tls_conn_open() in auth/ calls this with TLS.
 *
 * Returns the stream; or NULL with ERR_LOST, ERR_TIMEOUT, ERR_INTERRUPTED,
 * ERR_RESOURCE, or ERR_AUTH for everything that was wrong with the
 * authentication.
 */
struct stream *stream_open(int fd, const struct stream_config *cfg,
			   struct transport *t, struct err *e);

/* Set the hooks (copied).  None are set at first. */
void stream_set_hooks(struct stream *s, const struct stream_hooks *hooks);

/* An absolute deadline (clock_ms()) for every wait from now on; 0: none. */
void stream_set_deadline(struct stream *s, uint64_t deadline_ms);

/*
 * A token that ends every wait from now on with ERR_INTERRUPTED; NULL: none.
 * It is borrowed.  Receiving takes more system calls while there is one: a
 * stream that carries much is ended by stream_abort().
 */
void stream_set_cancel(struct stream *s, const struct cancel *cancel);

/*
 * Send all the bytes of the count (1..8) parts, in order.  Small sends are
 * gathered and may stay in the stream's buffer until stream_flush(); large ones
 * go out at once (without a copy where plain).  The parts are the caller's
 * again on return.
 *
 * Returns 0; ERR_LOST, ERR_TIMEOUT, or what a hook returned: the stream is
 * then only good for stream_free().
 */
int stream_send(struct stream *s, const struct iovec *parts, int count,
		struct err *e);

/* Send what stream_send() kept back.  Returns as stream_send(). */
int stream_flush(struct stream *s, struct err *e);

/*
 * Receive exactly n bytes.  Flushes output first where it must wait.
 * Returns 0; ERR_CLOSED when the peer ended cleanly (FIN; with TLS, a
 * close_notify) before the first of them; ERR_LOST for an end in the middle
 * or a TLS stream without close_notify; ERR_CORRUPT for a damaged TLS
 * record; ERR_TIMEOUT; what a hook returned.
 */
int stream_recv(struct stream *s, void *p, size_t n, struct err *e);

/*
 * Receive what is there, at least one byte, at most cap, without waiting.
 * Returns 0 with *got; ERR_AGAIN when there is nothing; else as stream_recv().
 */
int stream_recv_some(struct stream *s, void *p, size_t cap, size_t *got,
		     struct err *e);

enum stream_event { STREAM_READABLE = 1, STREAM_WOKEN = 2 };
/*
 * Wait until input is there (buffered input counts) or wake_fd (an eventfd or
 * any descriptor, -1: none) is readable, which is left unread; output is
 * flushed first; on_tick is called as usual.  max_ms bounds the wait (-1: no
 * bound of its own).  Returns a set of enum stream_event, 0 when max_ms
 * passed; or an error as stream_recv().
 */
int stream_wait(struct stream *s, int wake_fd, int max_ms, struct err *e);

/*
 * End cleanly: flush, send close_notify and FIN, then wait until the peer has
 * done the same, at most max_ms.  Input that still comes is thrown away.
 * Returns 0 when the peer's end was seen; else an error.  The stream still
 * has to be freed.
 */
int stream_close(struct stream *s, int max_ms, struct err *e);

/* From any thread: end all waits of the stream; later calls fail with
 * ERR_LOST. */
void stream_abort(struct stream *s);

/* Close the descriptor and free; NULL is allowed.  Does not wait and sends
 * nothing. */
void stream_free(struct stream *s);

/* Bytes that went through the socket, with those that TLS adds. */
uint64_t stream_wire_in(const struct stream *s);
uint64_t stream_wire_out(const struct stream *s);

/*
 * Who the peer is, as far as was proved: the same 32 bytes for the same peer in
 * the same mode (a hash of the key's id, or of the certificate's public key), all
 * zero for a plain stream.  Not secret.
 */
enum { STREAM_PEER = 32 };
void stream_peer_id(const struct stream *s, uint8_t id[STREAM_PEER]);

/* The socket, borrowed (for TCP_INFO). */
int stream_fd(const struct stream *s);

/* Milliseconds since a byte moved in either direction. */
uint64_t stream_idle_ms(const struct stream *s);

#endif
