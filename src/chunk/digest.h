/*
 * digest.h - checksums of chunks: a table of functions.
 *
 * Layer: chunk.  Uses libxxhash, OpenSSL (libcrypto) and zlib; each
 * algorithm is one file (digest_xxh3.c, digest_sha256.c, digest_crc32.c) and
 * one row of the table in digest.c.
 * Threads: pure; any thread.
 */
#ifndef FERRY_CHUNK_DIGEST_H
#define FERRY_CHUNK_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum {
	DIGEST_MAX = 32, /* bytes of the longest digest */
	/* bytes of the longest text of digest_text(), with the NUL */
	DIGEST_TEXT_MAX = 8 + 2 * DIGEST_MAX + 1,
};

/* Wire ids: fixed for ever. */
enum digest_id {
	DIGEST_XXH3 = 1,   /* XXH3, 128 bits, canonical (big-endian) form */
	DIGEST_SHA256 = 2, /* FIPS 180-4 */
	DIGEST_CRC32 = 3,  /* ISO 3309 (zlib's), big-endian */
};

struct digest_ops {
	uint8_t id;
	const char *name; /* as in --checksum: "xxh3", "sha256", "crc32" */
	size_t size;      /* bytes of a digest */
	/* Digest of n bytes at p into out (size bytes).  Cannot fail. */
	void (*sum)(const void *p, size_t n, uint8_t *out);
};

extern const struct digest_ops digest_xxh3, digest_sha256, digest_crc32;

/* The row with this wire id or name; NULL where there is none. */
const struct digest_ops *digest_by_id(unsigned id);
const struct digest_ops *digest_by_name(const char *name);

/* "xxh3:00ff..." into dst, DIGEST_TEXT_MAX bytes.  Returns dst. */
char *digest_text(char *dst, const struct digest_ops *ops,
		  const uint8_t *digest);

#endif
