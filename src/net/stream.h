/*
 * stream.h - an ordered, full-duplex byte stream with deadlines, plain or
 * encrypted by a transport.
 *
 * Layer: net.  Knows nothing of frames.
 * Threads: a struct stream belongs to one thread; only stream_abort(),
 * stream_wire_in() and stream_wire_out() may be called from another.
 *
 * Two sides that send at the same time do not deadlock: while a send waits for
 * the peer to read, input is offered to a hook.  Every wait is bounded: it ends
 * with ERR_TIMEOUT after timeout_ms of waiting without a byte transferred in
 * either direction, or at the absolute deadline where one is set.
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

/* Each may be NULL. */
struct stream_hooks {
	/*
	 * Called inside stream_send() and stream_flush() when input can be read
	 * while the socket accepts no output.  It should read it with
	 * stream_recv_some(), and must not send.  Returns 0, or an error that
	 * ends the send.
	 */
	int (*on_input)(void *ctx, struct err *e);
	/*
	 * Called about once a tick (a second, unless stream_set_tick() made it
	 * shorter) inside every call that waits, and at once after
	 * stream_abort() or when the cancel token is set.  Returns 0, or
	 * an error that ends the call.  With sending 0 (a wait for input) it
	 * may send; what it sends is flushed, and does not count as progress
	 * for timeouts and stream_idle_ms(), because our own heart-beat does
	 * not show that the peer is alive.
	 */
	int (*on_tick)(void *ctx, int sending, struct err *e);
	void *ctx;
};

struct stream_config {
	int timeout_ms; /* see above; 0: no limit */
	/* For the handshake alone; afterwards stream_set_deadline() and
	 * stream_set_cancel() apply. */
	uint64_t deadline_ms; /* clock_ms() time; 0: only timeout_ms counts */
	const struct cancel *cancel; /* ends it with ERR_INTERRUPTED; or NULL */
};

/*
 * Make a stream of a connected TCP socket.  On success the stream owns fd
 * (stream_free() closes it).  On failure fd stays open and the caller's, since
 * other threads may still use its number.  The stream owns the transport in
 * both cases.  With t NULL bytes are sent as they are; else the transport's
 * handshake is made here, which blocks.  tls_conn_open() in auth/ calls this
 * with TLS.
 *
 * Returns the stream; or NULL with ERR_LOST, ERR_TIMEOUT, ERR_INTERRUPTED,
 * ERR_RESOURCE, or ERR_AUTH for any failure to authenticate.
 */
struct stream *stream_open(int fd, const struct stream_config *cfg,
			   struct transport *t, struct err *e);

/*
 * Make a plain stream of two descriptors, such as pipes: in is read, out
 * written.  They are set not to block.  Owned and left as by stream_open();
 * NULL with ERR_LOST or ERR_RESOURCE.
 */
struct stream *stream_open_pair(int in, int out, int timeout_ms,
				struct err *e);

/* Set the hooks (copied).  There are none at first. */
void stream_set_hooks(struct stream *s, const struct stream_hooks *hooks);

/* How often on_tick is called: every tick_ms milliseconds, 1 to 1000. */
void stream_set_tick(struct stream *s, int tick_ms);

/* An absolute deadline (clock_ms()) for every wait from now on; 0: none. */
void stream_set_deadline(struct stream *s, uint64_t deadline_ms);

/*
 * A token (borrowed) that ends every wait from now on with ERR_INTERRUPTED;
 * NULL: none.  With a token, receiving takes more system calls: where data is
 * transferred, use stream_abort() instead.
 */
void stream_set_cancel(struct stream *s, const struct cancel *cancel);

/*
 * Send all bytes of the count (1..8) parts, in order.  Small sends may stay in
 * the stream's buffer until stream_flush(); large ones are sent at once, with
 * what was buffered (on a plain stream without a copy).  The parts may be
 * reused on return.
 *
 * Returns 0; or ERR_LOST, ERR_TIMEOUT, ERR_INTERRUPTED, an error of a hook, or
 * one of the transport: the stream can then only be freed.
 */
int stream_send(struct stream *s, const struct iovec *parts, int count,
		struct err *e);

/* Send what stream_send() buffered.  Returns as stream_send(). */
int stream_flush(struct stream *s, struct err *e);

/*
 * Receive exactly n bytes.  Output is flushed before a wait.  Returns 0;
 * ERR_CLOSED when the peer closed cleanly (FIN; with TLS, close_notify) before
 * the first byte; ERR_LOST for an end after it, or with TLS for one without
 * close_notify; ERR_CORRUPT for a damaged TLS record; ERR_AUTH where the peer's
 * refusal arrives only after the handshake; ERR_TIMEOUT; ERR_INTERRUPTED; an
 * error of a hook.
 */
int stream_recv(struct stream *s, void *p, size_t n, struct err *e);

/*
 * Receive what is there, 1 to cap bytes, without waiting.
 * Returns 0 with *got; ERR_AGAIN when there is nothing; else as stream_recv().
 */
int stream_recv_some(struct stream *s, void *p, size_t cap, size_t *got,
		     struct err *e);

enum stream_event { STREAM_READABLE = 1, STREAM_WOKEN = 2 };
/*
 * Wait until there is input (buffered input counts, and so does its end), or
 * wake_fd (an eventfd or any descriptor, -1: none) is readable; wake_fd is not
 * read.  Output is flushed first, unless input is buffered.  max_ms limits the
 * wait (-1: no limit of its own).  Returns a set of enum stream_event, 0 when
 * max_ms passed; or an error as stream_recv().
 */
int stream_wait(struct stream *s, int wake_fd, int max_ms, struct err *e);

/*
 * Close cleanly: flush, send close_notify and FIN, then wait at most max_ms
 * until the peer has done the same.  Input that still arrives is discarded.
 * Returns 0 when the peer has closed, else an error.  The stream must still be
 * freed.
 */
int stream_close(struct stream *s, int max_ms, struct err *e);

/* From any thread: end all waits of the stream.  The call that waits and later
 * ones fail with ERR_LOST, or with the error of on_tick. */
void stream_abort(struct stream *s);

/* Close the descriptor and free, without sending or waiting; NULL is
 * allowed. */
void stream_free(struct stream *s);

/* Bytes received and sent through the socket, with those that TLS adds. */
uint64_t stream_wire_in(const struct stream *s);
uint64_t stream_wire_out(const struct stream *s);

enum { STREAM_PEER = 32, STREAM_IDENTITY = 256 };
/*
 * What the peer has proved to be, as 32 bytes that are not secret: the SHA-256
 * of its certificate's public key, or of the identity of the shared key (with
 * one-time codes one identity for all peers); all zero for a plain stream, or
 * when memory ran out.
 */
void stream_peer_id(const struct stream *s, uint8_t id[STREAM_PEER]);

/*
 * The same for people and scripts, as terminated UTF-8 without control
 * characters: the subject of a certificate that a CA signed (RFC 4514,
 * "CN=alice,O=Example"), "sha256:HEX" of a pinned key, "key:HEX" of a shared
 * key, "code", or "plain".
 */
void stream_identity(const struct stream *s, char text[STREAM_IDENTITY]);

/* Say who the peer of a plain stream is, where something else has proved it:
 * the text (copied) is what stream_identity() then says, and stream_peer_id()
 * gives the id. */
void stream_set_peer(struct stream *s, const uint8_t id[STREAM_PEER],
		     const char *identity);

/* Which of the keys, pins or subjects that this side accepts the peer has
 * proved: an index, in the order of struct tls_config; 0 where there is
 * none. */
size_t stream_credential(const struct stream *s);

/* Whether there is no transport: bytes are sent as they are. */
int stream_is_plain(const struct stream *s);

/* The socket, borrowed, for socket options; of a pair, the one that is read. */
int stream_fd(const struct stream *s);

/* Milliseconds since a byte was received, or sent outside a heart-beat. */
uint64_t stream_idle_ms(const struct stream *s);

#endif
