/*
 * SHA-256 by OpenSSL, which uses the processor's instructions for it.
 */
#include "chunk/digest.h"

#include <string.h>

#include <openssl/sha.h>

#include "base/libcrypto.h"

static void sum(const void *p, size_t n, uint8_t *out)
{
	/*
	 * OpenSSL 3 allocates a context and so can run out of memory.  The
	 * digest is all zeroes then: no data is known to have that digest, so
	 * the comparison fails, and the chunk is refused as it must be.
	 */
	if (libcrypto_prepare_thread() || !SHA256(p, n, out))
		memset(out, 0, SHA256_DIGEST_LENGTH);
}

const struct digest_ops digest_sha256 = {
	.id = DIGEST_SHA256,
	.name = "sha256",
	.size = SHA256_DIGEST_LENGTH,
	.sum = sum,
};
