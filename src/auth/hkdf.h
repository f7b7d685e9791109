/*
 * hkdf.h - derives keys from a key: HKDF with SHA-256 (RFC 5869).
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: any, each with its own library context.
 */
#ifndef FERRY_AUTH_HKDF_H
#define FERRY_AUTH_HKDF_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

enum { HKDF_KEY_MAX = 32, HKDF_INFO_MAX = 64 };

/* Make a library context that openssl.cnf does not affect.  The thread that
 * made it frees it with OSSL_LIB_CTX_free().  NULL when out of memory. */
OSSL_LIB_CTX *hkdf_context(void);

/*
 * Derive n bytes from a uniformly random key (at most HKDF_KEY_MAX bytes), by
 * extract without salt and expand.  info (at most HKDF_INFO_MAX bytes) names
 * the use, so that keys for different uses are independent.  Returns 0; or -1,
 * with out undefined, when key or info is too long or OpenSSL fails.
 */
int hkdf_derive(OSSL_LIB_CTX *libctx, const void *key, size_t key_len,
		const char *info, void *out, size_t n);

#endif
