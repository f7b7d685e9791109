/*
 * acceptor.h - for a sender that listens: authenticated streams from one peer.
 *
 * Layer: session.  Uses auth/secure.h, listener.h, admission.h.
 * Threads: acceptor_first(), acceptor_reserve() and acceptor_further() from any
 * thread; the others from the owner's.  It has a thread of its own that accepts,
 * and one for each connection that is being authenticated.
 *
 * Whoever connects has to authenticate, and many may try at once.  The peer
 * whose stream is taken first is the session's: of the streams that follow,
 * only those from its address are handed out.
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
struct session_events;
struct stream;

/* The pointers are borrowed. */
struct acceptor_config {
	uint16_t port; /* 0: any free one */
	struct net_options net;
	struct secure_mode mode;       /* role: NET_LISTENS */
	const struct cidr_list *allow; /* who may connect */
	int timeout_ms;                /* of the streams */
	const struct session_events *events;
};

/* What a connection came to. */
struct accepted {
	struct stream *stream; /* the caller's */
	char peer[ADDR_TEXT_MAX];
	unsigned rtt_us; /* dial_rtt_us() */
};

/* Listen; nothing is accepted yet.  NULL with an error as dial_listen(), or
 * ERR_RESOURCE. */
struct acceptor *acceptor_new(const struct acceptor_config *cfg, struct err *e);

/* Start to accept, and call the listening event.  Returns 0 or ERR_RESOURCE. */
int acceptor_start(struct acceptor *a, struct err *e);

/* End all connections that were not handed out, and the threads.  NULL is
 * allowed. */
void acceptor_free(struct acceptor *a);

/*
 * The first authenticated stream, whose peer is the session's from now on; waits
 * for it.  cancel ends the wait with ERR_INTERRUPTED.  Returns 0; or an error,
 * ERR_AUTH for a wrong guess, where a code was used up by a connection that came
 * to nothing: then none will come any more.
 */
int acceptor_first(struct acceptor *a, const struct cancel *cancel,
		   struct accepted *out, struct err *e);

/* Whether the session's peer has made a further connection, which is set aside
 * for one call of acceptor_further(). */
int acceptor_reserve(struct acceptor *a);

/* The stream of a connection that was set aside.  Does not wait.  NULL with
 * ERR_CLOSED where there is none. */
struct stream *acceptor_further(struct acceptor *a, struct err *e);

#endif
