/*
 * Keyed digests of blocks, by XXH3 of libxxhash.
 */
#include "chunk/delta_key.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifdef FERRY_XXH_DISPATCH
/* As in digest_xxh3.c: the widest vector instructions of the processor. */
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include "base/buf.h"
#include "chunk/digest.h"

_Static_assert(DELTA_SECRET >= XXH3_SECRET_SIZE_MIN, "as libxxhash demands");

struct delta_session_key {
	uint8_t token[DELTA_TOKEN_MAX]; /* set once for a session, */
	size_t token_len;		/* as is this */
	/* guarded by lock */
	pthread_mutex_t lock;
	int is_derived;
	struct delta_key key; /* constant once it is derived */
};

void delta_key_derive(struct delta_key *k, const void *token, size_t n)
{
	static const char label[] = "ferry delta";
	enum { LABEL = sizeof(label) - 1, SUM = 32 };
	uint8_t in[LABEL + 4 + DELTA_TOKEN_MAX];
	uint8_t out[DELTA_SECRET + 8 * DELTA_GEARS];

	_Static_assert(sizeof(out) % SUM == 0, "whole digests");
	assert(n <= DELTA_TOKEN_MAX);
	memcpy(in, label, LABEL);
	memcpy(in + LABEL + 4, token, n);
	for (uint32_t i = 0; i < sizeof(out) / SUM; i++) {
		be_put32(in + LABEL, i);
		digest_sha256.sum(in, LABEL + 4 + n, out + i * SUM);
	}
	memcpy(k->secret, out, DELTA_SECRET);
	for (size_t i = 0; i < DELTA_GEARS; i++)
		k->gear[i] = be_get64(out + DELTA_SECRET + 8 * i);
}

struct delta_session_key *delta_key_new(void)
{
	struct delta_session_key *s = calloc(1, sizeof(*s));

	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void delta_key_free(struct delta_session_key *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void delta_key_begin(struct delta_session_key *s, const void *token, size_t n)
{
	assert(n <= DELTA_TOKEN_MAX);
	memcpy(s->token, token, n);
	s->token_len = n;
	s->is_derived = 0;
}

const struct delta_key *delta_key_get(struct delta_session_key *s)
{
	pthread_mutex_lock(&s->lock);
	if (!s->is_derived)
		delta_key_derive(&s->key, s->token, s->token_len);
	s->is_derived = 1;
	pthread_mutex_unlock(&s->lock);
	return &s->key;
}

uint64_t delta_key_sum(const struct delta_key *k, const void *p, size_t n)
{
	return XXH3_64bits_withSecret(p, n, k->secret, DELTA_SECRET);
}

uint64_t delta_key_blocks(const struct delta_key *k, const uint8_t *p, size_t n,
			  uint8_t *sums)
{
	size_t len = 0;

	for (size_t at = 0; at < n; at += DELTA_BLOCK, len += DELTA_SUM) {
		const size_t left = n - at;

		be_put64(sums + len,
			 delta_key_sum(k, p + at,
				       left < DELTA_BLOCK ? left : DELTA_BLOCK));
	}
	return delta_key_sum(k, sums, len);
}
