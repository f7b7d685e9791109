/*
 * HKDF-SHA256 through OpenSSL's EVP_KDF.
 */
#include "auth/hkdf.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

OSSL_LIB_CTX *hkdf_context(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	return OSSL_LIB_CTX_new();
}

int hkdf_derive(OSSL_LIB_CTX *libctx, const void *key, size_t key_len,
		const char *info, void *out, size_t n)
{
	char digest[] = "SHA256";
	uint8_t secret[HKDF_KEY_MAX], label[HKDF_INFO_MAX];
	size_t label_len = strlen(info);
	OSSL_PARAM params[4];
	EVP_KDF *kdf = NULL;
	EVP_KDF_CTX *ctx = NULL;
	int ok = 0;

	if (label_len > sizeof(label) || key_len > sizeof(secret))
		return -1;
	/* OSSL_PARAM takes pointers that are not const. */
	memcpy(label, info, label_len);
	memcpy(secret, key, key_len);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						     digest, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
						      secret, key_len);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
						      label, label_len);
	params[3] = OSSL_PARAM_construct_end();
	kdf = EVP_KDF_fetch(libctx, "HKDF", NULL);
	if (kdf)
		ctx = EVP_KDF_CTX_new(kdf);
	if (ctx)
		ok = EVP_KDF_derive(ctx, out, n, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	OPENSSL_cleanse(secret, sizeof(secret));
	return ok ? 0 : -1;
}
