/*
 * sock.h - single steps of input and output on a connected socket or a pair of
 * pipes, and the time spent waiting.  Private to net/, used by the stream_*.c
 * files.
 *
 * Layer: net.
 * Threads: one, except that any may call sock_abort() and read the counters.
 *
 * Every function makes at most one wait of at most a tick (tick_ms) and one
 * transfer, and returns; the loops are in the stream.  ERR_AGAIN is not a
 * failure here: nothing is recorded in e.
 */
#ifndef FERRY_NET_SOCK_H
#define FERRY_NET_SOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "os/cancel.h"
#include "os/wake.h"

/* The longest tick, and the one at first (stream.h, on_tick). */
enum { SOCK_TICK_MS = 1000 };

struct sock {
	/* set once */
	int fd;
	/* With a pair: fd is read and out_fd written, neither needs to be a
	 * socket, both do not block, and abort_wake ends the waits.  Without:
	 * -1, -1. */
	int out_fd;
	struct wake abort_wake;
	int is_pair;
	int timeout_ms;
	/* of the thread that owns it */
	int tick_ms;
	uint64_t deadline_ms; /* clock_ms() time, 0: none */
	/* When a byte was last received, or sent outside a heart-beat; and the
	 * time spent waiting since. */
	uint64_t progress_ms;
	uint64_t waited_ms;
	int is_heartbeat; /* bytes sent now are not progress */
	int is_broken;    /* after an error: the end of input is not clean */
	/* NULL, or a token that ends all waits.  With one, input is waited for
	 * in poll(2), because recv(2) cannot watch the token. */
	const struct cancel *cancel;
	/* shared */
	atomic_int aborted;
	atomic_uint_fast64_t bytes_in;
	atomic_uint_fast64_t bytes_out;
};

/* Set up fd: make it blocking with a receive timeout.  Returns 0 or
 * ERR_LOST. */
int sock_init(struct sock *k, int fd, int timeout_ms, struct err *e);

/* The same for a pair of descriptors, such as pipes: in is read, out written.
 * Returns 0; ERR_LOST or ERR_RESOURCE. */
int sock_init_pair(struct sock *k, int in, int out, int timeout_ms,
		   struct err *e);

/* The descriptors stay the caller's: sock_release() will not close them. */
void sock_disown(struct sock *k);

/* Close the descriptors. */
void sock_release(struct sock *k);

/* Tell the other side that nothing more will be sent: FIN, or the end of the
 * pipe. */
void sock_end_output(struct sock *k);

/* Set the tick, 1 to SOCK_TICK_MS.  Where the socket cannot take it the old one
 * stays. */
void sock_set_tick(struct sock *k, int tick_ms);

/* Send what the socket takes without waiting.  Returns 0 with *sent > 0;
 * ERR_AGAIN; ERR_LOST; ERR_TIMEOUT when the kernel gave up. */
int sock_send(struct sock *k, const struct iovec *iov, size_t count,
	      size_t *sent, struct err *e);

/* Receive what is there, without waiting.  Returns 0 with *got > 0; ERR_AGAIN;
 * ERR_CLOSED for the peer's FIN; ERR_LOST; ERR_TIMEOUT when the kernel gave
 * up. */
int sock_recv(struct sock *k, void *p, size_t n, size_t *got, struct err *e);

/* As sock_recv(), but wait up to a tick: for the first byte or, with want_all,
 * for all n, though fewer may be returned.  ERR_AGAIN when nothing came;
 * ERR_TIMEOUT also at the deadline or after timeout_ms without progress. */
int sock_recv_wait(struct sock *k, void *p, size_t n, int want_all, size_t *got,
		   struct err *e);

/*
 * Wait up to a tick and max_ms (-1: no limit of its own) for the poll(2)
 * events, for wake_fd (-1: none) to be readable, or for the cancel token.
 * Returns 0 with *revents and *woken, both 0 if neither happened; ERR_TIMEOUT
 * at the deadline or after timeout_ms without progress; ERR_LOST if poll(2)
 * fails.
 */
int sock_wait(struct sock *k, int events, int wake_fd, int max_ms, int *revents,
	      int *woken, struct err *e);

/* From any thread: shut the connection down, which ends all waits. */
void sock_abort(struct sock *k);
/* Whether sock_abort() was called or the cancel token is set. */
int sock_is_aborted(const struct sock *k);

#endif
