/*
 * tls_conn.h - a stream that speaks TLS.
 *
 * Layer: auth.  Uses base, net/stream.h.
 * Threads: any; a stream then belongs to one.
 */
#ifndef FERRY_AUTH_TLS_CONN_H
#define FERRY_AUTH_TLS_CONN_H

#include "auth/tls.h"
#include "base/err.h"
#include "net/stream.h"

/*
 * stream_open() with the TLS handshake of t, whose role and credentials
 * (tls.h) must outlive the stream.  With t NULL: a plain stream.  fd stays the
 * caller's where this fails.
 *
 * Everything that is wrong with the authentication is ERR_AUTH, with one of
 * the texts of tls.h.
 */
struct stream *tls_conn_open(int fd, const struct tls *t,
			     const struct stream_config *cfg, struct err *e);

#endif
