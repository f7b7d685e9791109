/*
 * CRC-32 by zlib: finds accidents of the line, and nothing more.
 */
#include "chunk/digest.h"

#include <zlib.h>

#include "base/buf.h"

static void sum(const void *p, size_t n, uint8_t *out)
{
	/* A null pointer would ask zlib for the initial value, which is 0
	 * and also the checksum of nothing. */
	be_put32(out, (uint32_t)crc32_z(0, p, n));
}

const struct digest_ops digest_crc32 = {
	.id = DIGEST_CRC32,
	.name = "crc32",
	.size = 4,
	.sum = sum,
};
