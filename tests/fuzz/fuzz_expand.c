/*
 * Expanding what a peer says is a chunk: never more than the raw length that
 * was announced, never anything but one plain stream; and what our own
 * compressors make of any bytes comes back as it was.
 *
 * Input: a byte (codec; 0x80: compress the rest and expand that), u32 raw
 * length (as it is up to CHUNK_MAX, else modulo), payload.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "base/err.h"
#include "chunk/codec.h"
#include "wire/frame.h"

/* Kept for all inputs, as a connection does: what one leaves must not
 * harm the next. */
static struct expander *expander;

/* An accepted zstd frame by RFC 8878: magic, no dictionary, and a window of at
 * most 8 MiB or a single segment. */
static void check_zstd(const uint8_t *p, size_t n)
{
	uint64_t base;

	CHECK(n >= 6 && p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f &&
	      p[3] == 0xfd);
	CHECK((p[4] & 8) == 0); /* reserved */
	if (p[4] & 0x20)
		return;
	base = (uint64_t)1 << (10 + (p[5] >> 3));
	CHECK(base + base / 8 * (p[5] & 7) <= 8 << 20);
}

static void expand(unsigned codec, size_t raw_len, const uint8_t *p, size_t n)
{
	uint8_t *raw = fuzz_alloc(raw_len), *again = fuzz_alloc(raw_len);
	int rc = expander_run(expander, codec, raw, raw_len, p, n);

	CHECK(rc == 0 || rc == ERR_CORRUPT || rc == ERR_PROTOCOL);
	CHECK((rc == ERR_PROTOCOL) == !codec_by_id(codec));
	if (rc == 0) {
		/* the same bytes expand to the same, whatever was before */
		memset(again, 0xa5, raw_len);
		CHECK(!expander_run(expander, codec, again, raw_len, p, n));
		CHECK(raw_len == 0 || memcmp(raw, again, raw_len) == 0);
		/* and to nothing that is longer or shorter, except that a unit
		 * of zeros has no length of its own */
		if (raw_len > 0 && codec != CODEC_SPARSE)
			CHECK(expander_run(expander, codec, again,
					   raw_len - 1, p, n));
		if (codec == CODEC_ZSTD)
			check_zstd(p, n);
		if (codec == CODEC_NONE)
			CHECK(n == raw_len);
	}
	free(raw);
	free(again);
}

static void round_trip(unsigned codec, const uint8_t *p, size_t n)
{
	const struct codec_ops *ops = codec_by_id(codec);
	struct codec_choice choice = { .ops = ops };
	struct codec *c;
	uint8_t *packed, *raw, id;
	size_t len;

	if (!ops || codec == CODEC_NONE)
		return;
	choice.is_auto = codec == CODEC_ZSTD && n % 2;
	choice.level = ops->level_min;
	c = codec_new(&choice);
	CHECK(c);
	packed = fuzz_alloc(n);
	raw = fuzz_alloc(n);
	len = codec_compress(c, packed, n, p, n, &id);
	CHECK(len < n || n == 0);
	CHECK((len == 0) == (id == CODEC_NONE));
	if (len > 0) {
		CHECK(!expander_run(expander, id, raw, n, packed, len));
		CHECK(memcmp(raw, p, n) == 0);
		CHECK(expander_run(expander, id, raw, n, packed, len - 1));
	}
	free(packed);
	free(raw);
	codec_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r;
	unsigned codec;
	size_t raw_len;
	uint8_t *payload;

	if (!expander)
		expander = expander_new();
	CHECK(expander);
	rd_init(&r, data, size);
	codec = rd_u8(&r);
	raw_len = rd_u32(&r);
	if (raw_len > CHUNK_MAX)
		raw_len %= CHUNK_MAX + 1;
	if (r.failed)
		return 0;
	payload = fuzz_copy(r.p, r.left);
	if (codec & 0x80)
		round_trip(codec & 0x7f, payload, r.left);
	else
		expand(codec, raw_len, payload, r.left);
	free(payload);
	return 0;
}
