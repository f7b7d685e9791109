/*
 * Metadata of files and its bytes: round trips, the bytes themselves, every
 * bound, and further fields of later versions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/file_meta.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define MODE "\0\0\x0d\xed" /* 06755 */
#define TIME "\xff\xff\xff\xff\xff\xff\xff\xfe\x3b\x9a\xc9\xff"
#define BASIC MODE TIME

static const struct file_meta value = { .mode = 06755,
					.mtime_s = -2,
					.mtime_ns = 999999999 };

static void assert_same(const struct file_meta *a, const struct file_meta *b)
{
	assert_int_equal(a->mode, b->mode);
	assert_true(a->mtime_s == b->mtime_s);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->further, b->further);
}

static void bytes_of_both_forms(void **state)
{
	static const struct {
		enum file_meta_form form;
		const uint8_t *bytes;
		size_t len;
	} cases[] = {
		{ FILE_META_BASIC, BYTES(BASIC) },
		{ FILE_META_EXTENDED, BYTES(BASIC "\0\0") },
	};
	struct buf b;

	(void)state;
	buf_init(&b, FILE_META_MAX);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&b);
		file_meta_put(&b, &value, cases[i].form);
		assert_false(b.failed);
		assert_int_equal(b.len, cases[i].len);
		assert_memory_equal(b.data, cases[i].bytes, b.len);
	}
	buf_release(&b);
}

static void what_is_put_is_got(void **state)
{
	static const struct file_meta values[] = {
		{ .mode = 0 },
		{ .mode = 07777, .mtime_s = INT64_MAX, .mtime_ns = 999999999 },
		{ .mode = 0644, .mtime_s = INT64_MIN, .mtime_ns = 1 },
		{ .mode = 06755, .mtime_s = -2, .mtime_ns = 999999999 },
	};
	enum file_meta_form forms[] = { FILE_META_BASIC, FILE_META_EXTENDED };
	struct buf b;

	(void)state;
	buf_init(&b, FILE_META_MAX);
	for (size_t i = 0; i < 2 * sizeof(values) / sizeof(values[0]); i++) {
		const struct file_meta *want = &values[i / 2];
		struct file_meta got = { .mode = 1, .further = 1 };
		struct rd r;

		buf_reset(&b);
		file_meta_put(&b, want, forms[i % 2]);
		rd_init(&r, b.data, b.len);
		assert_true(file_meta_get(&r, &got, forms[i % 2]));
		assert_true(rd_at_end(&r));
		assert_same(&got, want);
	}
	buf_release(&b);
}

static void fields_that_are_not_there_are_not_put(void **state)
{
	struct file_meta m = value;
	struct buf b;

	(void)state;
	m.further = UINT32_MAX;
	buf_init(&b, FILE_META_MAX);
	file_meta_put(&b, &m, FILE_META_EXTENDED);
	assert_int_equal(b.len, FILE_META_BASIC_SIZE + 2);
	assert_memory_equal(b.data, BASIC "\0\0", b.len);
	buf_release(&b);
}

static void a_mode_or_time_out_of_range_is_refused(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
		int is_good;
	} cases[] = {
		{ BYTES("\0\0\x0f\xff\0\0\0\0\0\0\0\0\x3b\x9a\xc9\xff"), 1 },
		{ BYTES("\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0 },
		{ BYTES("\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0"), 0 },
		{ BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\x3b\x9a\xca\0"), 0 },
		{ BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff"), 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct file_meta got;
		struct rd r;

		rd_init(&r, cases[i].bytes, cases[i].len);
		assert_int_equal(file_meta_get(&r, &got, FILE_META_BASIC),
				 cases[i].is_good);
		assert_true(rd_at_end(&r));
	}
}

/* Fields that this version does not know, with NEXT after the record. */
#define NEXT "next"
static const struct {
	const uint8_t *bytes;
	size_t len;
	uint32_t further; /* 0: refused */
} lists[] = {
	/* one, empty */
	{ BYTES("\0\x03" "\0\0\0" NEXT), 1 },
	/* the highest tag, with a value */
	{ BYTES("\0\x05" "\x1f\0\x02" "ab" NEXT), (uint32_t)1 << 31 },
	/* three, ascending */
	{ BYTES("\0\x0c" "\x10\0\x01" "a" "\x12\0\0" "\x19\0\x02" "bc" NEXT),
	  1 << 16 | 1 << 18 | 1 << 25 },
	/* a tag that is too high */
	{ BYTES("\0\x03" "\x20\0\0" NEXT), 0 },
	{ BYTES("\0\x03" "\xff\0\0" NEXT), 0 },
	/* one tag twice, descending tags */
	{ BYTES("\0\x06" "\x12\0\0" "\x12\0\0" NEXT), 0 },
	{ BYTES("\0\x06" "\x12\0\0" "\x11\0\0" NEXT), 0 },
	/* a value that ends after the list, with bytes of NEXT */
	{ BYTES("\0\x04" "\x11\0\x02" "a" NEXT), 0 },
	/* a list that ends within a tag's length, and right after the tag */
	{ BYTES("\0\x02" "\x11\0" NEXT), 0 },
	{ BYTES("\0\x01" "\x11" NEXT), 0 },
};

static void unknown_fields_are_skipped_and_bad_lists_refused(void **state)
{
	uint8_t record[64];

	(void)state;
	memcpy(record, BASIC, FILE_META_BASIC_SIZE);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct file_meta got, want = value;
		struct rd r;

		memcpy(record + FILE_META_BASIC_SIZE, lists[i].bytes,
		       lists[i].len);
		rd_init(&r, record, FILE_META_BASIC_SIZE + lists[i].len);
		want.further = lists[i].further;
		if (!want.further) {
			assert_false(
				file_meta_get(&r, &got, FILE_META_EXTENDED));
			continue;
		}
		assert_true(file_meta_get(&r, &got, FILE_META_EXTENDED));
		assert_same(&got, &want);
		assert_int_equal(r.left, sizeof(NEXT) - 1);
		assert_memory_equal(r.p, NEXT, r.left);
	}
}

static void the_longest_record_fits_its_maximum(void **state)
{
	struct file_meta got;
	struct buf b;
	struct rd r;

	(void)state;
	buf_init(&b, FILE_META_MAX);
	buf_put(&b, BASIC "\xff\xff\x13\xff\xfc", FILE_META_BASIC_SIZE + 5);
	memset(buf_extend(&b, UINT16_MAX - 3), 'x', UINT16_MAX - 3);
	assert_int_equal(b.len, FILE_META_MAX);
	rd_init(&r, b.data, b.len);
	assert_true(file_meta_get(&r, &got, FILE_META_EXTENDED));
	assert_true(rd_at_end(&r));
	assert_int_equal(got.further, 1 << 19);
	buf_release(&b);
}

/* No reader mistakes a record that was cut for a whole one. */
static void a_record_that_is_cut_fails(void **state)
{
	static const uint8_t record[] = BASIC "\0\x05\x14\0\x02zz";
	const size_t whole = sizeof(record) - 1;
	struct file_meta got;

	(void)state;
	for (size_t n = 0; n <= whole; n++) {
		struct rd r;

		rd_init(&r, record, n);
		file_meta_get(&r, &got, FILE_META_EXTENDED);
		assert_int_equal(r.failed, n < whole);
		rd_init(&r, record, n);
		file_meta_get(&r, &got, FILE_META_BASIC);
		assert_int_equal(r.failed, n < FILE_META_BASIC_SIZE);
	}
}

static void stat_becomes_metadata(void **state)
{
	struct stat st;
	struct file_meta m;

	(void)state;
	memset(&st, 0, sizeof(st));
	st.st_mode = S_IFREG | 06755;
	st.st_mtim.tv_sec = -2;
	st.st_mtim.tv_nsec = 999999999;
	m = file_meta_of_stat(&st);
	assert_same(&m, &value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_both_forms),
		cmocka_unit_test(what_is_put_is_got),
		cmocka_unit_test(fields_that_are_not_there_are_not_put),
		cmocka_unit_test(a_mode_or_time_out_of_range_is_refused),
		cmocka_unit_test(
			unknown_fields_are_skipped_and_bad_lists_refused),
		cmocka_unit_test(the_longest_record_fits_its_maximum),
		cmocka_unit_test(a_record_that_is_cut_fails),
		cmocka_unit_test(stat_becomes_metadata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
