/*
 * CRC-32 by zlib: finds transmission errors, not changes made on purpose.
 */
#include "chunk/digest.h"

#include <zlib.h>

#include "base/buf.h"

static void sum(const void *p, size_t n, uint8_t *out)
{
	/* With a null pointer zlib returns the initial value, 0, which is also
	 * the CRC of no bytes. */
	be_put32(out, (uint32_t)crc32_z(0, p, n));
}

const struct digest_ops digest_crc32 = {
	.id = DIGEST_CRC32,
	.name = "crc32",
	.size = 4,
	.sum = sum,
};
