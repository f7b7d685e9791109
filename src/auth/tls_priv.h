/*
 * tls_priv.h - what struct tls holds.  Private to tls.c and tls_conn.c.
 *
 * Layer: auth.  Uses base, net/role.h, key.h, OpenSSL.
 */
#ifndef FERRY_AUTH_TLS_PRIV_H
#define FERRY_AUTH_TLS_PRIV_H

#include <stdint.h>

#include <openssl/ssl.h>

#include "auth/key.h"
#include "auth/tls.h"

enum { TLS_PIN_BYTES = 32, TLS_IDENTITY_MAX = 64 };

/* Set once by tls_new() (with CODE also by tls_set_psk()), then only read. */
struct tls {
	enum security mode;
	enum net_role role;
	uint64_t rekey_bytes;
	/* OpenSSL apart from openssl.cnf. */
	OSSL_LIB_CTX *libctx;
	SSL_CTX *ctx;
	/* PSK, CODE */
	char identity[TLS_IDENTITY_MAX];
	int has_psk;
	uint8_t psk[KEY_BYTES];
	/* Stands in for the PSK of an identity that is not ours, so that a
	 * wrong identity and a wrong key fail in the same way. */
	uint8_t decoy[KEY_BYTES];
	/* PIN */
	uint8_t pin[TLS_PIN_BYTES];
};

/* Whether a key that both sides have takes the place of certificates. */
static inline int tls_uses_psk(const struct tls *t)
{
	return t->mode == SECURITY_PSK || t->mode == SECURITY_CODE;
}

/*
 * The calling thread is done with what may use t's random numbers.  OpenSSL
 * keeps a generator for each thread and library context, and frees it when the
 * thread ends: too late, and a crash, where the context is gone by then.
 */
void tls_leave_thread(const struct tls *t);

/* SHA-256 of the certificate's SPKI or, where there is none, of the identity of
 * the shared key; zeroes when memory ran out. */
void tls_peer_hash(const struct tls *t, X509 *cert, uint8_t hash[TLS_PIN_BYTES]);

/* Whether the certificate's public key is the pinned one. */
int tls_pin_matches(const struct tls *t, X509 *cert);

#endif
