/*
 * Unit tests of the digests: against published vectors, and against
 * sha256sum, xxhsum and gzip where they are installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "base/num.h"
#include "chunk/digest.h"
#include "chunk/same.h"
#include "chunk/tree.h"

/* Either side of where XXH3 changes its way, SHA-256 its padding, and our own
 * chunk its end. */
static const size_t lengths[] = {
	0,       1,   3,   4,   8,   9,   16,  17,   55,   56,   64,
	65,      128, 129, 240, 241, 512, 513, 1000, 1024, 1025, (1 << 20) - 1,
	1 << 20,
};
enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

/* Bytes that look random and are the same each time. */
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

static void check(const struct digest_ops *ops, const void *p, size_t n,
		  const char *want)
{
	uint8_t *copy = malloc(n > 0 ? n : 1), *out = malloc(ops->size);
	char hex[2 * DIGEST_MAX + 1];

	assert_non_null(copy);
	assert_non_null(out);
	if (n > 0)
		memcpy(copy, p, n);
	ops->sum(copy, n, out);
	hex_encode(hex, out, ops->size);
	assert_string_equal(hex, want);
	free(copy);
	free(out);
}

/* By which content is known to be the same: SHA-256 of any length, also of what
 * is zero, with one context. */
static void same_is_sha256(void **state)
{
	uint8_t *p = malloc(TREE_LEAF), want[DIGEST_MAX], got[SAME_SIZE];
	struct same same = { 0 };

	(void)state;
	assert_non_null(p);
	for (int is_zero = 0; is_zero < 2; is_zero++) {
		if (is_zero)
			memset(p, 0, TREE_LEAF);
		else
			fill(p, TREE_LEAF);
		for (size_t i = 0; i < LENGTHS; i++) {
			digest_sha256.sum(p, lengths[i], want);
			assert_int_equal(same_digest(&same, p, lengths[i], got),
					 0);
			assert_memory_equal(got, want, SAME_SIZE);
		}
	}
	assert_int_equal(same_zero_leaf(&same, got), 0);
	assert_memory_equal(got, want, SAME_SIZE);
	same_release(&same);
	p[TREE_LEAF - 1] = 1;
	assert_int_equal(same_digest(&same, p, TREE_LEAF, got), 0);
	assert_memory_not_equal(got, want, SAME_SIZE);
	same_release(&same);
	free(p);
}

static void sha256_has_the_published_values(void **state)
{
	uint8_t *many = malloc(1000000);

	(void)state;
	/* FIPS 180-4's examples, from NIST's page of example values */
	check(&digest_sha256, "abc", 3,
	      "ba7816bf8f01cfea414140de5dae2223"
	      "b00361a396177a9cb410ff61f20015ad");
	check(&digest_sha256, "", 0,
	      "e3b0c44298fc1c149afbf4c8996fb924"
	      "27ae41e4649b934ca495991b7852b855");
	check(&digest_sha256,
	      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
	      "248d6a61d20638b8e5c026930c3e6039"
	      "a33ce45964ff2167f6ecedd419db06c1");
	assert_non_null(many);
	memset(many, 'a', 1000000);
	check(&digest_sha256, many, 1000000,
	      "cdc76e5c9914fb9281a1c7e284d73e67"
	      "f1809a48a497200e046d39ccc7112cd0");
	free(many);
}

static void crc32_has_the_check_value(void **state)
{
	(void)state;
	check(&digest_crc32, "123456789", 9, "cbf43926");
	check(&digest_crc32, "", 0, "00000000");
	check(&digest_crc32, "The quick brown fox jumps over the lazy dog", 43,
	      "414fa339");
}

static void xxh3_has_the_published_values(void **state)
{
	(void)state;
	/* XXH128 of nothing, seed 0: xxHash's own sanity check (the low half
	 * 6001c324468d497f, the high half 99aa06d3014798d8) */
	check(&digest_xxh3, "", 0, "99aa06d3014798d86001c324468d497f");
}

/*
 * The first word that a command prints, with n bytes at p as its standard
 * input; empty when there is no such command.  Nothing is left.
 */
static void first_word(const char *command, const void *p, size_t n, char *out,
		       int size)
{
	const char *tmp = getenv("TMPDIR");
	char path[256], line[512];
	size_t written;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/ferry-test-digest.XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	written = (size_t)write(fd, p, n);
	close(fd);
	snprintf(line, sizeof(line), "{ %s; } < '%s' 2>/dev/null", command,
		 path);
	f = popen(line, "r");
	if (!f || !fgets(out, size, f))
		out[0] = '\0';
	out[strcspn(out, " \n")] = '\0';
	if (f)
		pclose(f);
	unlink(path);
	assert_int_equal(written, n);
}

/* Compare with what a command says for every length. */
static void check_tool(const struct digest_ops *ops, const char *command)
{
	uint8_t *data = malloc(1 << 20);
	char word[128] = "";

	assert_non_null(data);
	fill(data, 1 << 20);
	for (size_t i = 0; i < LENGTHS; i++) {
		first_word(command, data, lengths[i], word, sizeof(word));
		if (word[0] == '\0')
			break;
		check(ops, data, lengths[i], word);
	}
	free(data);
	if (word[0] == '\0')
		skip();
}

static void sha256_agrees_with_sha256sum(void **state)
{
	(void)state;
	check_tool(&digest_sha256, "sha256sum");
}

static void xxh3_agrees_with_xxhsum(void **state)
{
	(void)state;
	check_tool(&digest_xxh3, "xxhsum -H2");
}

static void crc32_agrees_with_gzip(void **state)
{
	(void)state;
	/* the trailer's CRC, which gzip stores little-endian */
	check_tool(&digest_crc32, "gzip -nc | tail -c 8 | od -An -tx1 -N4 | "
				  "awk '{ print $4 $3 $2 $1 }'");
}

/* The digest does not depend on how the bytes are aligned. */
static void alignment_does_not_matter(void **state)
{
	static const unsigned ids[] = { DIGEST_XXH3, DIGEST_SHA256,
					DIGEST_CRC32 };
	uint8_t data[1100], shifted[1100 + 16];

	(void)state;
	fill(data, sizeof(data));
	for (size_t i = 0; i < 3; i++) {
		const struct digest_ops *ops = digest_by_id(ids[i]);
		uint8_t want[DIGEST_MAX], got[DIGEST_MAX];

		for (size_t off = 1; off < 16; off++) {
			memcpy(shifted + off, data, sizeof(data));
			ops->sum(data, sizeof(data), want);
			ops->sum(shifted + off, sizeof(data), got);
			assert_memory_equal(got, want, ops->size);
		}
	}
}

static void table_finds_by_id_and_name(void **state)
{
	(void)state;
	assert_ptr_equal(digest_by_id(1), &digest_xxh3);
	assert_ptr_equal(digest_by_id(2), &digest_sha256);
	assert_ptr_equal(digest_by_id(3), &digest_crc32);
	assert_null(digest_by_id(0));
	assert_null(digest_by_id(4));
	assert_null(digest_by_id(257));
	assert_null(digest_by_id(UINT32_MAX));
	assert_ptr_equal(digest_by_name("xxh3"), &digest_xxh3);
	assert_ptr_equal(digest_by_name("sha256"), &digest_sha256);
	assert_ptr_equal(digest_by_name("crc32"), &digest_crc32);
	assert_null(digest_by_name(""));
	assert_null(digest_by_name("XXH3"));
	assert_null(digest_by_name("sha2"));
	assert_null(digest_by_name("sha2567"));
	assert_int_equal(digest_xxh3.size, 16);
	assert_int_equal(digest_sha256.size, 32);
	assert_int_equal(digest_crc32.size, 4);
}

static void text_names_the_algorithm(void **state)
{
	uint8_t digest[DIGEST_MAX];
	char *text = malloc(DIGEST_TEXT_MAX);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < DIGEST_MAX; i++)
		digest[i] = (uint8_t)(i + 0xf0);
	assert_string_equal(digest_text(text, &digest_crc32, digest),
			    "crc32:f0f1f2f3");
	assert_string_equal(digest_text(text, &digest_xxh3, digest),
			    "xxh3:f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
	assert_string_equal(digest_text(text, &digest_sha256, digest),
			    "sha256:f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
			    "000102030405060708090a0b0c0d0e0f");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_is_sha256),
		cmocka_unit_test(sha256_has_the_published_values),
		cmocka_unit_test(crc32_has_the_check_value),
		cmocka_unit_test(xxh3_has_the_published_values),
		cmocka_unit_test(sha256_agrees_with_sha256sum),
		cmocka_unit_test(xxh3_agrees_with_xxhsum),
		cmocka_unit_test(crc32_agrees_with_gzip),
		cmocka_unit_test(alignment_does_not_matter),
		cmocka_unit_test(table_finds_by_id_and_name),
		cmocka_unit_test(text_names_the_algorithm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
