/*
 * same.h - the digest by which content that is there already is known to be the
 * same as content that would be sent: SHA-256, whatever the session's checksum,
 * as another content with the same XXH3 or CRC-32 is easily made.
 *
 * Layer: chunk.  Uses OpenSSL (libcrypto).
 * Threads: a struct same belongs to one thread.
 */
#ifndef FERRY_CHUNK_SAME_H
#define FERRY_CHUNK_SAME_H

#include <stddef.h>
#include <stdint.h>

enum { SAME_SIZE = 32 }; /* bytes of the digest */

/* Starts all zero.  Looks the algorithm up once, as that takes longer than the
 * digest of a small file. */
struct same {
	struct evp_md_st *md;
	struct evp_md_ctx_st *ctx;
	int has_zeros; /* zeros was computed */
	uint8_t zeros[SAME_SIZE];
};

void same_release(struct same *s);

/* Digest of n bytes at p.  A leaf of zeros costs no more than to see that it is
 * one.  Returns 0, or ERR_RESOURCE when out of memory. */
int same_digest(struct same *s, const void *p, size_t n,
		uint8_t out[SAME_SIZE]);

/* The same of content that comes in pieces: begin, add each, end.  Each returns
 * as same_digest(). */
int same_begin(struct same *s);
int same_add(struct same *s, const void *p, size_t n);
int same_end(struct same *s, uint8_t out[SAME_SIZE]);

/* Digest of a whole leaf of zeros.  Returns as same_digest(). */
int same_zero_leaf(struct same *s, uint8_t out[SAME_SIZE]);

#endif
