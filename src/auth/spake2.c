/*
 * RFC 9382 with OpenSSL's EC and BN functions.  Scalars are secret: points are
 * multiplied by one scalar at a time, since only that form of EC_POINT_mul()
 * runs in constant time, and all memory that held a scalar is wiped.
 */
#include "auth/spake2.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include "auth/hkdf.h"
#include "base/buf.h"

#define CONFIRM_LABEL "ConfirmationKeys"

enum {
	COMPRESSED = 33,
	HASH = 32,
	TRANSCRIPT_MAX = 6 * 8 + 2 * SPAKE2_TEXT_MAX + 3 * SPAKE2_SHARE +
			 SPAKE2_SCALAR,
};

/* M and N of RFC 9382, section 6, whose discrete logarithms are unknown. */
static const uint8_t point_m[COMPRESSED] = {
	0x02, 0x88, 0x6e, 0x2f, 0x97, 0xac, 0xe4, 0x6e, 0x55, 0xba, 0x9d,
	0xd7, 0x24, 0x25, 0x79, 0xf2, 0x99, 0x3b, 0x64, 0xe1, 0x6e, 0xf3,
	0xdc, 0xab, 0x95, 0xaf, 0xd4, 0x97, 0x33, 0x3d, 0x8f, 0xa1, 0x2f,
};
static const uint8_t point_n[COMPRESSED] = {
	0x03, 0xd8, 0xbb, 0xd6, 0xc6, 0x39, 0xc6, 0x29, 0x37, 0xb0, 0x4d,
	0x99, 0x7f, 0x38, 0xc3, 0x77, 0x07, 0x19, 0xc6, 0x29, 0xd7, 0x01,
	0x4d, 0x49, 0xa2, 0x4b, 0x4f, 0x98, 0xba, 0xa1, 0x29, 0x2b, 0x49,
};

struct spake2 {
	struct spake2_config cfg;
	char id_a[SPAKE2_TEXT_MAX + 1], id_b[SPAKE2_TEXT_MAX + 1];
	char aad[SPAKE2_TEXT_MAX + 1];
	OSSL_LIB_CTX *libctx;
	EC_GROUP *group;
	BN_CTX *bn;
	BIGNUM *w;       /* the shared secret */
	BIGNUM *scalar;  /* ours: x or y */
	EC_POINT *mine;  /* w times our blinding point (A: M, B: N) */
	EC_POINT *other; /* w times the peer's blinding point */
	uint8_t share[SPAKE2_SHARE];
	uint8_t key[SPAKE2_KEY];
	uint8_t mac[SPAKE2_MAC], peer_mac[SPAKE2_MAC];
};

static int failed(struct err *e)
{
	return err_set(e, ERR_RESOURCE,
		       "cannot compute the key exchange (out of memory?)");
}

/* ---- numbers and points ---- */

int spake2_make_w(uint8_t w[SPAKE2_SCALAR], const uint8_t seed[SPAKE2_SEED],
		  struct err *e)
{
	OSSL_LIB_CTX *libctx = hkdf_context();
	BN_CTX *bn = NULL;
	EC_GROUP *group = NULL;
	BIGNUM *n = NULL;
	int ok = 0;

	if (libctx) {
		bn = BN_CTX_secure_new_ex(libctx);
		group = EC_GROUP_new_by_curve_name_ex(libctx, NULL,
						      NID_X9_62_prime256v1);
		n = BN_secure_new();
	}
	if (bn && group && n && BN_bin2bn(seed, SPAKE2_SEED, n)) {
		BN_set_flags(n, BN_FLG_CONSTTIME);
		ok = BN_nnmod(n, n, EC_GROUP_get0_order(group), bn) &&
		     BN_bn2binpad(n, w, SPAKE2_SCALAR) == SPAKE2_SCALAR;
	}
	BN_clear_free(n);
	EC_GROUP_free(group);
	BN_CTX_free(bn);
	OSSL_LIB_CTX_free(libctx);
	return ok ? 0 : failed(e);
}

/* w times M or N; NULL when memory ran out. */
static EC_POINT *blinding(const struct spake2 *s, const uint8_t *compressed)
{
	EC_POINT *p = EC_POINT_new(s->group);

	if (p &&
	    EC_POINT_oct2point(s->group, p, compressed, COMPRESSED, s->bn) &&
	    EC_POINT_mul(s->group, p, NULL, p, s->w, s->bn))
		return p;
	EC_POINT_clear_free(p);
	return NULL;
}

static int choose_scalar(struct spake2 *s)
{
	const BIGNUM *order = EC_GROUP_get0_order(s->group);

	if (s->cfg.scalar)
		return BN_bin2bn(s->cfg.scalar, SPAKE2_SCALAR, s->scalar) !=
		       NULL;
	do {
		if (!BN_priv_rand_range_ex(s->scalar, order, 256, s->bn))
			return 0;
	} while (BN_is_zero(s->scalar));
	return 1;
}

/* Our share: our scalar times the generator, plus our blinding point. */
static int encode_share(struct spake2 *s)
{
	EC_POINT *p = EC_POINT_new(s->group);
	int ok = p && EC_POINT_mul(s->group, p, s->scalar, NULL, NULL, s->bn) &&
		 EC_POINT_add(s->group, p, p, s->mine, s->bn) &&
		 EC_POINT_point2oct(s->group, p, POINT_CONVERSION_UNCOMPRESSED,
				    s->share, SPAKE2_SHARE,
				    s->bn) == SPAKE2_SHARE;

	EC_POINT_clear_free(p);
	return ok;
}

static int copy_text(char *dst, const char *src)
{
	size_t n = strlen(src);

	if (n > SPAKE2_TEXT_MAX)
		return 0;
	memcpy(dst, src, n + 1);
	return 1;
}

static int compute_share(struct spake2 *s)
{
	const int is_a = s->cfg.role == SPAKE2_A;

	s->libctx = hkdf_context();
	if (!s->libctx)
		return 0;
	s->bn = BN_CTX_secure_new_ex(s->libctx);
	s->group = EC_GROUP_new_by_curve_name_ex(s->libctx, NULL,
						 NID_X9_62_prime256v1);
	s->w = BN_secure_new();
	s->scalar = BN_secure_new();
	if (!s->bn || !s->group || !s->w || !s->scalar ||
	    !BN_bin2bn(s->cfg.w, SPAKE2_SCALAR, s->w) || !choose_scalar(s))
		return 0;
	BN_set_flags(s->w, BN_FLG_CONSTTIME);
	BN_set_flags(s->scalar, BN_FLG_CONSTTIME);
	s->mine = blinding(s, is_a ? point_m : point_n);
	s->other = blinding(s, is_a ? point_n : point_m);
	return s->mine && s->other && encode_share(s);
}

struct spake2 *spake2_new(const struct spake2_config *cfg, struct err *e)
{
	struct spake2 *s = calloc(1, sizeof(*s));

	if (s) {
		s->cfg = *cfg;
		if (copy_text(s->id_a, cfg->id_a) &&
		    copy_text(s->id_b, cfg->id_b) &&
		    copy_text(s->aad, cfg->aad) && compute_share(s))
			return s;
	}
	spake2_free(s);
	failed(e);
	return NULL;
}

void spake2_free(struct spake2 *s)
{
	if (!s)
		return;
	EC_POINT_clear_free(s->mine);
	EC_POINT_clear_free(s->other);
	BN_clear_free(s->w);
	BN_clear_free(s->scalar);
	EC_GROUP_free(s->group);
	BN_CTX_free(s->bn);
	OSSL_LIB_CTX_free(s->libctx);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

const uint8_t *spake2_share(const struct spake2 *s)
{
	return s->share;
}

/* ---- the peer's share, and what follows from it ---- */

static int bad_share(struct err *e)
{
	return err_set(e, ERR_AUTH, "the other side sent an invalid key share");
}

/*
 * Decode the peer's share.  Only the uncompressed encoding is accepted, which
 * cannot express the point at infinity; OpenSSL checks that the point is on the
 * curve.  When OpenSSL ran out of memory the peer must not be blamed.
 */
static int read_share(struct spake2 *s, const uint8_t *share, EC_POINT *p,
		      struct err *e)
{
	unsigned long why;

	if (share[0] != POINT_CONVERSION_UNCOMPRESSED ||
	    CRYPTO_memcmp(share, s->share, SPAKE2_SHARE) == 0)
		return bad_share(e);
	ERR_clear_error();
	if (EC_POINT_oct2point(s->group, p, share, SPAKE2_SHARE, s->bn))
		return 0;
	why = ERR_peek_last_error();
	ERR_clear_error();
	if (ERR_GET_LIB(why) == ERR_LIB_EC &&
	    ERR_GET_REASON(why) != ERR_R_MALLOC_FAILURE)
		return bad_share(e);
	return failed(e);
}

/* Compute the shared point K, encoded.  Returns 0, ERR_AUTH for an invalid
 * share, or ERR_RESOURCE. */
static int compute_shared_point(struct spake2 *s, const uint8_t *share,
			uint8_t k[SPAKE2_SHARE], struct err *e)
{
	EC_POINT *p = EC_POINT_new(s->group), *other = NULL;
	int rc;

	if (p)
		other = EC_POINT_dup(s->other, s->group);
	rc = other ? read_share(s, share, p, e) : failed(e);
	if (rc < 0)
		goto out;
	if (!EC_POINT_invert(s->group, other, s->bn) ||
	    !EC_POINT_add(s->group, p, p, other, s->bn) ||
	    !EC_POINT_mul(s->group, p, NULL, p, s->scalar, s->bn))
		rc = failed(e);
	else if (EC_POINT_is_at_infinity(s->group, p))
		rc = bad_share(e);
	else if (EC_POINT_point2oct(s->group, p, POINT_CONVERSION_UNCOMPRESSED,
				    k, SPAKE2_SHARE, s->bn) != SPAKE2_SHARE)
		rc = failed(e);
out:
	EC_POINT_clear_free(other);
	EC_POINT_clear_free(p);
	return rc;
}

/* Lengths in the transcript are 8 bytes, little-endian (RFC 9382); none here
 * exceeds 255. */
static void put_part(struct buf *tt, const void *p, size_t n)
{
	uint8_t len[8] = { (uint8_t)n };

	buf_put(tt, len, sizeof(len));
	buf_put(tt, p, n);
}

static int hmac(const struct spake2 *s, const uint8_t *key,
		const struct buf *tt, uint8_t *mac)
{
	size_t len = 0;

	return EVP_Q_mac(s->libctx, "HMAC", NULL, "SHA256", NULL, key,
			 SPAKE2_KEY, tt->data, tt->len, mac, SPAKE2_MAC,
			 &len) &&
	       len == SPAKE2_MAC;
}

/* RFC 9382, section 4: the transcript's hash is Ke and Ka; a confirmation key
 * for each role is derived from Ka. */
static int derive_keys(struct spake2 *s, const struct buf *tt)
{
	uint8_t hash[HASH], confirm[2 * SPAKE2_KEY];
	char info[sizeof(CONFIRM_LABEL) + SPAKE2_TEXT_MAX] = CONFIRM_LABEL;
	const int is_a = s->cfg.role == SPAKE2_A;
	int ok;

	memcpy(info + strlen(CONFIRM_LABEL), s->aad, strlen(s->aad) + 1);
	ok = EVP_Q_digest(s->libctx, "SHA256", NULL, tt->data, tt->len, hash,
			  NULL) &&
	     hkdf_derive(s->libctx, hash + SPAKE2_KEY, SPAKE2_KEY, info,
			 confirm, sizeof(confirm)) == 0 &&
	     hmac(s, confirm, tt, is_a ? s->mac : s->peer_mac) &&
	     hmac(s, confirm + SPAKE2_KEY, tt, is_a ? s->peer_mac : s->mac);
	memcpy(s->key, hash, SPAKE2_KEY);
	OPENSSL_cleanse(hash, sizeof(hash));
	OPENSSL_cleanse(confirm, sizeof(confirm));
	return ok;
}

int spake2_take_share(struct spake2 *s, const uint8_t share[SPAKE2_SHARE],
		struct err *e)
{
	const int is_a = s->cfg.role == SPAKE2_A;
	uint8_t k[SPAKE2_SHARE];
	struct buf tt; /* the transcript */
	int rc = compute_shared_point(s, share, k, e);

	buf_init_secret(&tt, TRANSCRIPT_MAX);
	if (rc == 0) {
		put_part(&tt, s->id_a, strlen(s->id_a));
		put_part(&tt, s->id_b, strlen(s->id_b));
		put_part(&tt, is_a ? s->share : share, SPAKE2_SHARE);
		put_part(&tt, is_a ? share : s->share, SPAKE2_SHARE);
		put_part(&tt, k, SPAKE2_SHARE);
		put_part(&tt, s->cfg.w, SPAKE2_SCALAR);
		if (tt.failed || !derive_keys(s, &tt))
			rc = failed(e);
	}
	buf_release(&tt);
	OPENSSL_cleanse(k, sizeof(k));
	return rc;
}

const uint8_t *spake2_mac(const struct spake2 *s)
{
	return s->mac;
}

int spake2_check(const struct spake2 *s, const uint8_t mac[SPAKE2_MAC])
{
	return CRYPTO_memcmp(s->peer_mac, mac, SPAKE2_MAC) == 0;
}

int spake2_derive(const struct spake2 *s, const char *label, void *out,
		  size_t n, struct err *e)
{
	if (hkdf_derive(s->libctx, s->key, SPAKE2_KEY, label, out, n) == 0)
		return 0;
	return failed(e);
}

const uint8_t *spake2_key(const struct spake2 *s)
{
	return s->key;
}
