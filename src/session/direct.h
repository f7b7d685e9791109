/*
 * direct.h - direct streams of a session by ssh: TCP connections between the
 * two hosts, authenticated by a key that goes through ssh.
 *
 * Layer: session.
 * Threads: a struct direct: direct_open() and direct_cancel() from any thread,
 * the others while no other thread uses it.  All else: any.
 *
 * The side that ssh has started listens, and says where (DIRECT); the other one
 * connects.  The key is made for one session and is the only one that is
 * accepted.
 */
#ifndef FERRY_SESSION_DIRECT_H
#define FERRY_SESSION_DIRECT_H

#include "base/err.h"
#include "net/addr.h"
#include "net/stream.h"

struct connector;
struct msg_direct;
struct net_options;
struct tls;

/* Which way content takes: --data. */
enum direct_use {
	DIRECT_AUTO, /* directly where that is possible */
	DIRECT_ONLY,
	DIRECT_NEVER,
};

enum {
	/* How long connecting may take until content is left to ssh. */
	DIRECT_CONNECT_MS = 2000,
	/* How long the other side listens for the first connection. */
	DIRECT_LISTEN_MS = 10000,
};

/* ---- the side that listens ---- */

/*
 * Set the addresses of m: the one that ssh has reached (SSH_CONNECTION), then
 * those of this host's interfaces, without loopback and link-local ones (the
 * first may be either).  Call it before the sandbox.  Does not fail: there may
 * be none.
 */
void direct_find_addresses(struct msg_direct *m);

/* Make the key of m, and credentials for NET_LISTENS with it, which the caller
 * frees with tls_free().  NULL with ERR_RESOURCE. */
struct tls *direct_make_key(struct msg_direct *m, struct err *e);

/* ---- the side that connects ---- */

struct direct;

/* Both are borrowed; connector may be NULL: this process connects.  NULL when
 * out of memory or descriptors. */
struct direct *direct_new(struct connector *connector,
			  const struct net_options *net);
void direct_free(struct direct *d); /* NULL is allowed */

/* The other side listens there.  Returns 0; ERR_CONNECT where it cannot listen;
 * ERR_RESOURCE. */
int direct_take(struct direct *d, const struct msg_direct *m, struct err *e);

/*
 * Connect and authenticate.  The first call, which has to have returned before
 * there are others, tries the addresses for DIRECT_CONNECT_MS; later ones
 * connect to the address that it has found.  Of cfg, only timeout_ms counts.
 * Fills peer (ADDR_TEXT_MAX bytes).
 *
 * Returns a stream that the caller owns; or NULL with ERR_CONNECT, ERR_AUTH or
 * another error of secure_open(); ERR_INTERRUPTED after direct_cancel().
 */
struct stream *direct_open(struct direct *d, const struct stream_config *cfg,
			   char *peer, struct err *e);

/* End direct_open() in other threads, and let later calls fail, until
 * direct_reset(), which also forgets what direct_take() was given. */
void direct_cancel(struct direct *d);
void direct_reset(struct direct *d);

#endif
