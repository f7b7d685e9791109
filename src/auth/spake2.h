/*
 * spake2.h - SPAKE2 over P-256 (RFC 9382): two sides with the same short secret
 * agree on a key.  An attacker, passive or active, gains nothing for an offline
 * search of the secret: each guess takes an exchange with one of the sides.
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: a struct spake2 belongs to the thread that made it.
 *
 * The cipher suite is SPAKE2-P256-SHA256-HKDF-HMAC.  No input or output is done
 * here.  Functions are to be called in the order below.
 */
#ifndef FERRY_AUTH_SPAKE2_H
#define FERRY_AUTH_SPAKE2_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum spake2_role { SPAKE2_A, SPAKE2_B };

enum {
	/* Bytes that w is made from: 64 bits more than the order has, so that
	 * the remainder is not biased to any use. */
	SPAKE2_SEED = 40,
	SPAKE2_SCALAR = 32, /* big-endian */
	SPAKE2_SHARE = 65,  /* an uncompressed point: 4, X, Y */
	SPAKE2_MAC = 32,
	SPAKE2_KEY = 16,
	SPAKE2_TEXT_MAX = 32, /* of each identity and the additional data */
};

struct spake2_config {
	enum spake2_role role;
	const char *id_a, *id_b; /* identities; may be empty */
	const char *aad;         /* additional data; may be empty */
	uint8_t w[SPAKE2_SCALAR];
	/* For tests only: our secret scalar; NULL: a random one. */
	const uint8_t *scalar;
};

/* Make w from the output of a memory-hard function: that number modulo the
 * order of the group.  Returns 0 or ERR_RESOURCE. */
int spake2_make_w(uint8_t w[SPAKE2_SCALAR], const uint8_t seed[SPAKE2_SEED],
		  struct err *e);

struct spake2;

/* Choose a secret scalar and compute our share.  cfg and its texts are copied.
 * NULL with ERR_RESOURCE, also when a text is too long. */
struct spake2 *spake2_new(const struct spake2_config *cfg, struct err *e);

/* Wipe and free; NULL is allowed. */
void spake2_free(struct spake2 *s);

/* Our share, SPAKE2_SHARE bytes for the peer; valid until spake2_free(). */
const uint8_t *spake2_share(const struct spake2 *s);

/*
 * Compute keys and confirmations from the peer's share.  Returns 0; ERR_AUTH
 * for a share that no honest peer sends: not an uncompressed point, not on the
 * curve, our own share reflected, or one for which the shared point is the
 * point at infinity; ERR_RESOURCE.
 */
int spake2_take_share(struct spake2 *s, const uint8_t share[SPAKE2_SHARE],
		struct err *e);

/* Our confirmation, SPAKE2_MAC bytes for the peer; valid until
 * spake2_free(). */
const uint8_t *spake2_mac(const struct spake2 *s);

/* Whether this is the confirmation of a peer that knows w and has the same
 * transcript.  Compares in constant time. */
int spake2_check(const struct spake2 *s, const uint8_t mac[SPAKE2_MAC]);

/* Derive n bytes of key for the use that label names, by HKDF-SHA256 from the
 * shared key; only after spake2_check() returned 1.  Returns 0 or
 * ERR_RESOURCE. */
int spake2_derive(const struct spake2 *s, const char *label, void *out,
		  size_t n, struct err *e);

/* For tests only: the shared key itself, SPAKE2_KEY bytes. */
const uint8_t *spake2_key(const struct spake2 *s);

#endif
