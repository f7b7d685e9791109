/*
 * XXH3 with 128 bits: not cryptographic, but faster than any network.  The
 * canonical (big-endian) form is what xxh128sum prints.
 */
#include "chunk/digest.h"

#include <string.h>

#ifdef FERRY_XXH_DISPATCH
/* Where the library has it (scripts/probe-flags).  With this header it chooses
 * the widest vector instructions of the processor; xxhash.h alone uses those of
 * the oldest x86-64. */
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

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
