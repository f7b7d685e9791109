/*
 * For unit tests in which many exchanges have the same code: scrypt, which
 * takes 0.1 s on purpose, is run once for each code, and its result kept.
 *
 * To be included by the one source file of the test: it defines
 * EVP_KDF_derive() in the place of libcrypto's, which still does all that is
 * asked for first, and everything that is not scrypt.
 */
#ifndef FERRY_TEST_SCRYPT_ONCE_H
#define FERRY_TEST_SCRYPT_ONCE_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

enum { SCRYPT_KNOWN = 32, SCRYPT_ARGS = 512, SCRYPT_OUT = 64 };

struct scrypt_known {
	uint8_t args[SCRYPT_ARGS];
	size_t args_len;
	uint8_t out[SCRYPT_OUT];
	size_t out_len;
};

/* Names and values of params, one after the other.  Returns the length; 0: it
 * is not scrypt, or too long. */
static size_t scrypt_args(uint8_t args[SCRYPT_ARGS], const OSSL_PARAM params[])
{
	size_t n = 0;

	if (!OSSL_PARAM_locate_const(params, OSSL_KDF_PARAM_SCRYPT_N))
		return 0;
	for (; params->key; params++) {
		size_t name = strlen(params->key) + 1;

		if (n + name + sizeof(size_t) + params->data_size > SCRYPT_ARGS)
			return 0;
		memcpy(args + n, params->key, name);
		n += name;
		memcpy(args + n, &params->data_size, sizeof(size_t));
		n += sizeof(size_t);
		memcpy(args + n, params->data, params->data_size);
		n += params->data_size;
	}
	return n;
}

static pthread_mutex_t scrypt_lock = PTHREAD_MUTEX_INITIALIZER;
static struct scrypt_known scrypt_known[SCRYPT_KNOWN];
static size_t scrypt_count;

/* Take the result for args, if it is known. */
static int scrypt_find(const uint8_t *args, size_t args_len, uint8_t *key,
		       size_t keylen)
{
	int found = 0;

	pthread_mutex_lock(&scrypt_lock);
	for (size_t i = 0; i < scrypt_count && !found; i++) {
		const struct scrypt_known *k = &scrypt_known[i];

		found = k->args_len == args_len && k->out_len == keylen &&
			memcmp(k->args, args, args_len) == 0;
		if (found)
			memcpy(key, k->out, keylen);
	}
	pthread_mutex_unlock(&scrypt_lock);
	return found;
}

static void scrypt_keep(const uint8_t *args, size_t args_len,
			const uint8_t *key, size_t keylen)
{
	pthread_mutex_lock(&scrypt_lock);
	if (scrypt_count < SCRYPT_KNOWN && keylen <= SCRYPT_OUT) {
		struct scrypt_known *k = &scrypt_known[scrypt_count++];

		memcpy(k->args, args, args_len);
		k->args_len = args_len;
		memcpy(k->out, key, keylen);
		k->out_len = keylen;
	}
	pthread_mutex_unlock(&scrypt_lock);
}

/* Without the lock while libcrypto works: its scrypt calls this for PBKDF2. */
int EVP_KDF_derive(EVP_KDF_CTX *ctx, unsigned char *key, size_t keylen,
		   const OSSL_PARAM params[])
{
	int (*real)(EVP_KDF_CTX *, unsigned char *, size_t, const OSSL_PARAM[]);
	/* ISO C converts no pointer to an object to one to a function. */
	void *symbol = dlsym(RTLD_NEXT, "EVP_KDF_derive");
	uint8_t args[SCRYPT_ARGS];
	size_t args_len = scrypt_args(args, params);
	int rc;

	if (args_len && scrypt_find(args, args_len, key, keylen))
		return 1;
	memcpy(&real, &symbol, sizeof(symbol));
	rc = real(ctx, key, keylen, params);
	if (rc == 1 && args_len)
		scrypt_keep(args, args_len, key, keylen);
	return rc;
}

#endif
