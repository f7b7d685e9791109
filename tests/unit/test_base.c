/*
 * Unit tests of base: buffers, numbers, hex, escaping, error records.
 */
/* Its inline functions have the names of those that are defined here. */
#undef _FORTIFY_SOURCE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/wipe.h"
#include "base/zeros.h"

/* ---- what is overwritten ---- */

static const uint8_t *watched;
static size_t wiped;

/* In place of that of base/wipe.c. */
void wipe(void *p, size_t n)
{
	if (p == watched)
		wiped = n;
	for (volatile uint8_t *b = p; n > 0; n--)
		*b++ = 0;
}

/* A copy of n bytes that ends where its memory does. */
static uint8_t *exact(const void *p, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);

	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

static void mem_finds_the_last_byte(void **state)
{
	static const char text[] = "a/b/c";

	(void)state;
	assert_ptr_equal(mem_last(text, '/', 5), text + 3);
	assert_ptr_equal(mem_last(text, '/', 3), text + 1);
	assert_ptr_equal(mem_last(text, 'a', 5), text);
	assert_null(mem_last(text, '/', 1));
	assert_null(mem_last(text, 'a', 0));
}

static void mem_refuses_sizes_that_overflow(void **state)
{
	uint64_t *p = mem_resize(NULL, 3, sizeof(*p));

	(void)state;
	assert_non_null(p);
	p[2] = 7;
	errno = 0;
	assert_null(mem_resize(p, SIZE_MAX / sizeof(*p) + 1, sizeof(*p)));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(p[2], 7);
	free(p);
}

static void text_formats_any_length(void **state)
{
	char *text = text_format("%s/%0500d", "x", 7);

	(void)state;
	assert_non_null(text);
	assert_int_equal(strlen(text), 502);
	assert_memory_equal(text, "x/00", 4);
	assert_string_equal(text + 498, "0007");
	free(text);
}

static void buf_lays_out_big_endian(void **state)
{
	static const uint8_t want[] = {
		0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01,
		0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 'h',  'i',
	};
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	buf_put_u8(&b, 0x01);
	buf_put_u16(&b, 0x2345);
	buf_put_u32(&b, 0x6789abcd);
	buf_put_u64(&b, 0xef0123456789abcd);
	buf_put(&b, "hi", 2);
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
	buf_release(&b);
	assert_null(b.data);
}

static void buf_stops_at_its_maximum(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_put_u64(&b, 1);
	buf_put_u32(&b, 2);
	assert_int_equal(b.failed, 1);
	assert_int_equal(b.len, 8);
	/* once failed it stays so, even for what would fit */
	buf_put_u8(&b, 3);
	assert_int_equal(b.len, 8);
	assert_null(buf_extend(&b, 1));
	buf_reset(&b);
	assert_int_equal(b.failed, 0);
	assert_non_null(buf_extend(&b, 10));
	assert_true(b.cap <= 10);
	assert_null(buf_extend(&b, 1));
	buf_reset(&b);
	assert_null(buf_extend(&b, SIZE_MAX));
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

static void buf_extend_by_nothing_is_not_null(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_non_null(buf_extend(&b, 0));
	assert_int_equal(b.len, 0);
	buf_put(&b, NULL, 0);
	assert_int_equal(b.failed, 0);
	buf_release(&b);
}

static void buf_grows_and_keeps_content(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	for (uint32_t i = 0; i < 25000; i++)
		buf_put_u32(&b, i);
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.len, 100000);
	for (uint32_t i = 0; i < 25000; i++)
		assert_int_equal(be_get32(b.data + 4 * i), i);
	buf_put_u8(&b, 0);
	assert_int_equal(b.failed, 1);
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 100000);
}

static void secret_bufs_leave_nothing_behind(void **state)
{
	struct buf b;
	size_t first;

	(void)state;
	buf_init_secret(&b, 100000);
	buf_put(&b, "secret", 6);
	first = b.cap;
	watched = b.data;
	assert_non_null(buf_extend(&b, 5000));
	assert_memory_equal(b.data, "secret", 6);
	assert_int_equal(wiped, first);
	wiped = 0;
	watched = b.data;
	first = b.cap;
	buf_release(&b);
	assert_int_equal(wiped, first);
	/* It is as new, and still one for secrets. */
	assert_null(b.data);
	buf_put(&b, "secret", 6);
	wiped = 0;
	watched = b.data;
	buf_release(&b);
	assert_true(wiped >= 6);
	/* Others are not overwritten. */
	buf_init(&b, 100);
	buf_put(&b, "public", 6);
	wiped = 0;
	watched = b.data;
	buf_release(&b);
	assert_int_equal(wiped, 0);
}

static void buf_consumes_and_overwrites(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	buf_put(&b, "abcdefgh", 8);
	buf_consume(&b, 3);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "defgh", 5);
	buf_set_u32(&b, 1, 0x31323334);
	assert_memory_equal(b.data, "d1234", 5);
	buf_consume(&b, 5);
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

static void rd_reads_what_buf_wrote(void **state)
{
	struct buf b;
	struct rd r;
	char copy[3];

	(void)state;
	buf_init(&b, 64);
	buf_put_u8(&b, 0xfe);
	buf_put_u16(&b, 0xfedc);
	buf_put_u32(&b, 0xfedcba98);
	buf_put_u64(&b, 0xfedcba9876543210);
	buf_put(&b, "xyz12", 5);
	rd_init(&r, b.data, b.len);
	assert_int_equal(rd_u8(&r), 0xfe);
	assert_int_equal(rd_u16(&r), 0xfedc);
	assert_int_equal(rd_u32(&r), 0xfedcba98);
	assert_true(rd_u64(&r) == 0xfedcba9876543210);
	rd_copy(&r, copy, 3);
	assert_memory_equal(copy, "xyz", 3);
	assert_int_equal(rd_at_end(&r), 0);
	assert_memory_equal(rd_bytes(&r, 2), "12", 2);
	assert_int_equal(rd_at_end(&r), 1);
	assert_non_null(rd_bytes(&r, 0));
	buf_release(&b);
}

static void rd_refuses_to_pass_the_end(void **state)
{
	uint8_t *p = exact("\1\2\3", 3);
	char copy[4] = { 'a', 'a', 'a', 'a' };
	struct rd r;

	(void)state;
	rd_init(&r, p, 3);
	assert_int_equal(rd_u32(&r), 0);
	assert_int_equal(r.failed, 1);
	/* a failed reader gives nothing more, though bytes are left */
	assert_int_equal(rd_u8(&r), 0);
	assert_int_equal(rd_at_end(&r), 0);
	rd_init(&r, p, 3);
	assert_null(rd_bytes(&r, SIZE_MAX));
	rd_init(&r, p, 3);
	rd_copy(&r, copy, 4);
	assert_memory_equal(copy, "\0\0\0\0", 4);
	rd_init(&r, p, 3);
	assert_int_equal(rd_u64(&r), 0);
	rd_init(&r, p, 1);
	assert_int_equal(rd_u16(&r), 0);
	assert_int_equal(r.failed, 1);
	rd_init(&r, p, 0);
	assert_int_equal(rd_at_end(&r), 1);
	assert_int_equal(rd_u8(&r), 0);
	assert_int_equal(rd_at_end(&r), 0);
	free(p);
}

static void check_num(const char *s, uint64_t min, uint64_t max, int rc,
		      uint64_t want)
{
	uint64_t v = 4711;

	assert_int_equal(num_parse(s, min, max, &v), rc);
	assert_true(v == (rc ? 4711 : want));
}

static void num_parses_whole_numbers_only(void **state)
{
	static const char *const junk[] = {
		"",
		" 1",
		"1 ",
		"+1",
		"-1",
		"0x10",
		"1a",
		"1.0",
		"1e3",
		"a",
		"18446744073709551616",
		"99999999999999999999999",
		"1K",
		"\t1",
		"1\n",
		"\xd9\xa1",
	};

	(void)state;
	check_num("0", 0, 0, 0, 0);
	check_num("007", 0, 10, 0, 7);
	check_num("65535", 1, 65535, 0, 65535);
	check_num("65536", 1, 65535, ERR_RANGE, 0);
	check_num("0", 1, 65535, ERR_RANGE, 0);
	check_num("18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX);
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		check_num(junk[i], 0, UINT64_MAX, ERR_RANGE, 0);
}

static void check_size(const char *s, int rc, uint64_t want)
{
	uint64_t v = 4711;

	assert_int_equal(num_parse_size(s, 0, UINT64_MAX, &v), rc);
	assert_true(v == (rc ? 4711 : want));
}

static void num_parses_sizes(void **state)
{
	static const char *const junk[] = {
		"",
		"K",
		"1KB",
		"1kb",
		"1KiBx",
		"1Ki",
		"1iB",
		"1B",
		"1 K",
		"1P",
		"1KK",
		"-1K",
		"1.5K",
		"1k ",
		"16777216T",
		"18014398509481984K",
		"18446744073709551616",
	};
	uint64_t v = 4711;

	(void)state;
	check_size("0", 0, 0);
	check_size("12", 0, 12);
	check_size("1k", 0, 1024);
	check_size("1K", 0, 1024);
	check_size("3M", 0, 3u << 20);
	check_size("3MiB", 0, 3u << 20);
	check_size("2giB", 0, (uint64_t)2 << 30);
	check_size("1T", 0, (uint64_t)1 << 40);
	check_size("16777215T", 0, (uint64_t)16777215 << 40);
	check_size("18014398509481983K", 0, UINT64_MAX - 1023);
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		check_size(junk[i], ERR_RANGE, 0);
	assert_int_equal(num_parse_size("2K", 1, 2047, &v), ERR_RANGE);
	assert_int_equal(num_parse_size("2K", 2049, 4096, &v), ERR_RANGE);
	assert_int_equal(v, 4711);
	assert_int_equal(num_parse_size("2K", 2048, 2048, &v), 0);
	assert_int_equal(v, 2048);
}

static void check_time(const char *s, int rc, uint64_t want)
{
	uint64_t v = 4711;

	assert_int_equal(num_parse_time(s, 0, UINT64_MAX, &v), rc);
	assert_true(v == (rc ? 4711 : want));
}

static void num_parses_times(void **state)
{
	static const char *const junk[] = { "", "s", "1S", "1D", "1dd", "1d1",
					    "-1s", " 1s", "1 s", "1y", "1.5h" };
	uint64_t v = 4711;

	(void)state;
	check_time("0", 0, 0);
	check_time("90", 0, 90);
	check_time("90s", 0, 90);
	check_time("2m", 0, 120);
	check_time("3h", 0, 10800);
	check_time("7d", 0, 604800);
	check_time("2w", 0, 1209600);
	check_time("30500568904943w", 0,
		   UINT64_C(30500568904943) * 604800);
	check_time("30500568904944w", ERR_RANGE, 0);
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		check_time(junk[i], ERR_RANGE, 0);
	assert_int_equal(num_parse_time("2m", 1, 119, &v), ERR_RANGE);
	assert_int_equal(num_parse_time("2m", 121, 200, &v), ERR_RANGE);
	assert_int_equal(num_parse_time("2m", 120, 120, &v), 0);
}

static void hex_goes_both_ways(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x0f, 0xf0, 0xff, 0x5a };
	uint8_t back[sizeof(bytes)];
	char *text = malloc(11);

	(void)state;
	assert_non_null(text);
	hex_encode(text, bytes, sizeof(bytes));
	assert_string_equal(text, "000ff0ff5a");
	assert_int_equal(hex_decode(back, 5, text), 0);
	assert_memory_equal(back, bytes, 5);
	assert_int_equal(hex_decode(back, 5, "000FF0fF5A"), 0);
	assert_memory_equal(back, bytes, 5);
	hex_encode(text, bytes, 0);
	assert_string_equal(text, "");
	assert_int_equal(hex_decode(back, 0, ""), 0);
	free(text);
}

static void hex_refuses_junk(void **state)
{
	static const char *const junk[] = {
		"",     "0",    "000",  "00000", "000g",
		"g000", "00 0", "0x00", " 000",  "00\n0",
		"@000", "`000", "G000", "/000",  ":000",
	};
	uint8_t out[2];

	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		assert_int_equal(hex_decode(out, 2, junk[i]), ERR_RANGE);
}

/* Escape n bytes of src into a buffer of exactly size bytes. */
/* RFC 4648, 10, and all bits. */
static void base64_of_every_length(void **state)
{
	static const struct {
		const char *bytes, *text;
	} rows[] = {
		{ "", "" },           { "f", "Zg==" },
		{ "fo", "Zm8=" },     { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xff\xff\xff", "////" },
		{ "\xfb\xef\xbe\xff", "++++/w==" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const size_t n = strlen(rows[i].bytes);
		char *text = malloc(BASE64_LEN(n) + 1);

		assert_non_null(text);
		base64_encode(text, rows[i].bytes, n);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(strlen(text), BASE64_LEN(n));
		free(text);
	}
}

static void check_escape_in(size_t size, const void *src, size_t n,
			    const char *want)
{
	uint8_t *in = exact(src, n);
	char *out = malloc(size);

	assert_non_null(out);
	assert_ptr_equal(text_escape(out, size, in, n), out);
	assert_string_equal(out, want);
	free(out);
	free(in);
}

static void check_escape(const void *src, size_t n, const char *want)
{
	check_escape_in(200, src, n, want);
	/* the smallest that holds it */
	check_escape_in(strlen(want) + 1, src, n, want);
}

static void escape_leaves_text_alone(void **state)
{
	static const char *const plain[] = {
		"",
		"a b~!",
		"gr\xc3\xbc\xc3\x9f",
		"\xe2\x82\xac",
		"\xf0\x9f\x98\x80",
		"\xc2\xa0",
		"\xef\xbf\xbf",
		"%n $(x) '\"",
		"\xf4\x8f\xbf\xbf",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		check_escape(plain[i], strlen(plain[i]), plain[i]);
		assert_int_equal(text_is_utf8(plain[i], strlen(plain[i])), 1);
	}
}

static void escape_every_control(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 0x20; c++) {
		char raw = (char)c, want[8] = "\\x", *hex = want + 2;

		hex_encode(hex, &raw, 1);
		check_escape(&raw, 1,
			     c == '\n'   ? "\\n"
			     : c == '\t' ? "\\t"
					 : want);
	}
	check_escape("\x7f", 1, "\\x7f");
	check_escape("\\", 1, "\\\\");
	for (unsigned c = 0x80; c < 0xa0; c++) {
		char raw[2] = { (char)0xc2, (char)c }, want[] = "\\xc2\\x..";

		hex_encode(want + 6, raw + 1, 1);
		check_escape(raw, 2, want);
	}
	check_escape("a\0b", 3, "a\\x00b");
	check_escape("\x1b[2J", 4, "\\x1b[2J");
}

static void escape_bidi_and_separators(void **state)
{
	static const unsigned bad[] = {
		0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c,
		0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t raw[3] = { (uint8_t)(0xe0 | bad[i] >> 12),
				   (uint8_t)(0x80 | (bad[i] >> 6 & 63)),
				   (uint8_t)(0x80 | (bad[i] & 63)) };
		char want[16] = "";
		size_t n = 3, from = 0;

		if (bad[i] < 0x800) {
			raw[1] = (uint8_t)(0xc0 | bad[i] >> 6);
			from = 1;
			n = 2;
		}
		for (size_t k = 0; k < n; k++) {
			memcpy(want + 4 * k, "\\x", 2);
			hex_encode(want + 4 * k + 2, raw + from + k, 1);
		}
		check_escape(raw + from, n, want);
	}
}

static void escape_what_is_not_utf8(void **state)
{
	static const struct {
		const char *raw, *want;
	} rows[] = {
		{ "\x80", "\\x80" },
		{ "\x9b", "\\x9b" },
		{ "a\xff"
		  "b",
		  "a\\xffb" },
		{ "\xc3", "\\xc3" }, /* cut */
		{ "\xc3(", "\\xc3(" },
		{ "\xe2\x82", "\\xe2\\x82" },
		{ "\xf0\x9f\x98", "\\xf0\\x9f\\x98" },
		{ "\xc0\xaf", "\\xc0\\xaf" }, /* overlong */
		{ "\xc1\xbf", "\\xc1\\xbf" },
		{ "\xe0\x9f\xbf", "\\xe0\\x9f\\xbf" },
		{ "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80" },
		{ "\xfe", "\\xfe" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].raw);
		uint8_t *p = exact(rows[i].raw, n);

		check_escape(rows[i].raw, n, rows[i].want);
		assert_int_equal(text_is_utf8(p, n), 0);
		free(p);
	}
}

static void escape_cuts_to_size(void **state)
{
	char keep = 'k';

	(void)state;
	check_escape_in(1, "abc", 3, "");
	check_escape_in(3, "abc", 3, "");
	check_escape_in(4, "abc", 3, "abc");
	check_escape_in(4, "abcd", 4, "...");
	check_escape_in(6, "abcdef", 6, "ab...");
	check_escape_in(7, "abcdef", 6, "abcdef");
	/* neither an escape nor a character is cut in two */
	check_escape_in(8,
			"a\x01"
			"bcdef",
			7, "a...");
	check_escape_in(9,
			"a\x01"
			"bcdef",
			7, "a\\x01...");
	check_escape_in(6, "a\xc3\xbc\xc3\xbc\xc3\xbc", 7, "a...");
	check_escape_in(7, "a\xc3\xbc\xc3\xbc\xc3\xbc", 7, "a\xc3\xbc...");
	text_escape(&keep, 0, "abc", 3);
	assert_int_equal(keep, 'k');
	for (size_t size = 1; size < 64; size++) {
		char *out = malloc(size);

		assert_non_null(out);
		text_escape(out, size,
			    "\x1b\xc3\xbc\xe2\x80\xae\\\n\xff"
			    "abcdefghijklmnopqrstuvwxyz",
			    35);
		assert_true(strlen(out) < size);
		assert_int_equal(text_is_utf8(out, strlen(out)), 1);
		free(out);
	}
}

static void err_records_and_prefixes(void **state)
{
	struct err e;

	(void)state;
	err_clear(&e);
	errno = EAGAIN;
	assert_int_equal(err_set(&e, ERR_PROTOCOL, "bad %d", 7), ERR_PROTOCOL);
	assert_int_equal(errno, EAGAIN);
	assert_string_equal(e.text, "bad 7");
	assert_int_equal(e.sys_errno, 0);
	assert_int_equal(err_prefix(&e, "in %s", "x"), ERR_PROTOCOL);
	assert_string_equal(e.text, "in x: bad 7");
	errno = ENOENT;
	assert_int_equal(err_sys(&e, ERR_LOCAL, "open %s", "f"), ERR_LOCAL);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_string_equal(e.text, "open f: No such file or directory");
	assert_int_equal(err_set(NULL, ERR_LOST, "x"), ERR_LOST);
}

static void texts_are_appended_and_cut(void **state)
{
	char text[12] = "";
	struct err e;

	(void)state;
	text_append(text, sizeof(text), ", ", "one");
	assert_string_equal(text, "one");
	text_append(text, sizeof(text), ", ", "two");
	assert_string_equal(text, "one, two");
	text_append(text, sizeof(text), ", ", "three");
	assert_string_equal(text, "one, two, t");
	text_append(text, sizeof(text), ", ", "four");
	assert_string_equal(text, "one, two, t");

	err_append(NULL, "%s", "nowhere");
	err_set(&e, ERR_LOCAL, "no file");
	err_append(&e, " (%d)", 7);
	assert_string_equal(e.text, "no file (7)");
	assert_int_equal(e.code, ERR_LOCAL);
	for (size_t i = 0; i < sizeof(e.text); i++)
		err_append(&e, "%s", "ab");
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void err_texts_are_cut_not_overrun(void **state)
{
	char longer[2000];
	struct err e;

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&e, ERR_LOCAL, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	errno = EIO;
	err_sys(&e, ERR_LOCAL, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	err_prefix(&e, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void err_merge_keeps_the_most_telling(void **state)
{
	struct err full, lost, none;

	(void)state;
	err_set(&full, ERR_LOCAL, "disk full");
	err_set(&lost, ERR_LOST, "reset");
	err_clear(&none);
	err_merge(&none, &lost);
	assert_int_equal(none.code, ERR_LOST);
	assert_string_equal(none.text, "reset");
	err_merge(&none, &full);
	assert_string_equal(none.text, "disk full");
	err_merge(&none, &lost);
	assert_int_equal(none.code, ERR_LOCAL);
	assert_string_equal(none.text, "disk full");
	err_clear(&lost);
	err_merge(&none, &lost);
	assert_int_equal(none.code, ERR_LOCAL);
	/* of two alike the first stays */
	err_set(&full, ERR_LOCAL, "second");
	err_merge(&none, &full);
	assert_string_equal(none.text, "disk full");
}

static void err_codes_have_status_name_and_weight(void **state)
{
	static const int all[] = {
#define X(code, status, text) code,
		ERR_LIST(X)
#undef X
	};
	size_t count = sizeof(all) / sizeof(all[0]);

	(void)state;
	assert_int_equal(err_exit_status(ERR_OK), 0);
	assert_int_equal(err_weight(ERR_OK), 0);
	assert_int_equal(err_exit_status(ERR_USAGE), 2);
	assert_int_equal(err_exit_status(ERR_CORRUPT), 5);
	assert_int_equal(err_exit_status(12345), 11);
	assert_string_equal(err_name(12345), "unknown error");
	for (size_t i = 0; i < count; i++) {
		assert_true(all[i] < 0);
		assert_true(err_exit_status(all[i]) > 0);
		assert_string_not_equal(err_name(all[i]), "unknown error");
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(err_weight(all[i]),
					     err_weight(all[k]));
	}
}

/* ---- reading and writing ---- */

static void io_tells_an_error_from_the_end(void **state)
{
	char text[4];
	int fds[2], none = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(none >= 0);
	assert_int_equal(io_read(none, text, sizeof(text)), 0);
	assert_int_equal(io_pread(none, text, sizeof(text), 0), 0);
	/* open for reading only */
	assert_int_equal(io_write(none, "x", 1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(io_pwrite(none, "x", 1, 0), -1);
	assert_int_equal(io_close(&none), 0);
	assert_int_equal(none, -1);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(io_read(fds[1], text, sizeof(text)), -1);
	assert_int_equal(errno, EBADF);
	/* a pipe has no offsets */
	assert_int_equal(io_pread(fds[0], text, sizeof(text), 0), -1);
	assert_int_equal(errno, ESPIPE);
	assert_int_equal(io_close(&fds[0]), 0);
	assert_int_equal(io_close(&fds[1]), 0);
	/* closed already: nothing to do */
	assert_int_equal(io_close(&fds[1]), 0);
}

/* A file without a name that has these n bytes; the caller closes it. */
static int file_of(const uint8_t *p, size_t n)
{
	FILE *file = tmpfile();
	int fd;

	assert_non_null(file);
	fd = dup(fileno(file));
	assert_true(fd >= 0);
	fclose(file);
	assert_int_equal(io_pwrite(fd, p, n, 0), 0);
	return fd;
}

/* Also where they differ in the last of several blocks, and where one ends. */
static void io_compares_two_files(void **state)
{
	enum { SIZE = (256 << 10) + 3 };
	uint8_t *bytes = calloc(1, SIZE);
	int a, b, closed;

	(void)state;
	assert_non_null(bytes);
	a = file_of(bytes, SIZE);
	bytes[SIZE - 1] = 1;
	b = file_of(bytes, SIZE);
	assert_true(io_have_same(a, a, SIZE));
	assert_true(io_have_same(a, b, SIZE - 1));
	assert_false(io_have_same(a, b, SIZE));
	assert_true(io_have_same(a, b, 0));
	assert_int_equal(ftruncate(b, SIZE - 2), 0);
	assert_true(io_have_same(a, b, SIZE - 2));
	assert_false(io_have_same(a, b, SIZE - 1));
	assert_false(io_have_same(b, a, SIZE - 1));
	closed = b;
	close(b);
	assert_false(io_have_same(a, closed, 1));
	close(a);
	free(bytes);
}

static void zeros_are_told_from_data(void **state)
{
	static uint8_t data[10000];
	int is_zero;

	(void)state;
	assert_true(zeros_only(data, sizeof(data)));
	assert_true(zeros_only(NULL, 0));
	for (size_t at = 0; at < sizeof(data); at += 1111) {
		data[at] = 1;
		assert_false(zeros_only(data, sizeof(data)));
		assert_true(zeros_only(data, at));
		assert_int_equal(zeros_run(data, sizeof(data), 512, &is_zero),
				 at < 512 ? 512 : at / 512 * 512);
		assert_int_equal(is_zero, at >= 512);
		data[at] = 0;
	}
	/* the last unit is shorter, and there may be none */
	assert_int_equal(zeros_run(data, 10000, 4096, &is_zero), 10000);
	assert_true(is_zero);
	data[9999] = 1;
	assert_int_equal(zeros_run(data + 8192, 1808, 4096, &is_zero), 1808);
	assert_false(is_zero);
	assert_int_equal(zeros_run(data, 0, 4096, &is_zero), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mem_finds_the_last_byte),
		cmocka_unit_test(mem_refuses_sizes_that_overflow),
		cmocka_unit_test(text_formats_any_length),
		cmocka_unit_test(buf_lays_out_big_endian),
		cmocka_unit_test(buf_stops_at_its_maximum),
		cmocka_unit_test(buf_extend_by_nothing_is_not_null),
		cmocka_unit_test(buf_grows_and_keeps_content),
		cmocka_unit_test(secret_bufs_leave_nothing_behind),
		cmocka_unit_test(buf_consumes_and_overwrites),
		cmocka_unit_test(rd_reads_what_buf_wrote),
		cmocka_unit_test(rd_refuses_to_pass_the_end),
		cmocka_unit_test(num_parses_whole_numbers_only),
		cmocka_unit_test(num_parses_sizes),
		cmocka_unit_test(num_parses_times),
		cmocka_unit_test(hex_goes_both_ways),
		cmocka_unit_test(hex_refuses_junk),
		cmocka_unit_test(base64_of_every_length),
		cmocka_unit_test(escape_leaves_text_alone),
		cmocka_unit_test(escape_every_control),
		cmocka_unit_test(escape_bidi_and_separators),
		cmocka_unit_test(escape_what_is_not_utf8),
		cmocka_unit_test(escape_cuts_to_size),
		cmocka_unit_test(zeros_are_told_from_data),
		cmocka_unit_test(io_tells_an_error_from_the_end),
		cmocka_unit_test(io_compares_two_files),
		cmocka_unit_test(err_records_and_prefixes),
		cmocka_unit_test(texts_are_appended_and_cut),
		cmocka_unit_test(err_texts_are_cut_not_overrun),
		cmocka_unit_test(err_merge_keeps_the_most_telling),
		cmocka_unit_test(err_codes_have_status_name_and_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
