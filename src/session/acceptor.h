/*
 * acceptor.h - for a sender that listens: accepts authenticated streams from
 * one peer.
 *
 * Layer: session.
 * Threads: acceptor_first(), acceptor_reserve() and acceptor_further() from any
 * thread; the others from the owner's.  It has a thread of its own that
 * accepts, and one for each connection that is being authenticated.
 *
 * Every connection has to authenticate, and many may do so at once.  Then its
 * first frame says what it is for: a PING, for a session of its own; a TIMEOUT,
 * for the session that there is.  A receiver that wants a session while there
 * is one is refused with ERROR.  Of the streams for the session only those from
 * the same source as its first one (admission_source()) are returned.
 */
#ifndef FERRY_SESSION_ACCEPTOR_H
#define FERRY_SESSION_ACCEPTOR_H

#include <stdint.h>

#include "auth/secure.h"
#include "base/err.h"
#include "net/addr.h"
#include "net/dial.h"

struct acceptor;
struct cancel;
struct cidr_list;
struct refusals;
struct session_events;
struct stream;
struct tls;

/* The pointers are borrowed. */
struct acceptor_config {
	uint16_t port; /* 0: any free one */
	struct net_options net;
	struct secure_mode mode;       /* role: NET_LISTENS */
	const struct cidr_list *allow; /* who may connect */
	int timeout_ms;                /* of the streams */
	/* Only connections for the session that there is, from anywhere, and
	 * no listening event. */
	int is_further_only;
	const struct session_events *events;
};

/* An accepted stream. */
struct accepted {
	struct stream *stream; /* owned by the caller */
	char peer[ADDR_TEXT_MAX];
	unsigned rtt_us; /* dial_rtt_us() */
};

/* Listen, without accepting connections yet.  NULL with an error as
 * dial_listen(), or ERR_RESOURCE. */
struct acceptor *acceptor_new(const struct acceptor_config *cfg, struct err *e);

/* Before acceptor_start(), where mode.tls was NULL: the credentials,
 * borrowed. */
void acceptor_set_tls(struct acceptor *a, struct tls *tls);

/* The port that it listens on. */
uint16_t acceptor_port(const struct acceptor *a);

/* Where messages about its connections, and about sessions that were lost, are
 * limited. */
struct refusals *acceptor_refusals(struct acceptor *a);

/* Stop listening; streams that have come can still be taken.  Blocks until the
 * handshakes that go on have been ended. */
void acceptor_stop(struct acceptor *a);

/* Start to accept, and call the listening event.  Returns 0 or ERR_RESOURCE. */
int acceptor_start(struct acceptor *a, struct err *e);

/* End all connections whose streams were not returned, and the threads.  NULL
 * is allowed. */
void acceptor_free(struct acceptor *a);

/*
 * Wait until deadline_ms (clock_ms(); 0: for ever) for a receiver that wants a
 * session, whose peer becomes the session's.  Returns 0; ERR_TIMEOUT;
 * ERR_INTERRUPTED when cancel is set; or the error of a connection that failed
 * after it had used up the one-time code (ERR_AUTH for a wrong guess, unless
 * mode.renewal made another code): no other
 * connection can succeed after that.
 */
int acceptor_first(struct acceptor *a, uint64_t deadline_ms,
		   const struct cancel *cancel, struct accepted *out,
		   struct err *e);

/* Whether the session's peer has made a further connection, which is then
 * reserved for one call of acceptor_further(). */
int acceptor_reserve(struct acceptor *a);

/* The session has ended and another may begin, with any peer: end the waiting
 * streams and forget the reservations.  Only between sessions, when no other
 * thread calls acceptor_first() or acceptor_further(). */
void acceptor_restart(struct acceptor *a);

/* Get the stream of a reserved connection.  Does not block.  Returns 0; or
 * ERR_CLOSED where there is none. */
int acceptor_further(struct acceptor *a, struct accepted *out, struct err *e);

/* A descriptor that is readable after a connection has come, until it is
 * cleared; for a single thread, instead of acceptor_first(). */
int acceptor_fd(const struct acceptor *a);
void acceptor_clear_fd(const struct acceptor *a);

#endif
