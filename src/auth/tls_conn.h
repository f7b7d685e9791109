/*
 * tls_conn.h - one TLS connection, as the stream sees it.  Private to
 * auth/ and net/.
 *
 * Layer: auth.  Used by stream.c alone.
 * Threads: one at a time.
 *
 * ERR_AGAIN is no failure here: nothing is recorded in e.
 *
 * Does no input and output itself: OpenSSL reads and writes two buffers of
 * ciphertext, which the stream fills from the socket and empties to it, in
 * blocks much larger than TLS's records of 16 KiB, so that the number of
 * system calls does not follow the number of records.
 */
#ifndef FERRY_AUTH_TLS_CONN_H
#define FERRY_AUTH_TLS_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "auth/tls.h"

enum {
	TLS_CONN_BUFFER = 256 * 1024, /* each way, allocated when first used */
	TLS_CONN_RECORD = 16 * 1024,  /* plaintext of a full record */
};

struct tls_conn;

/* NULL with ERR_RESOURCE when out of memory.  t is borrowed. */
struct tls_conn *tls_conn_new(const struct tls *t, struct err *e);
void tls_conn_free(struct tls_conn *c);

/*
 * Ciphertext that came: put at most *cap bytes (not 0) where _space() says,
 * then tell how many.  To be called when a function below said ERR_AGAIN.
 * NULL with ERR_RESOURCE when out of memory.
 */
void *tls_conn_in_space(struct tls_conn *c, size_t *cap, struct err *e);
void tls_conn_in_added(struct tls_conn *c, size_t n);
/* The peer's FIN. */
void tls_conn_in_eof(struct tls_conn *c);

/* Ciphertext to be sent, *n bytes (0: none); the pointer stays good until
 * _sent(), which takes bytes from the front. */
const void *tls_conn_out(const struct tls_conn *c, size_t *n);
void tls_conn_out_sent(struct tls_conn *c, size_t n);

/*
 * Go on with the handshake.  Returns 0 when it is done and the peer is
 * authenticated; ERR_AGAIN when more input is needed (after what is in `out`
 * was sent); ERR_AUTH (tls.h), ERR_LOST for an end in the middle,
 * ERR_RESOURCE.
 */
int tls_conn_handshake(struct tls_conn *c, struct err *e);

/*
 * The plaintext.  None of these waits.  tls_conn_read(): ERR_AGAIN means that
 * input is needed; ERR_CLOSED the peer's close_notify; ERR_LOST an end
 * without one; ERR_CORRUPT a damaged record, here or there; ERR_AUTH that the
 * peer refused us after our side of the handshake was done already, as a TLS
 * 1.3 receiver does.  Errors but ERR_AGAIN stay.  tls_conn_write() takes at
 * most one record; ERR_AGAIN means that `out` must be sent first.
 */
int tls_conn_read(struct tls_conn *c, void *p, size_t cap, size_t *got,
		  struct err *e);
int tls_conn_write(struct tls_conn *c, const void *p, size_t n, size_t *took,
		   struct err *e);

/* Whether tls_conn_read() would say something else than ERR_AGAIN. */
int tls_conn_has_input(struct tls_conn *c);

/* Whether application data was received. */
int tls_conn_has_begun(const struct tls_conn *c);

/* See stream_peer_id(); after the handshake. */
void tls_conn_peer_id(const struct tls_conn *c, uint8_t id[32]);

/* Put close_notify into `out`; nothing can be written any more. */
int tls_conn_shutdown(struct tls_conn *c, struct err *e);

#endif
