/*
 * SHA-256 by OpenSSL, which uses the processor's instructions for it.
 */
#include "chunk/digest.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

static void sum(const void *p, size_t n, uint8_t *out)
{
	/*
	 * OpenSSL 3 allocates a context and so can run out of memory.  The
	 * digest is all zeroes then: no data is known to have that digest, so
	 * the comparison fails, and the chunk is refused as it must be.
	 *
	 * openssl.cnf is not read, as the sandbox of a receiver does not allow
	 * it.
	 */
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) ||
	    !SHA256(p, n, out))
		memset(out, 0, SHA256_DIGEST_LENGTH);
}

const struct digest_ops digest_sha256 = {
	.id = DIGEST_SHA256,
	.name = "sha256",
	.size = SHA256_DIGEST_LENGTH,
	.sum = sum,
};
