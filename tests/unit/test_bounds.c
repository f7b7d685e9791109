/*
 * Digests and codecs read and write exactly what they are told: every length
 * up to a page, at every place within a vector register's width and right
 * before memory that cannot be touched, against references that take one byte
 * at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include "base/err.h"
#include "chunk/codec.h"
#include "chunk/digest.h"
#include "within.h"

enum { LENGTH_MAX = 4096, ALIGN_MAX = 64 };

/* Three pages, the last one not to be touched. */
struct arena {
	uint8_t *base, *end;
	size_t size;
};

static void fill(uint8_t *p, size_t n)
{
	uint32_t x = 2463534242u;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = (uint8_t)(x >> 24);
	}
}

static void arena_make(struct arena *a)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t use = (LENGTH_MAX + ALIGN_MAX + page - 1) / page * page;

	a->size = use + page;
	a->base = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(a->base != MAP_FAILED);
	a->end = a->base + use;
	assert_int_equal(mprotect(a->end, page, PROT_NONE), 0);
}

static void arena_free(struct arena *a)
{
	assert_int_equal(munmap(a->base, a->size), 0);
}

/* ISO 3309, one bit at a time. */
static void scalar_crc32(const uint8_t *p, size_t n, uint8_t *out)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	crc = ~crc;
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(crc >> (24 - 8 * i));
}

/* Fed byte by byte, another way through the libraries than the one at once. */
static void slow_sha256(const uint8_t *p, size_t n, uint8_t *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned len;

	assert_non_null(ctx);
	assert_int_equal(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL), 1);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(EVP_DigestUpdate(ctx, p + i, 1), 1);
	assert_int_equal(EVP_DigestFinal_ex(ctx, out, &len), 1);
	EVP_MD_CTX_free(ctx);
}

static void slow_xxh3(const uint8_t *p, size_t n, uint8_t *out)
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_canonical_t canonical;

	assert_non_null(state);
	assert_int_equal(XXH3_128bits_reset(state), XXH_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(XXH3_128bits_update(state, p + i, 1),
				 XXH_OK);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	memcpy(out, canonical.digest, sizeof(canonical.digest));
	XXH3_freeState(state);
}

typedef void (*reference_fn)(const uint8_t *p, size_t n, uint8_t *out);

/* A step that meets every remainder and still ends. */
static size_t next_length(size_t n)
{
	return n < 520 ? n + 1 : n + 61;
}

static void check_digest(const struct digest_ops *ops, reference_fn reference)
{
	uint8_t *data = malloc(LENGTH_MAX), want[DIGEST_MAX], got[DIGEST_MAX];
	struct arena a;

	assert_non_null(data);
	fill(data, LENGTH_MAX);
	arena_make(&a);
	for (size_t n = 0; n <= LENGTH_MAX; n = next_length(n)) {
		/* up to the forbidden page, and ALIGN_MAX places before */
		reference(data, n, want);
		for (size_t back = 0; back < ALIGN_MAX; back++) {
			uint8_t *p = a.end - n - back;

			memset(a.end - back, 0xa5, back);
			memcpy(p, data, n);
			ops->sum(p, n, got);
			if (memcmp(got, want, ops->size) != 0)
				fail_msg("%s: %zu bytes, %zu before the page",
					 ops->name, n, back);
		}
	}
	arena_free(&a);
	free(data);
}

static void crc32_at_every_place(void **state)
{
	(void)state;
	check_digest(&digest_crc32, scalar_crc32);
}

static void sha256_at_every_place(void **state)
{
	(void)state;
	check_digest(&digest_sha256, slow_sha256);
}

static void xxh3_at_every_place(void **state)
{
	(void)state;
	check_digest(&digest_xxh3, slow_xxh3);
}

/* Compressed bytes and raw ones both end where a page does. */
static void check_expand(struct expander *x, uint8_t id,
			 const uint8_t *packed, size_t len,
			 const uint8_t *data, size_t n, struct arena *in,
			 struct arena *out)
{
	uint8_t *src = in->end - len, *dst = out->end - n;

	memcpy(src, packed, len);
	memset(dst, 0xa5, n);
	assert_int_equal(expander_run(x, id, dst, n, src, len), 0);
	assert_memory_equal(dst, data, n);
	if (n > 0)
		assert_int_equal(expander_run(x, id, dst + 1, n - 1, src, len),
				 ERR_CORRUPT);
	assert_int_equal(expander_run(x, id, dst, n, src + 1, len - 1),
			 ERR_CORRUPT);
}

static void check_codec(const struct codec_ops *ops)
{
	struct codec_choice choice = { .ops = ops };
	uint8_t *data = malloc(LENGTH_MAX), *packed = malloc(LENGTH_MAX), id;
	struct expander *x = expander_new();
	struct arena in, out;
	struct codec *c;

	choice.level = ops->level_default;
	c = codec_new(&choice);
	assert_non_null(c);
	assert_non_null(x);
	assert_non_null(data);
	assert_non_null(packed);
	/* so that it shrinks */
	for (size_t i = 0; i < LENGTH_MAX; i++)
		data[i] = (uint8_t)(i / 64);
	arena_make(&in);
	arena_make(&out);
	for (size_t n = 64; n <= LENGTH_MAX; n = next_length(n)) {
		uint8_t *src = in.end - n, *dst = out.end - n;
		size_t len;

		memcpy(src, data, n);
		len = codec_compress(c, dst, n, src, n, &id);
		assert_within(len, 1, n - 1);
		memcpy(packed, dst, len);
		check_expand(x, id, packed, len, data, n, &in, &out);
	}
	arena_free(&in);
	arena_free(&out);
	expander_free(x);
	codec_free(c);
	free(data);
	free(packed);
}

static void zlib_stays_within_its_buffers(void **state)
{
	(void)state;
	check_codec(&codec_zlib);
}

static void zstd_stays_within_its_buffers(void **state)
{
	(void)state;
	check_codec(&codec_zstd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32_at_every_place),
		cmocka_unit_test(sha256_at_every_place),
		cmocka_unit_test(xxh3_at_every_place),
		cmocka_unit_test(zlib_stays_within_its_buffers),
		cmocka_unit_test(zstd_stays_within_its_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
