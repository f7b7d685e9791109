/*
 * tls_priv.h - struct tls.  Private to tls.c and tls_conn.c.
 *
 * Layer: auth.  Uses OpenSSL.
 */
#ifndef FERRY_AUTH_TLS_PRIV_H
#define FERRY_AUTH_TLS_PRIV_H

#include <stdint.h>

#include <openssl/ssl.h>

#include "auth/key.h"
#include "auth/tls.h"
#include "net/addr.h"

enum { TLS_PIN_BYTES = 32 };

/* A shared key. */
struct tls_key {
	uint8_t psk[KEY_BYTES];
	uint8_t id_key[KEY_BYTES]; /* PSK: see key_identity() */
	char name[KEY_NAME_MAX];   /* key_name(), or "code" */
};

/* Set once by tls_new() (with CODE also by tls_set_psk()), then only read. */
struct tls {
	enum security mode;
	enum net_role role;
	uint64_t rekey_bytes;
	/* Not affected by openssl.cnf. */
	OSSL_LIB_CTX *libctx;
	SSL_CTX *ctx;
	/* PSK, CODE */
	struct tls_key *keys; /* with CODE, one */
	size_t key_count;
	int has_psk; /* with CODE: since tls_set_psk() */
	/* Random, used as the PSK of an unknown identity, so that a wrong
	 * identity fails in the same way as a wrong key. */
	uint8_t decoy[KEY_BYTES];
	/* X509: the name that the other side's certificate must have, or "" */
	char host[ADDR_HOST_MAX];
	/* PIN */
	uint8_t (*pins)[TLS_PIN_BYTES];
	size_t pin_count;
	/* X509: the subjects that are accepted; none: all */
	char **subjects;
	size_t subject_count;
};

/* Whether both sides authenticate by a shared key instead of certificates. */
static inline int tls_uses_psk(const struct tls *t)
{
	return t->mode == SECURITY_PSK || t->mode == SECURITY_CODE;
}

/*
 * To be called when the calling thread needs no more random numbers of t's
 * library context.  OpenSSL keeps a generator for each thread and context and
 * frees it when the thread ends, which crashes if the context was freed before.
 */
void tls_leave_thread(const struct tls *t);

/* SHA-256 of the certificate's SPKI or, with cert NULL, of the name of this
 * shared key (key.h); zeroes when memory ran out. */
void tls_peer_hash(const struct tls *t, X509 *cert, size_t key,
		   uint8_t hash[TLS_PIN_BYTES]);

/* OpenSSL represents an external PSK as a session to resume.  NULL when out of
 * memory. */
SSL_SESSION *tls_psk_session(SSL *ssl, const uint8_t psk[KEY_BYTES]);

/* The identity that a client sends in a connection with this nonce; 0 or -1. */
int tls_identity(const struct tls *t, const uint8_t nonce[KEY_NONCE],
		 char identity[KEY_IDENTITY_MAX]);

/* The PSK of the identity that a client sent, whose index *key becomes; a
 * random one for an unknown identity. */
const uint8_t *tls_find_psk(const struct tls *t, const uint8_t *id, size_t n,
			    size_t *key);

/* Which pin is that of the certificate's public key; -1: none. */
int tls_find_pin(const struct tls *t, X509 *cert);

/* Which of the subjects is the certificate's; 0 where all are accepted; -1:
 * none. */
int tls_find_subject(const struct tls *t, X509 *cert);

#endif
