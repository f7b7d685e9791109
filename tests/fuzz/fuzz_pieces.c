/*
 * Cutting any content, and an index filled with any digests.
 *
 * Input: a byte (bits), a byte (key), u16 times that the content is repeated, a
 * byte (the most pieces), the content, which is taken as digests too.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "base/err.h"
#include "chunk/cut.h"
#include "chunk/delta_key.h"
#include "chunk/piece_index.h"

enum { CONTENT_MAX = 1 << 20 };

/* Cut it, look each piece up, and compare what is found. */
static void cut(const struct delta_key *k, unsigned bits, const uint8_t *p,
		size_t n, struct piece_index *x)
{
	size_t len;

	for (size_t at = 0; at < n; at += len) {
		const struct piece *found;
		uint64_t sum;

		len = cut_next(k, bits, p + at, n - at);
		CHECK(len > 0 && len <= n - at && len <= cut_max(bits));
		CHECK(at + len == n || len >= cut_min(bits));
		/* More bytes after it change nothing. */
		CHECK(cut_next(k, bits, p + at, len) == len);
		sum = delta_key_sum(k, p + at, len);
		found = piece_index_find(x, sum, len);
		if (found)
			CHECK(piece_off(found) + len <= at &&
			      memcmp(p + piece_off(found), p + at, len) == 0);
		else
			CHECK(piece_index_add(x, sum, at, len) == 0);
	}
}

static void add_any(const uint8_t *p, size_t n, size_t max, uint64_t salt)
{
	struct piece_index *x = piece_index_new(max, salt);

	CHECK(x);
	for (size_t at = 0; at + 8 <= n; at++) {
		const uint64_t digest = be_get64(p + at);
		int rc = piece_index_add(x, digest, at, 8);
		const struct piece *found;

		CHECK(rc == 0 || rc == ERR_RANGE);
		CHECK(rc == 0 || piece_index_count(x) == max);
		found = piece_index_find(x, digest, 8);
		if (found)
			CHECK(piece_off(found) <= at &&
			      be_get64(p + piece_off(found)) == digest);
	}
	CHECK(piece_index_count(x) <= max);
	piece_index_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct delta_key k;
	struct piece_index *x;
	uint8_t *all, key;
	size_t n = 0, times, max;
	unsigned bits;
	struct rd rd;

	rd_init(&rd, data, size);
	bits = CUT_BITS_MIN + rd_u8(&rd) % (CUT_BITS_MAX - CUT_BITS_MIN + 1);
	key = rd_u8(&rd);
	times = (size_t)rd_u16(&rd) + 1;
	max = rd_u8(&rd);
	delta_key_derive(&k, &key, 1);
	x = piece_index_new(CONTENT_MAX, key);
	CHECK(x);
	all = fuzz_alloc(CONTENT_MAX);
	for (; times > 0 && rd.left > 0 && rd.left <= CONTENT_MAX - n; times--) {
		memcpy(all + n, rd.p, rd.left);
		n += rd.left;
	}
	cut(&k, bits, all, n, x);
	add_any(rd.p, rd.left, max, key);
	piece_index_free(x);
	free(all);
	return 0;
}
