/*
 * secure.h - from a connected socket to a stream whose peer is authenticated.
 *
 * Layer: auth.  Uses net/role.h, net/stream.h, tls_conn.h, pake.h.
 * Threads: any; several connections may be at it at once.
 *
 * Which part each side has in it follows from who connected: both the exchange
 * of a code and TLS.
 */
#ifndef FERRY_AUTH_SECURE_H
#define FERRY_AUTH_SECURE_H

#include "base/err.h"
#include "net/role.h"
#include "net/stream.h"

struct pake;
struct tls;

/* How peers are authenticated.  All is borrowed. */
struct secure_mode {
	enum net_role role;
	struct tls *tls;   /* made for this role; NULL: not at all (plain) */
	struct pake *pake; /* with SECURITY_CODE, else NULL */
};

/*
 * In code mode, and where there is no key yet, exchange the code; then make
 * the TLS handshake.  Blocks until cfg's deadline; where it has none, the
 * exchange of a code has cfg->timeout_ms.
 *
 * fd is the stream's if this succeeds, and else stays the caller's.
 *
 * *spent_code (may be NULL) becomes 1 where this connection used the code up,
 * whatever is returned: see pake_listen().  The side that connects leaves it
 * 0.
 *
 * Returns the stream, or NULL with an error as tls_conn_open(), pake_connect()
 * and pake_listen().
 */
struct stream *secure_open(int fd, const struct secure_mode *mode,
			   const struct stream_config *cfg, int *spent_code,
			   struct err *e);

#endif
