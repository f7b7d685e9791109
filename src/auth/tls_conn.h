/*
 * tls_conn.h - opening a stream that uses TLS.
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: any; the stream then belongs to one.
 */
#ifndef FERRY_AUTH_TLS_CONN_H
#define FERRY_AUTH_TLS_CONN_H

#include "auth/tls.h"
#include "base/err.h"
#include "net/stream.h"

/*
 * stream_open() with a TLS handshake in the role and with the credentials of t,
 * which must outlive the stream; with t NULL, a plain stream.  On failure fd
 * stays the caller's.
 *
 * Every failure to authenticate is ERR_AUTH, with one of the texts in tls.h.
 */
struct stream *tls_conn_open(int fd, const struct tls *t,
			     const struct stream_config *cfg, struct err *e);

#endif
