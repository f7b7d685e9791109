/*
 * SHA-256 by OpenSSL, which uses the processor's instructions for it.
 */
#include "chunk/same.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/err.h"
#include "base/libcrypto.h"
#include "chunk/tree.h"

static int prepare(struct same *s)
{
	if (!s->md && libcrypto_prepare_thread() == 0)
		s->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!s->ctx)
		s->ctx = EVP_MD_CTX_new();
	return s->md && s->ctx ? 0 : ERR_RESOURCE;
}

void same_release(struct same *s)
{
	EVP_MD_CTX_free(s->ctx);
	EVP_MD_free(s->md);
	memset(s, 0, sizeof(*s));
}

int same_begin(struct same *s)
{
	return prepare(s) == 0 &&
			       EVP_DigestInit_ex2(s->ctx, s->md, NULL) == 1 ?
		       0 :
		       ERR_RESOURCE;
}

int same_add(struct same *s, const void *p, size_t n)
{
	return EVP_DigestUpdate(s->ctx, p, n) == 1 ? 0 : ERR_RESOURCE;
}

int same_end(struct same *s, uint8_t out[SAME_SIZE])
{
	return EVP_DigestFinal_ex(s->ctx, out, NULL) == 1 ? 0 : ERR_RESOURCE;
}

static int compute(struct same *s, const void *p, size_t n,
		   uint8_t out[SAME_SIZE])
{
	int rc = same_begin(s);

	if (rc == 0)
		rc = same_add(s, p, n);
	return rc ? rc : same_end(s, out);
}

static int is_zero_leaf(const uint8_t *p, size_t n)
{
	return n == TREE_LEAF && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

int same_digest(struct same *s, const void *p, size_t n,
		uint8_t out[SAME_SIZE])
{
	return is_zero_leaf(p, n) ? same_zero_leaf(s, out) :
				    compute(s, p, n, out);
}

int same_zero_leaf(struct same *s, uint8_t out[SAME_SIZE])
{
	if (!s->has_zeros) {
		uint8_t *zeros = calloc(1, TREE_LEAF);

		s->has_zeros = zeros &&
			       compute(s, zeros, TREE_LEAF, s->zeros) == 0;
		free(zeros);
		if (!s->has_zeros)
			return ERR_RESOURCE;
	}
	memcpy(out, s->zeros, SAME_SIZE);
	return 0;
}
