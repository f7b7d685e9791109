/*
 * secure.h - makes a connected socket a stream whose peer is authenticated.
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: any; several connections may be authenticated at once.
 *
 * The role in the code exchange and in TLS follows from which side connects.
 */
#ifndef FERRY_AUTH_SECURE_H
#define FERRY_AUTH_SECURE_H

#include "base/err.h"
#include "net/role.h"
#include "net/stream.h"

struct pake;
struct tls;

/* How peers are authenticated.  The pointers are borrowed. */
struct secure_mode {
	enum net_role role;
	struct tls *tls;   /* made for this role; NULL: plain */
	struct pake *pake; /* with SECURITY_CODE, else NULL */
};

/*
 * libcrypto_prepare_thread() with a message, for a thread that reads and writes
 * by TLS what another one has opened; secure_open() does it itself.  Returns 0
 * or ERR_RESOURCE.
 */
int secure_prepare_thread(struct err *e);

/*
 * With SECURITY_CODE, and if no key was agreed on yet, exchange the code; then
 * make the TLS handshake.  Blocks at most until cfg's deadline; without one,
 * the code exchange is limited to cfg->timeout_ms.
 *
 * On success the stream owns fd; on failure fd stays the caller's.
 *
 * *spent_code (may be NULL) is set to 1 if this connection used the code up,
 * whatever is returned (see pake_listen()), else to 0; always 0 for the side
 * that connects.
 *
 * Returns the stream, or NULL with an error as tls_conn_open(), pake_connect()
 * and pake_listen().
 */
struct stream *secure_open(int fd, const struct secure_mode *mode,
			   const struct stream_config *cfg, int *spent_code,
			   struct err *e);

#endif
