/*
 * Unit tests of the codecs: what goes in comes out, nothing that is not one
 * whole stream of the announced length gets through, auto leaves alone what
 * does not shrink, and other programs read what we write.
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
#include <zlib.h>
#include <zstd.h>

#include "base/err.h"
#include "chunk/codec.h"
#include "within.h"

enum { CHUNK = 1 << 20 };

static const struct codec_ops *const both[] = { &codec_zlib, &codec_zstd };

static void fill_random(uint8_t *p, size_t n, uint32_t x)
{
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = (uint8_t)(x >> 24);
	}
}

/* Something like a log file. */
static void fill_text(uint8_t *p, size_t n)
{
	char line[80];
	size_t used = 0;

	for (unsigned i = 0; used < n; i++) {
		int len = snprintf(line, sizeof(line),
				   "%u: request %x took %u ms\n", i,
				   i * 2654435761u, i * 7919 % 1000);
		size_t take = (size_t)len < n - used ? (size_t)len : n - used;

		memcpy(p + used, line, take);
		used += take;
	}
}

static void *alloc(size_t n)
{
	void *p = malloc(n > 0 ? n : 1);

	assert_non_null(p);
	return p;
}

/* Expand a copy of src that ends where its memory does, to a buffer that does
 * too. */
static int expand(struct expander *x, unsigned id, const void *src, size_t n,
		  void *dst, size_t raw_len)
{
	uint8_t *in = alloc(n), *out = alloc(raw_len);
	int rc;

	if (n > 0)
		memcpy(in, src, n);
	rc = expander_run(x, id, out, raw_len, in, n);
	if (rc == 0 && dst)
		memcpy(dst, out, raw_len);
	free(in);
	free(out);
	return rc;
}

/* Compress with room to spare; the length. */
static size_t squeeze(const struct codec_ops *ops, void *dst, size_t cap,
		      const void *src, size_t n)
{
	void *state = ops->open(ops->level_default);
	size_t len;

	assert_non_null(state);
	len = ops->compress(state, dst, cap, src, n);
	assert_true(len > 0);
	ops->close(state);
	return len;
}

static void check_round_trip(struct expander *x, const struct codec_ops *ops,
			     void *state, const uint8_t *src, size_t n)
{
	size_t cap = ops->bound(n), len;
	uint8_t *packed = alloc(cap), *back = alloc(n);

	len = ops->compress(state, packed, cap, src, n);
	assert_within(len, 1, cap);
	assert_int_equal(expand(x, ops->id, packed, len, back, n), 0);
	assert_memory_equal(back, src, n);
	/* a byte less room than it needs: 0, and the state lives on */
	assert_int_equal(ops->compress(state, packed, len - 1, src, n), 0);
	free(packed);
	free(back);
}

static void check_level(const struct codec_ops *ops, int level)
{
	static const size_t sizes[] = { 1, 2, 100, 4096, 65537, 300000 };
	struct expander *x = expander_new();
	void *state = ops->open(level);
	uint8_t *data = alloc(300000);

	assert_non_null(x);
	assert_non_null(state);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill_text(data, sizes[i]);
		check_round_trip(x, ops, state, data, sizes[i]);
		fill_random(data, sizes[i], 77);
		check_round_trip(x, ops, state, data, sizes[i]);
		memset(data, 0, sizes[i]);
		check_round_trip(x, ops, state, data, sizes[i]);
	}
	ops->close(state);
	expander_free(x);
	free(data);
}

static void every_level_edge_round_trips(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		check_level(both[i], both[i]->level_min);
		check_level(both[i], both[i]->level_default);
		check_level(both[i], both[i]->level_max);
	}
}

static void whole_chunks_round_trip(void **state)
{
	struct expander *x = expander_new();
	uint8_t *data = alloc(CHUNK);

	(void)state;
	assert_non_null(x);
	for (size_t i = 0; i < 2; i++) {
		void *s = both[i]->open(both[i]->level_default);

		assert_non_null(s);
		fill_text(data, CHUNK);
		check_round_trip(x, both[i], s, data, CHUNK);
		fill_random(data, CHUNK, 1);
		check_round_trip(x, both[i], s, data, CHUNK);
		both[i]->close(s);
	}
	expander_free(x);
	free(data);
}

/* The level can change from chunk to chunk, and makes a difference. */
static void level_changes_between_chunks(void **state)
{
	uint8_t *data = alloc(100000), *packed = alloc(200000);
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	fill_text(data, 100000);
	for (size_t i = 0; i < 2; i++) {
		const struct codec_ops *ops = both[i];
		void *s = ops->open(ops->level_max);
		size_t best, fast;

		assert_non_null(s);
		best = ops->compress(s, packed, 200000, data, 100000);
		ops->set_level(s, ops->level_min);
		fast = ops->compress(s, packed, 200000, data, 100000);
		assert_int_equal(expand(x, ops->id, packed, fast, NULL, 100000),
				 0);
		assert_true(best < fast);
		ops->set_level(s, ops->level_max);
		assert_int_equal(ops->compress(s, packed, 200000, data, 100000),
				 best);
		ops->close(s);
	}
	expander_free(x);
	free(packed);
	free(data);
}

static void none_copies(void **state)
{
	struct expander *x = expander_new();
	char out[5];

	(void)state;
	assert_non_null(x);
	assert_int_equal(expand(x, CODEC_NONE, "hello", 5, out, 5), 0);
	assert_memory_equal(out, "hello", 5);
	assert_int_equal(expand(x, CODEC_NONE, "", 0, out, 0), 0);
	assert_int_equal(expand(x, CODEC_NONE, "hello", 4, out, 5),
			 ERR_CORRUPT);
	assert_int_equal(expand(x, CODEC_NONE, "hello", 5, out, 4),
			 ERR_CORRUPT);
	assert_int_equal(expander_run(x, CODEC_NONE, NULL, 0, NULL, 0), 0);
	assert_int_equal(codec_none.compress(NULL, out, 5, "world", 5), 5);
	assert_memory_equal(out, "world", 5);
	assert_int_equal(codec_none.compress(NULL, out, 4, "hello", 5), 0);
	expander_free(x);
}

static void unknown_codecs_are_refused(void **state)
{
	static const unsigned ids[] = { 4, 5, 128, 255, 256, 258, UINT32_MAX };
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_int_equal(expand(x, ids[i], "hello", 5, NULL, 5),
				 ERR_PROTOCOL);
	expander_free(x);
}

/* ---- sparse ---- */

enum { UNIT = 1024 };

/* Compress and expand n bytes; the length. */
static size_t sparse_length(const uint8_t *data, size_t n)
{
	struct expander *x = expander_new();
	size_t cap = codec_sparse.bound(n), len;
	uint8_t *packed = alloc(cap), *back = alloc(n);

	assert_non_null(x);
	len = codec_sparse.compress(NULL, packed, cap, data, n);
	assert_within(len, 1, cap);
	memset(back, 0xa5, n);
	assert_int_equal(expand(x, CODEC_SPARSE, packed, len, back, n), 0);
	assert_memory_equal(back, data, n);
	/* a byte less, more, or of room */
	assert_int_equal(expand(x, CODEC_SPARSE, packed, len - 1, NULL, n),
			 ERR_CORRUPT);
	packed = realloc(packed, len + 1);
	assert_non_null(packed);
	packed[len] = 0;
	assert_int_equal(expand(x, CODEC_SPARSE, packed, len + 1, NULL, n),
			 ERR_CORRUPT);
	assert_int_equal(codec_sparse.compress(NULL, packed, len - 1, data, n),
			 0);
	expander_free(x);
	free(packed);
	free(back);
	return len;
}

static void sparse_leaves_zeros_out(void **state)
{
	uint8_t *data = calloc(1, CHUNK);

	(void)state;
	assert_non_null(data);
	assert_int_equal(sparse_length(data, CHUNK), CHUNK / UNIT / 8);
	assert_int_equal(sparse_length(data, 1), 1);
	assert_int_equal(sparse_length(data, 8 * UNIT + 1), 2);
	data[CHUNK - 1] = 1;
	assert_int_equal(sparse_length(data, CHUNK), CHUNK / UNIT / 8 + UNIT);
	data[UNIT - 1] = data[UNIT] = 1; /* in two units */
	assert_int_equal(sparse_length(data, CHUNK),
			 CHUNK / UNIT / 8 + 3 * UNIT);
	assert_int_equal(sparse_length(data, UNIT + 1), 1 + UNIT + 1);
	fill_random(data, CHUNK, 5);
	assert_int_equal(sparse_length(data, CHUNK),
			 CHUNK / UNIT / 8 + CHUNK);
	for (size_t n = 1; n < 20 * UNIT; n += 333)
		(void)sparse_length(data + n % 64, n);
	free(data);
}

static void sparse_bits_have_their_order(void **state)
{
	uint8_t data[9 * UNIT + 3] = { 0 }, out[2 + 3];

	(void)state;
	memset(data + 9 * UNIT, 'a', 3);
	assert_int_equal(codec_sparse.compress(NULL, out, sizeof(out), data,
					       sizeof(data)),
			 sizeof(out));
	assert_memory_equal(out, "\x00\x40" "aaa", sizeof(out));
}

static void sparse_bits_beyond_the_end_are_refused(void **state)
{
	static const struct {
		const char *payload;
		size_t len, raw_len;
		int rc;
	} cases[] = {
		{ "\x80x", 2, 1, 0 },
		{ "\x40x", 2, 1, ERR_CORRUPT },
		{ "\xc0xy", 3, 1, ERR_CORRUPT },
		{ "\x01", 1, 7 * UNIT, ERR_CORRUPT },
		{ "", 0, 1, ERR_CORRUPT },
		{ "", 0, 0, ERR_CORRUPT },
		{ "\0", 1, 0, ERR_CORRUPT },
		{ "\0", 1, 8 * UNIT, 0 },
		{ "\0", 1, 8 * UNIT + 1, ERR_CORRUPT },
	};
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(expand(x, CODEC_SPARSE, cases[i].payload,
					cases[i].len, NULL, cases[i].raw_len),
				 cases[i].rc);
	expander_free(x);
}

static void sparse_cannot_be_asked_for(void **state)
{
	struct codec_choice choice;

	(void)state;
	assert_null(codec_by_name("sparse"));
	assert_int_equal(codec_parse("sparse", &choice), ERR_RANGE);
	assert_ptr_equal(codec_by_id(CODEC_SPARSE), &codec_sparse);
}

/* Another raw length than the stream's own, by one and by far. */
static void other_lengths_are_refused(void **state)
{
	static const size_t sizes[] = { 1, 1000, 70000 };
	uint8_t *data = alloc(70000), *packed = alloc(200000);
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	fill_text(data, 70000);
	for (size_t i = 0; i < 6; i++) {
		const struct codec_ops *ops = both[i % 2];
		size_t n = sizes[i / 2];
		size_t len = squeeze(ops, packed, 200000, data, n);

		assert_int_equal(expand(x, ops->id, packed, len, NULL, n), 0);
		assert_int_equal(expand(x, ops->id, packed, len, NULL, n + 1),
				 ERR_CORRUPT);
		assert_int_equal(expand(x, ops->id, packed, len, NULL, n - 1),
				 ERR_CORRUPT);
		assert_int_equal(expand(x, ops->id, packed, len, NULL, 0),
				 ERR_CORRUPT);
		assert_int_equal(expand(x, ops->id, packed, len, NULL, CHUNK),
				 ERR_CORRUPT);
		/* and the state lives on */
		assert_int_equal(expand(x, ops->id, packed, len, NULL, n), 0);
	}
	expander_free(x);
	free(packed);
	free(data);
}

static void every_cut_is_refused(void **state)
{
	uint8_t data[3000], packed[4000];
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	fill_text(data, sizeof(data));
	for (size_t i = 0; i < 2; i++) {
		size_t len = squeeze(both[i], packed, sizeof(packed), data,
				     sizeof(data));

		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(expand(x, both[i]->id, packed, cut,
						NULL, sizeof(data)),
					 ERR_CORRUPT);
	}
	expander_free(x);
}

static void trailing_bytes_are_refused(void **state)
{
	uint8_t data[3000], packed[8000];
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	fill_text(data, sizeof(data));
	for (size_t i = 0; i < 2; i++) {
		size_t len = squeeze(both[i], packed, 4000, data, sizeof(data));

		packed[len] = 0;
		assert_int_equal(expand(x, both[i]->id, packed, len + 1, NULL,
					sizeof(data)),
				 ERR_CORRUPT);
		/* two streams, whether the length is of one or of both */
		memcpy(packed + len, packed, len);
		assert_int_equal(expand(x, both[i]->id, packed, 2 * len, NULL,
					sizeof(data)),
				 ERR_CORRUPT);
		assert_int_equal(expand(x, both[i]->id, packed, 2 * len, NULL,
					2 * sizeof(data)),
				 ERR_CORRUPT);
	}
	expander_free(x);
}

static void garbage_is_refused(void **state)
{
	uint8_t junk[500];
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	for (uint32_t i = 1; i < 2000; i++) {
		size_t n = i % sizeof(junk);

		fill_random(junk, n, i);
		assert_int_equal(expand(x, 1 + i % 2, junk, n, NULL, 3000),
				 ERR_CORRUPT);
	}
	expander_free(x);
}

/*
 * Almost right: each bit of a stream flipped.  Adler-32 finds nearly all of
 * that for zlib (a match moved so that three bytes change by -1, 2, -1 it does
 * not); zstd has no checksum here.  The chunk's digest is for the rest: it
 * must only not go wrong.
 */
static void flipped_bits_do_no_harm(void **state)
{
	uint8_t data[3000], packed[4000], back[3000];
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	fill_text(data, sizeof(data));
	for (size_t i = 0; i < 2; i++) {
		size_t len = squeeze(both[i], packed, sizeof(packed), data,
				     sizeof(data));
		size_t wrong = 0;

		for (size_t bit = 0; bit < 8 * len; bit++) {
			uint8_t mask = (uint8_t)(1 << bit % 8);
			int rc;

			packed[bit / 8] ^= mask;
			rc = expand(x, both[i]->id, packed, len, back,
				    sizeof(data));
			packed[bit / 8] ^= mask;
			assert_true(rc == 0 || rc == ERR_CORRUPT);
			if (rc == 0 && memcmp(back, data, sizeof(data)) != 0)
				wrong++;
		}
		if (both[i] == &codec_zlib)
			assert_within(wrong, 0, len / 100);
		/* the state lives on */
		assert_int_equal(
			expand(x, both[i]->id, packed, len, back, sizeof(data)),
			0);
	}
	expander_free(x);
}

/* A kilobyte that becomes megabytes: no more than the announced length is ever
 * written (the buffer ends there), and it is refused. */
static void bombs_are_refused(void **state)
{
	size_t raw = 64 << 20;
	uint8_t *zeroes = calloc(1, raw), *packed = alloc(1 << 20);
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	assert_non_null(zeroes);
	for (size_t i = 0; i < 2; i++) {
		size_t len = squeeze(both[i], packed, 1 << 20, zeroes, raw);

		assert_within(len, 1, raw / 900);
		assert_int_equal(
			expand(x, both[i]->id, packed, len, NULL, 1024),
			ERR_CORRUPT);
		assert_int_equal(
			expand(x, both[i]->id, packed, len, NULL, CHUNK),
			ERR_CORRUPT);
	}
	expander_free(x);
	free(zeroes);
	free(packed);
}

/* A frame whose header claims what it does not hold. */
static void zstd_false_sizes_are_refused(void **state)
{
	uint8_t data[3000], packed[4000], head[32];
	struct expander *x = expander_new();
	size_t len;

	(void)state;
	assert_non_null(x);
	fill_text(data, sizeof(data));
	len = squeeze(&codec_zstd, packed, sizeof(packed), data, sizeof(data));
	/* RFC 8878, 3.1.1.1: two bytes of content size, less 256 */
	assert_int_equal(packed[4] & 0xe0, 0x60);
	assert_int_equal(packed[5] | packed[6] << 8, 3000 - 256);
	packed[5]++;
	assert_int_equal(expand(x, CODEC_ZSTD, packed, len, NULL, 3000),
			 ERR_CORRUPT);
	assert_int_equal(expand(x, CODEC_ZSTD, packed, len, NULL, 3001),
			 ERR_CORRUPT);
	/* 4 GiB in 1 KiB, single segment, eight bytes of size */
	memcpy(head, "\x28\xb5\x2f\xfd\xe0\0\0\0\0\1\0\0\0\1\0\0", 16);
	assert_int_equal(expand(x, CODEC_ZSTD, head, 16, NULL, 1024),
			 ERR_CORRUPT);
	expander_free(x);
}

/* Frames put together by hand: an RLE block of n bytes 'a' after a header
 * with the given window byte and no content size. */
static size_t hand_frame(uint8_t *p, uint8_t window, unsigned n)
{
	unsigned block = n << 3 | 1 << 1 | 1;

	memcpy(p, "\x28\xb5\x2f\xfd\x00", 5);
	p[5] = window;
	p[6] = (uint8_t)(block & 0xff);
	p[7] = (uint8_t)(block >> 8 & 0xff);
	p[8] = (uint8_t)(block >> 16 & 0xff);
	p[9] = 'a';
	return 10;
}

static void zstd_windows_are_limited(void **state)
{
	struct expander *x = expander_new();
	uint8_t frame[16], out[1000];
	size_t n;

	(void)state;
	assert_non_null(x);
	/* 1 KiB, and the largest allowed: 8 MiB is 2^23, exponent 13 */
	n = hand_frame(frame, 0, 1000);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, out, 1000), 0);
	assert_int_equal(out[999], 'a');
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, out, 999),
			 ERR_CORRUPT);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, NULL, 1001),
			 ERR_CORRUPT);
	hand_frame(frame, 13 << 3, 1000);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, out, 1000), 0);
	/* above it: an eighth more, 16 MiB, 2^31, and the largest there is */
	hand_frame(frame, 13 << 3 | 1, 1000);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, out, 1000),
			 ERR_CORRUPT);
	hand_frame(frame, 14 << 3, 1000);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, out, 1000),
			 ERR_CORRUPT);
	hand_frame(frame, 21 << 3, 1000);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, out, 1000),
			 ERR_CORRUPT);
	hand_frame(frame, 0xff, 1000);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, out, 1000),
			 ERR_CORRUPT);
	expander_free(x);
}

static void zstd_skippable_frames_are_refused(void **state)
{
	static const uint8_t skip[] = "\x50\x2a\x4d\x18\4\0\0\0abcd";
	uint8_t frame[64];
	struct expander *x = expander_new();
	size_t n;

	(void)state;
	assert_non_null(x);
	assert_int_equal(expand(x, CODEC_ZSTD, skip, 12, NULL, 0), ERR_CORRUPT);
	assert_int_equal(expand(x, CODEC_ZSTD, skip, 12, NULL, 4), ERR_CORRUPT);
	memcpy(frame, skip, 12);
	n = 12 + hand_frame(frame + 12, 0, 100);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, NULL, 100),
			 ERR_CORRUPT);
	n = hand_frame(frame, 0, 100);
	memcpy(frame + n, skip, 12);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n + 12, NULL, 100),
			 ERR_CORRUPT);
	/* the magics of zstd 0.1 and 0.7 */
	memcpy(frame, "\x1e\xb5\x2f\xfd", 4);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, NULL, 100),
			 ERR_CORRUPT);
	memcpy(frame, "\x27\xb5\x2f\xfd", 4);
	assert_int_equal(expand(x, CODEC_ZSTD, frame, n, NULL, 100),
			 ERR_CORRUPT);
	expander_free(x);
}

static void dictionaries_are_refused(void **state)
{
	uint8_t data[2000], packed[4000], dict[1000];
	struct expander *x = expander_new();
	size_t n = sizeof(packed) - 1;
	z_stream z;

	(void)state;
	assert_non_null(x);
	fill_text(data, sizeof(data));
	fill_text(dict, sizeof(dict));
	/* zlib: the header's FDICT bit */
	memset(&z, 0, sizeof(z));
	assert_int_equal(deflateInit(&z, 6), Z_OK);
	assert_int_equal(deflateSetDictionary(&z, dict, sizeof(dict)), Z_OK);
	z.next_in = data;
	z.avail_in = sizeof(data);
	z.next_out = packed;
	z.avail_out = (uInt)n;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(
		expand(x, CODEC_ZLIB, packed, z.total_out, NULL, sizeof(data)),
		ERR_CORRUPT);
	deflateEnd(&z);
	/* zstd: a dictionary id in the header (one byte, after the window) */
	n = hand_frame(packed, 0, 100);
	memmove(packed + 7, packed + 6, n - 6);
	packed[4] = 1;
	packed[6] = 42;
	assert_int_equal(expand(x, CODEC_ZSTD, packed, n + 1, NULL, 100),
			 ERR_CORRUPT);
	packed[6] = 0; /* "no dictionary", said at length */
	assert_int_equal(expand(x, CODEC_ZSTD, packed, n + 1, NULL, 100), 0);
	expander_free(x);
}

/* An empty stream is well-formed, and is nothing else. */
static void empty_streams(void **state)
{
	uint8_t packed[64];
	struct expander *x = expander_new();

	(void)state;
	assert_non_null(x);
	for (size_t i = 0; i < 2; i++) {
		size_t len = squeeze(both[i], packed, sizeof(packed), "", 0);

		assert_int_equal(
			expander_run(x, both[i]->id, NULL, 0, packed, len), 0);
		assert_int_equal(expand(x, both[i]->id, packed, len, NULL, 1),
				 ERR_CORRUPT);
		assert_int_equal(expand(x, both[i]->id, "", 0, NULL, 0),
				 ERR_CORRUPT);
	}
	expander_free(x);
}

static void parse_choices(void **state)
{
	static const struct {
		const char *text;
		int is_auto, level;
		const struct codec_ops *ops;
	} good[] = {
		{ "none", 0, 0, &codec_none },
		{ "zlib", 0, 6, &codec_zlib },
		{ "zlib:1", 0, 1, &codec_zlib },
		{ "zlib:9", 0, 9, &codec_zlib },
		{ "zstd", 0, 3, &codec_zstd },
		{ "zstd:1", 0, 1, &codec_zstd },
		{ "zstd:19", 0, 19, &codec_zstd },
		{ "auto", 1, 3, &codec_zstd },
		{ "auto:7", 1, 7, &codec_zstd },
	};
	static const char *const bad[] = {
		"",
		":",
		":3",
		"zstd:",
		"zstd:0",
		"zstd:20",
		"zstd:-1",
		"zstd:3x",
		"zstd:3:3",
		"zstd ",
		" zstd",
		"ZSTD",
		"zst",
		"zstdx",
		"zlib:0",
		"zlib:10",
		"none:",
		"none:0",
		"none:1",
		"auto:",
		"auto:0",
		"auto:20",
		"auto:99999999999999999999",
		"gzip",
		"aut",
		"autos",
	};
	struct codec_choice c;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(&c, 0xaa, sizeof(c));
		assert_int_equal(codec_parse(good[i].text, &c), 0);
		assert_int_equal(c.is_auto, good[i].is_auto);
		assert_int_equal(c.is_adaptive,
				 strcmp(good[i].text, "auto") == 0);
		assert_int_equal(c.level, good[i].level);
		assert_ptr_equal(c.ops, good[i].ops);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct codec_choice was = { 7, 0, &codec_zlib, 8 };

		c = was;
		assert_int_equal(codec_parse(bad[i], &c), ERR_RANGE);
		assert_int_equal(c.is_auto, 7);
		assert_ptr_equal(c.ops, &codec_zlib);
		assert_int_equal(c.level, 8);
	}
}

static void table_finds_by_id_and_name(void **state)
{
	(void)state;
	assert_ptr_equal(codec_by_id(0), &codec_none);
	assert_ptr_equal(codec_by_id(1), &codec_zlib);
	assert_ptr_equal(codec_by_id(2), &codec_zstd);
	assert_ptr_equal(codec_by_id(3), &codec_sparse);
	assert_null(codec_by_id(4));
	assert_null(codec_by_id(256));
	assert_ptr_equal(codec_by_name("none"), &codec_none);
	assert_ptr_equal(codec_by_name("zlib"), &codec_zlib);
	assert_ptr_equal(codec_by_name("zstd"), &codec_zstd);
	assert_null(codec_by_name("auto"));
	assert_null(codec_by_name(""));
}

static struct codec *codec_for(const char *text)
{
	struct codec_choice choice;
	struct codec *c;

	assert_int_equal(codec_parse(text, &choice), 0);
	c = codec_new(&choice);
	assert_non_null(c);
	return c;
}

/* Compress one chunk into a buffer of exactly n bytes, check that it comes
 * back, and return its length (0: left as it is). */
static size_t run_chunk(struct codec *c, const uint8_t *src, size_t n)
{
	struct expander *x = expander_new();
	uint8_t *packed = alloc(n), *back = alloc(n), id = 77;
	size_t len = codec_compress(c, packed, n, src, n, &id);

	assert_non_null(x);
	assert_true(len == 0 ? id == CODEC_NONE : id != CODEC_NONE);
	assert_true(len == 0 || len < n);
	if (len > 0) {
		assert_int_equal(expand(x, id, packed, len, back, n), 0);
		assert_memory_equal(back, src, n);
	}
	free(packed);
	free(back);
	expander_free(x);
	return len;
}

static void plain_choice_leaves_only_what_grows(void **state)
{
	static const char *const names[] = { "zlib", "zstd", "zlib:1",
					     "zstd:19" };
	uint8_t *data = alloc(100000);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct codec *c = codec_for(names[i]);

		fill_random(data, 100000, 5);
		assert_int_equal(run_chunk(c, data, 100000), 0);
		/* shrinks by about 3 %: less than auto would want */
		memset(data + 50000, 0, 3000);
		assert_within(run_chunk(c, data, 100000), 95001, 99000);
		assert_int_equal(run_chunk(c, data, 0), 0);
		assert_int_equal(run_chunk(c, data, 1), 0);
		memset(data, 0, 200);
		assert_within(run_chunk(c, data, 200), 1, 30);
		codec_free(c);
	}
	free(data);
}

static void none_never_compresses(void **state)
{
	struct codec *c = codec_for("none");
	uint8_t *zeroes = calloc(1, 5000);

	(void)state;
	assert_non_null(zeroes);
	assert_int_equal(run_chunk(c, zeroes, 5000), 0);
	codec_free(c);
	free(zeroes);
}

static void auto_compresses_text_and_leaves_noise(void **state)
{
	uint8_t *text = alloc(CHUNK), *noise = alloc(CHUNK);
	struct codec *c = codec_for("auto");

	(void)state;
	fill_text(text, CHUNK);
	fill_random(noise, CHUNK, 3);
	for (int i = 0; i < 3; i++) {
		assert_within(run_chunk(c, text, CHUNK), 1, CHUNK / 2);
		assert_within(run_chunk(c, text, 5000), 1, 3000);
	}
	for (int i = 0; i < 40; i++)
		assert_int_equal(run_chunk(c, noise, CHUNK), 0);
	codec_free(c);
	/* chunks too small for a sample are tried as a whole */
	c = codec_for("auto:1");
	for (int i = 0; i < 5; i++)
		assert_int_equal(run_chunk(c, noise, 20000), 0);
	codec_free(c);
	free(text);
	free(noise);
}

/* What shrinks, but by less than a twentieth, is sent as it is; by just more,
 * it is not. */
static void auto_needs_a_gain_of_a_twentieth(void **state)
{
	uint8_t *data = alloc(100000);
	struct codec *c = codec_for("auto"), *plain = codec_for("zstd");

	(void)state;
	fill_random(data, 100000, 9);
	memset(data, 0, 4500);
	assert_within(run_chunk(plain, data, 100000), 95001, 99999);
	assert_int_equal(run_chunk(c, data, 100000), 0);
	codec_free(c);
	c = codec_for("auto");
	memset(data, 0, 5500);
	assert_within(run_chunk(c, data, 100000), 1, 95000);
	codec_free(c);
	codec_free(plain);
	free(data);
}

/* After noise auto rests, for longer each time but not for ever, and a chunk
 * that shrinks ends that. */
static void auto_asks_again(void **state)
{
	uint8_t *text = alloc(200000), *noise = alloc(200000);
	struct codec *c = codec_for("auto");
	unsigned rests[2];

	(void)state;
	fill_text(text, 200000);
	fill_random(noise, 200000, 11);
	for (unsigned round = 0; round < 2; round++) {
		unsigned noisy = round == 0 ? 1 : 1000;

		for (unsigned i = 0; i < noisy; i++)
			assert_int_equal(run_chunk(c, noise, 200000), 0);
		rests[round] = 0;
		while (run_chunk(c, text, 200000) == 0)
			assert_within(++rests[round], 1, 64);
		/* awake again: at once, and for one chunk of noise */
		assert_true(run_chunk(c, text, 200000) > 0);
		assert_int_equal(run_chunk(c, noise, 200000), 0);
		assert_int_equal(run_chunk(c, text, 200000), 0);
		assert_true(run_chunk(c, text, 200000) > 0);
	}
	assert_int_equal(rests[0], 1);
	codec_free(c);
	free(text);
	free(noise);
}

/* A chunk whose beginning says nothing about the rest. */
static void auto_looks_at_more_than_the_beginning(void **state)
{
	uint8_t *data = alloc(CHUNK);
	struct codec *c = codec_for("auto");

	(void)state;
	fill_random(data, CHUNK, 13);
	fill_text(data + CHUNK / 4, CHUNK - CHUNK / 4);
	assert_within(run_chunk(c, data, CHUNK), 1, CHUNK * 3 / 4);
	codec_free(c);
	free(data);
}

static size_t packed_length(const char *name, const uint8_t *data)
{
	struct codec *c = codec_for(name);
	size_t n = run_chunk(c, data, CHUNK);

	codec_free(c);
	return n;
}

/* Compress it so often, and each time say that sending took ns.  Returns what
 * it became the last time. */
static size_t send_often(struct codec *c, unsigned times, const uint8_t *data,
			 uint64_t ns)
{
	size_t n = 0;

	for (unsigned i = 0; i < times; i++) {
		n = run_chunk(c, data, CHUNK);
		codec_sent(c, ns);
	}
	return n;
}

static void auto_follows_the_line(void **state)
{
	const uint64_t slow = 10000000000;
	/* Chunks to go from the first level to the last one and back: 4 and 16
	 * a level, and some more that must change nothing. */
	enum { RISE = 20, FALL = 64 };
	uint8_t *text = alloc(CHUNK), *noise = alloc(CHUNK);
	struct codec *c = codec_for("auto");
	size_t fast, first, best;

	(void)state;
	fill_text(text, CHUNK);
	fill_random(noise, CHUNK, 3);
	fast = packed_length("zstd:1", text);
	first = packed_length("zstd:3", text);
	best = packed_length("zstd:6", text);
	assert_true(fast != first && first != best && best != fast);
	assert_int_equal(run_chunk(c, text, CHUNK), first);
	/* what was sent as it is says nothing of the compressor */
	send_often(c, RISE, noise, slow);
	while (run_chunk(c, text, CHUNK) == 0)
		;
	/* nor what was not compressed at all: a hole */
	for (int i = 0; i < RISE; i++)
		codec_sent(c, slow);
	assert_int_equal(run_chunk(c, text, CHUNK), first);
	assert_int_equal(send_often(c, RISE, text, slow), best);
	assert_int_equal(send_often(c, 8, text, 0), best);
	assert_int_equal(send_often(c, FALL, text, 0), fast);
	assert_int_equal(send_often(c, RISE, text, slow), best);
	codec_free(c);
	/* a level that was asked for stays */
	c = codec_for("auto:3");
	assert_int_equal(send_often(c, RISE, text, slow), first);
	assert_int_equal(send_often(c, FALL, text, 0), first);
	codec_free(c);
	free(text);
	free(noise);
}

static void zlib_itself_reads_ours(void **state)
{
	uint8_t *data = alloc(CHUNK), *packed = alloc(CHUNK),
		*back = alloc(CHUNK);
	struct codec *c = codec_for("zlib");
	uLongf back_len = CHUNK, len = CHUNK;
	struct expander *x = expander_new();
	uint8_t id;
	size_t n;

	(void)state;
	assert_non_null(x);
	fill_text(data, CHUNK);
	n = codec_compress(c, packed, CHUNK, data, CHUNK, &id);
	assert_int_equal(id, CODEC_ZLIB);
	assert_int_equal(uncompress(back, &back_len, packed, (uLong)n), Z_OK);
	assert_int_equal(back_len, CHUNK);
	assert_memory_equal(back, data, CHUNK);
	/* and the other way */
	assert_int_equal(compress2(packed, &len, data, CHUNK, 2), Z_OK);
	assert_int_equal(expand(x, CODEC_ZLIB, packed, len, back, CHUNK), 0);
	assert_memory_equal(back, data, CHUNK);
	expander_free(x);
	codec_free(c);
	free(back);
	free(packed);
	free(data);
}

/*
 * What a command prints, at most cap bytes, with n bytes at p as its standard
 * input.  Nothing is left, whether that went well or not.
 */
static size_t filter(const char *command, const void *p, size_t n, void *dst,
		     size_t cap)
{
	const char *tmp = getenv("TMPDIR");
	char path[256], line[400];
	size_t written, got = 0;
	int fd, status = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/ferry-test-codec.XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	written = (size_t)write(fd, p, n);
	close(fd);
	snprintf(line, sizeof(line), "%s < '%s'", command, path);
	f = popen(line, "r");
	if (f) {
		got = fread(dst, 1, cap, f);
		status = pclose(f);
	}
	unlink(path);
	assert_int_equal(written, n);
	assert_int_equal(status, 0);
	return got;
}

static void libzstd_itself_reads_ours(void **state)
{
	uint8_t *data = alloc(CHUNK), *packed = alloc(CHUNK),
		*back = alloc(CHUNK);
	struct codec *c = codec_for("zstd");
	uint8_t id;
	size_t n;

	(void)state;
	fill_text(data, CHUNK);
	n = codec_compress(c, packed, CHUNK, data, CHUNK, &id);
	assert_int_equal(id, CODEC_ZSTD);
	assert_int_equal(ZSTD_decompress(back, CHUNK, packed, n), CHUNK);
	assert_memory_equal(back, data, CHUNK);
	codec_free(c);
	free(back);
	free(packed);
	free(data);
}

static void check_zstd_tool(void)
{
	uint8_t *data = alloc(CHUNK), *packed = alloc(CHUNK),
		*back = alloc(CHUNK + 1);
	struct codec *c = codec_for("zstd");
	struct expander *x = expander_new();
	uint8_t id;
	size_t n;

	assert_non_null(x);
	fill_text(data, CHUNK);
	n = codec_compress(c, packed, CHUNK, data, CHUNK, &id);
	assert_int_equal(filter("zstd -dqc", packed, n, back, CHUNK + 1),
			 CHUNK);
	assert_memory_equal(back, data, CHUNK);
	/* the other way; it does not know the size, and adds a checksum */
	n = filter("zstd -qc -5", data, CHUNK, packed, CHUNK);
	memset(back, 0, CHUNK);
	assert_int_equal(expand(x, CODEC_ZSTD, packed, n, back, CHUNK), 0);
	assert_memory_equal(back, data, CHUNK);
	packed[n - 1] ^= 1;
	assert_int_equal(expand(x, CODEC_ZSTD, packed, n, back, CHUNK),
			 ERR_CORRUPT);
	expander_free(x);
	codec_free(c);
	free(back);
	free(packed);
	free(data);
}

static void zstd_tool_reads_ours(void **state)
{
	(void)state;
	if (system("zstd --version >/dev/null 2>&1") != 0)
		skip();
	check_zstd_tool();
}

/* Raw deflate and gzip are no zlib streams, though zlib could read them. */
static void other_wrappers_are_not_zlib(void **state)
{
	uint8_t data[500], packed[1000];
	struct expander *x = expander_new();
	z_stream z;

	(void)state;
	assert_non_null(x);
	fill_text(data, sizeof(data));
	/* raw deflate, and gzip */
	for (int bits = -15; bits <= 31; bits += 46) {
		memset(&z, 0, sizeof(z));
		assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, bits, 8,
					      Z_DEFAULT_STRATEGY),
				 Z_OK);
		z.next_in = data;
		z.avail_in = sizeof(data);
		z.next_out = packed;
		z.avail_out = sizeof(packed);
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(expand(x, CODEC_ZLIB, packed, z.total_out,
					NULL, sizeof(data)),
				 ERR_CORRUPT);
		deflateEnd(&z);
	}
	expander_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_level_edge_round_trips),
		cmocka_unit_test(whole_chunks_round_trip),
		cmocka_unit_test(level_changes_between_chunks),
		cmocka_unit_test(none_copies),
		cmocka_unit_test(unknown_codecs_are_refused),
		cmocka_unit_test(sparse_leaves_zeros_out),
		cmocka_unit_test(sparse_bits_have_their_order),
		cmocka_unit_test(sparse_bits_beyond_the_end_are_refused),
		cmocka_unit_test(sparse_cannot_be_asked_for),
		cmocka_unit_test(other_lengths_are_refused),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(trailing_bytes_are_refused),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(flipped_bits_do_no_harm),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(zstd_false_sizes_are_refused),
		cmocka_unit_test(zstd_windows_are_limited),
		cmocka_unit_test(zstd_skippable_frames_are_refused),
		cmocka_unit_test(dictionaries_are_refused),
		cmocka_unit_test(empty_streams),
		cmocka_unit_test(parse_choices),
		cmocka_unit_test(table_finds_by_id_and_name),
		cmocka_unit_test(plain_choice_leaves_only_what_grows),
		cmocka_unit_test(none_never_compresses),
		cmocka_unit_test(auto_compresses_text_and_leaves_noise),
		cmocka_unit_test(auto_needs_a_gain_of_a_twentieth),
		cmocka_unit_test(auto_asks_again),
		cmocka_unit_test(auto_looks_at_more_than_the_beginning),
		cmocka_unit_test(auto_follows_the_line),
		cmocka_unit_test(zlib_itself_reads_ours),
		cmocka_unit_test(libzstd_itself_reads_ours),
		cmocka_unit_test(zstd_tool_reads_ours),
		cmocka_unit_test(other_wrappers_are_not_zlib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
