/*
 * carrier.h - where the first stream of a session comes from, if it is no TCP
 * connection that this side makes or accepts: through ssh.
 *
 * Layer: session.
 * Threads: open() is called in the thread of the first stream, once a session.
 */
#ifndef FERRY_SESSION_CARRIER_H
#define FERRY_SESSION_CARRIER_H

#include "base/err.h"
#include "net/addr.h"
#include "net/stream.h"

struct carrier {
	/*
	 * Blocks until there is a stream, cfg->cancel is set, or it fails.
	 * Returns a plain stream, which the caller owns, and the peer's name in
	 * peer, escaped; or NULL with an error whose text names the host.
	 */
	struct stream *(*open)(void *ctx, const struct stream_config *cfg,
			       char peer[ADDR_TEXT_MAX], struct err *e);
	void *ctx;
};

#endif
