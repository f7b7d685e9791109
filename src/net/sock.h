/*
 * sock.h - one step of input or output on a connected TCP socket, and the
 * account of the time spent waiting.  Private to net/: below stream.c.
 *
 * Layer: net.  Uses base, os/cancel.h.
 * Threads: one, but for sock_abort() and the two counters.
 *
 * Every function makes at most one transfer or one wait of at most
 * SOCK_TICK_MS and returns; the loops are the stream's.  ERR_AGAIN is no
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

enum { SOCK_TICK_MS = 1000 };

struct sock {
	/* set once */
	int fd;
	int timeout_ms;
	/* the owner's */
	uint64_t deadline_ms; /* clock_ms(), 0: none */
	uint64_t moved_ms;    /* when a byte moved last */
	uint64_t waited_ms;   /* time spent waiting since then */
	int is_heartbeat;     /* what is sent now is no sign of life */
	int is_broken;        /* an error was met: an end is not a clean one */
	/* NULL, or a token that ends all waits.  While there is one, input is
	 * waited for in poll(2), which can see it. */
	const struct cancel *cancel;
	/* shared */
	atomic_int aborted;
	atomic_uint_fast64_t bytes_in;
	atomic_uint_fast64_t bytes_out;
};

/* Set up fd.  Returns 0 or ERR_LOST. */
int sock_init(struct sock *k, int fd, int timeout_ms, struct err *e);
void sock_release(struct sock *k);

/* Send what the socket takes at once.  0 with *sent > 0; ERR_AGAIN; ERR_LOST;
 * ERR_TIMEOUT when the kernel gave up. */
int sock_send(struct sock *k, const struct iovec *iov, size_t count,
	      size_t *sent, struct err *e);

/* Receive what is there.  0 with *got > 0; ERR_AGAIN; ERR_CLOSED for the
 * peer's FIN; ERR_LOST; ERR_TIMEOUT when the kernel gave up. */
int sock_recv(struct sock *k, void *p, size_t n, size_t *got, struct err *e);

/* As sock_recv(), but wait up to a tick: for the first byte or, with
 * want_all, for all n.  ERR_AGAIN when nothing came; ERR_TIMEOUT also when
 * time is up. */
int sock_recv_wait(struct sock *k, void *p, size_t n, int want_all, size_t *got,
		   struct err *e);

/*
 * Wait up to a tick and max_ms (-1: no bound) for the poll(2) events or for
 * wake_fd (-1: none) to be readable.  Returns 0 with *revents and *woken, both
 * 0 when nothing happened; ERR_TIMEOUT when time is up.
 */
int sock_wait(struct sock *k, int events, int wake_fd, int max_ms, int *revents,
	      int *woken, struct err *e);

/* From any thread: end all waits, now and later. */
void sock_abort(struct sock *k);
/* Whether that was done, or the cancel token is set. */
int sock_is_aborted(const struct sock *k);

#endif
