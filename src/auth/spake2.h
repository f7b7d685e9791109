/*
 * spake2.h - SPAKE2 over P-256 (RFC 9382): two sides that know the same short
 * secret agree on a key, and nobody else learns anything that would let the
 * secret be guessed but by asking one of them, once a guess.
 *
 * Layer: auth.  Uses base, hkdf.h, OpenSSL.
 * Threads: a struct spake2 belongs to the thread that made it.
 *
 * The suite is SPAKE2-P256-SHA256-HKDF-HMAC.  Nothing here does input or
 * output.  The order of calls is that of the functions below.
 */
#ifndef FERRY_AUTH_SPAKE2_H
#define FERRY_AUTH_SPAKE2_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum spake2_role { SPAKE2_A, SPAKE2_B };

enum {
	SPAKE2_SEED = 40,   /* bytes that w is made from: 64 bits to spare */
	SPAKE2_SCALAR = 32, /* big-endian */
	SPAKE2_SHARE = 65,  /* a point, uncompressed: 4, X, Y */
	SPAKE2_MAC = 32,
	SPAKE2_KEY = 16,
	SPAKE2_TEXT_MAX = 32, /* of an identity, of the additional data */
};

struct spake2_config {
	enum spake2_role role;
	const char *id_a, *id_b; /* may be empty */
	const char *aad;         /* additional data; may be empty */
	uint8_t w[SPAKE2_SCALAR];
	/* Test knob: our secret scalar; NULL, as it has to be: a random one. */
	const uint8_t *scalar;
};

/* w from the output of a memory-hard function: the number modulo the order of
 * the group.  Returns 0, or ERR_RESOURCE. */
int spake2_make_w(uint8_t w[SPAKE2_SCALAR], const uint8_t seed[SPAKE2_SEED],
		  struct err *e);

struct spake2;

/* Begin: a new secret scalar and our share of it.  cfg is copied.  NULL with
 * ERR_RESOURCE. */
struct spake2 *spake2_new(const struct spake2_config *cfg, struct err *e);

/* Wipe and free; NULL is allowed. */
void spake2_free(struct spake2 *s);

/* Our share, SPAKE2_SHARE bytes to be sent; good until spake2_free(). */
const uint8_t *spake2_share(const struct spake2 *s);

/*
 * Take the peer's share and compute keys and confirmations.  ERR_AUTH for what
 * no honest peer sends: another form than uncompressed, not on the curve, the
 * point at infinity, our own share, or one that makes the shared point that at
 * infinity.  ERR_RESOURCE.
 */
int spake2_take(struct spake2 *s, const uint8_t share[SPAKE2_SHARE],
		struct err *e);

/* Our confirmation, SPAKE2_MAC bytes. */
const uint8_t *spake2_mac(const struct spake2 *s);

/* Whether this is the peer's confirmation, in constant time: it knows w, and
 * its transcript is ours. */
int spake2_check(const struct spake2 *s, const uint8_t mac[SPAKE2_MAC]);

/* n bytes of key for the use that label names, by HKDF-SHA256 from the shared
 * key; only after spake2_check() said yes.  Returns 0 or ERR_RESOURCE. */
int spake2_expand(const struct spake2 *s, const char *label, void *out,
		  size_t n, struct err *e);

/* Test knob: the shared key itself, SPAKE2_KEY bytes. */
const uint8_t *spake2_key(const struct spake2 *s);

#endif
