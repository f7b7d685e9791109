/*
 * hkdf.h - keys from a key: HKDF with SHA-256 (RFC 5869).
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: any, with a library context of their own.
 */
#ifndef FERRY_AUTH_HKDF_H
#define FERRY_AUTH_HKDF_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

enum { HKDF_KEY_MAX = 32, HKDF_INFO_MAX = 64 };

/* OpenSSL apart from openssl.cnf, to be freed with OSSL_LIB_CTX_free() by the
 * thread that made it; NULL when out of memory. */
OSSL_LIB_CTX *hkdf_context(void);

/*
 * n bytes to out from a uniformly random key (at most HKDF_KEY_MAX bytes),
 * without salt; info is a text of at most HKDF_INFO_MAX bytes that says what
 * they are for.  Returns 0, or -1 where OpenSSL cannot; out then holds nothing
 * of use.
 */
int hkdf_expand(OSSL_LIB_CTX *libctx, const void *key, size_t key_len,
		const char *info, void *out, size_t n);

#endif
