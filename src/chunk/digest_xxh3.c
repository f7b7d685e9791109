/*
 * XXH3 with 128 bits: not cryptographic, but faster than any line.  The
 * canonical (big-endian) form is what xxh128sum prints.
 */
#include "chunk/digest.h"

#include <string.h>

#include <xxhash.h>

static void sum(const void *p, size_t n, uint8_t *out)
{
	XXH128_canonical_t canon;

	XXH128_canonicalFromHash(&canon, XXH3_128bits(p, n));
	memcpy(out, canon.digest, sizeof(canon.digest));
}

const struct digest_ops digest_xxh3 = {
	.id = DIGEST_XXH3,
	.name = "xxh3",
	.size = sizeof(XXH128_canonical_t),
	.sum = sum,
};
