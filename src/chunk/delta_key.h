/*
 * delta_key.h - what a session digests and cuts content with, to find out what
 * a file shares with its basis.
 *
 * Layer: chunk.
 * Threads: a struct delta_key is constant once derived; delta_key_get() from
 * any thread, the rest from the owner's.
 *
 * XXH3 is not cryptographic: who knows its secret can make two blocks with one
 * digest, and who knows the gear table can make content that is never cut.  So
 * both are derived from a random token of the session, which the author of a
 * file cannot know.  A digest is a hint only: what is taken from a basis is
 * verified by SHA-256.
 */
#ifndef FERRY_CHUNK_DELTA_KEY_H
#define FERRY_CHUNK_DELTA_KEY_H

#include <stddef.h>
#include <stdint.h>

struct delta_session_key;

enum {
	DELTA_SECRET = 192,  /* of XXH3 */
	DELTA_BLOCK = 4096,  /* the block that is compared at its offset */
	DELTA_SUM = 8,       /* bytes of a digest on the wire */
	DELTA_GEARS = 256,
};

struct delta_key {
	uint8_t secret[DELTA_SECRET];
	uint64_t gear[DELTA_GEARS];
};

/* Derive the key from n bytes of a token: the secret, then the gear table, are
 * the first bytes of SHA-256("ferry delta" || u32 0 || token) || SHA-256("ferry
 * delta" || u32 1 || token) || ...; n is at most DELTA_TOKEN_MAX. */
enum { DELTA_TOKEN_MAX = 64 };
void delta_key_derive(struct delta_key *k, const void *token, size_t n);

/* The key of a session, which is derived when it is first needed: that takes
 * longer than all else of sending a small file.  NULL when out of memory. */
struct delta_session_key *delta_key_new(void);
void delta_key_free(struct delta_session_key *s); /* NULL is allowed */

/* A session begins, with n bytes of a token, at most DELTA_TOKEN_MAX.  No other
 * thread may use the key of the one before any more. */
void delta_key_begin(struct delta_session_key *s, const void *token, size_t n);

/* The key; it is s's, until delta_key_begin(). */
const struct delta_key *delta_key_get(struct delta_session_key *s);

/* The digest of n bytes: XXH3 with 64 bits and the key's secret. */
uint64_t delta_key_sum(const struct delta_key *k, const void *p, size_t n);

/*
 * The digests of the blocks of n bytes, DELTA_SUM bytes each, big-endian; the
 * last block may be shorter.  Returns the digest of those digests, which stands
 * for all n bytes.
 */
uint64_t delta_key_blocks(const struct delta_key *k, const uint8_t *p, size_t n,
			  uint8_t *sums);

#endif
