/*
 * Making foreign bytes fit to be printed: into every room, what comes out is
 * terminated, holds nothing that a terminal obeys, and where nothing was cut
 * the bytes can be told from it.  JSON events: each is one line that a strict
 * reader takes, and it reads back what was meant.
 *
 * Input: the bytes.
 */
#include "fuzz.h"

#include "base/num.h"
#include "base/text.h"
#include "cmd/json.h"

/* ---- what may be printed ---- */

static int is_bidi_or_break(unsigned cp)
{
	return cp == 0x61c || cp == 0x200e || cp == 0x200f || cp == 0x2028 ||
	       cp == 0x2029 || (cp >= 0x202a && cp <= 0x202e) ||
	       (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

/* The code point at p by RFC 3629, written out as its table; 0 bytes for none.
 */
static size_t model_utf8(const uint8_t *p, size_t n, unsigned *cp)
{
	static const struct {
		uint8_t first_lo, first_hi, lo, hi, len;
	} rows[] = {
		{ 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; n > 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = rows[i].len;

		if (p[0] < rows[i].first_lo || p[0] > rows[i].first_hi)
			continue;
		if (len > n || (len > 1 && (p[1] < rows[i].lo ||
					    p[1] > rows[i].hi)))
			return 0;
		*cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
		for (size_t k = 1; k < len; k++) {
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
			*cp = *cp << 6 | (p[k] & 0x3fu);
		}
		return len;
	}
	return 0;
}

static void check_printable(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t left = strlen(s);

	while (left > 0) {
		unsigned cp = 0;
		size_t len = model_utf8(p, left, &cp);

		CHECK(len > 0);
		CHECK(cp >= 0x20 && !(cp >= 0x7f && cp <= 0x9f));
		CHECK(!is_bidi_or_break(cp));
		p += len;
		left -= len;
	}
}

/* Undo the escapes: the bytes to out; returns how many. */
static size_t unescape(uint8_t *out, const char *s)
{
	size_t n = 0;

	while (*s) {
		if (*s != '\\') {
			out[n++] = (uint8_t)*s++;
			continue;
		}
		s++;
		if (*s == 'x') {
			char hex[3] = { s[1], s[1] ? s[2] : '\0', '\0' };

			CHECK(hex_decode(out + n++, 1, hex) == 0);
			s += 3;
		} else {
			CHECK(*s == 'n' || *s == 't' || *s == '\\');
			out[n++] = *s == 'n' ? '\n' : *s == 't' ? '\t' : '\\';
			s++;
		}
	}
	return n;
}

static void check_room(const uint8_t *p, size_t n, size_t room)
{
	char *dst = fuzz_alloc(room);

	memset(dst, 0xa5, room);
	CHECK(text_escape(dst, room, p, n) == dst);
	if (room > 0) {
		CHECK(memchr(dst, 0, room));
		check_printable(dst);
	}
	free(dst);
}

static void check_escape(const uint8_t *p, size_t n)
{
	size_t full = 4 * n + 1;
	char *dst = fuzz_alloc(full);
	uint8_t *back = fuzz_alloc(full);

	text_escape(dst, full, p, n);
	check_printable(dst);
	CHECK(unescape(back, dst) == n);
	CHECK(n == 0 || memcmp(back, p, n) == 0);
	for (size_t room = 0; room < 24; room++)
		check_room(p, n, room);
	check_room(p, n, n);
	check_room(p, n, strlen(dst));
	check_room(p, n, strlen(dst) + 1);
	free(dst);
	free(back);
}

/* ---- JSON ---- */

static unsigned hex4(const char *s)
{
	uint8_t b[2];
	char hex[5];

	memcpy(hex, s, 4);
	hex[4] = '\0';
	CHECK(hex_decode(b, 2, hex) == 0);
	return (unsigned)b[0] << 8 | b[1];
}

static size_t put_utf8(uint8_t *out, unsigned cp)
{
	if (cp < 0x80) {
		out[0] = (uint8_t)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (uint8_t)(0xc0 | cp >> 6);
		out[1] = (uint8_t)(0x80 | (cp & 0x3f));
		return 2;
	}
	out[0] = (uint8_t)(0xe0 | cp >> 12);
	out[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
	out[2] = (uint8_t)(0x80 | (cp & 0x3f));
	return 3;
}

/* A string of RFC 8259 at s (after the quote) to out; returns what follows
 * its closing quote.  Surrogates do not come up. */
static const char *read_string(const char *s, uint8_t *out, size_t *n)
{
	*n = 0;
	while (*s != '"') {
		CHECK((unsigned char)*s >= 0x20);
		if (*s != '\\') {
			out[(*n)++] = (uint8_t)*s++;
			continue;
		}
		if (s[1] == 'u') {
			unsigned cp = hex4(s + 2);

			CHECK(cp < 0xd800 || cp > 0xdfff);
			*n += put_utf8(out + *n, cp);
			s += 6;
		} else {
			CHECK(s[1] == '"' || s[1] == '\\');
			out[(*n)++] = (uint8_t)s[1];
			s += 2;
		}
	}
	return s + 1;
}

/* The bytes, with U+FFFD for each that is not UTF-8. */
static size_t as_text(uint8_t *out, const uint8_t *p, size_t n)
{
	size_t used = 0;

	while (n > 0) {
		unsigned cp = 0;
		size_t len = model_utf8(p, n, &cp);

		if (len)
			memcpy(out + used, p, len);
		used += len ? len : put_utf8(out + used, 0xfffd);
		len = len ? len : 1;
		p += len;
		n -= len;
	}
	return used;
}

static size_t base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	CHECK(at);
	return (size_t)(at - digits);
}

static size_t from_base64(uint8_t *out, const uint8_t *s, size_t n)
{
	size_t used = 0;

	CHECK(n % 4 == 0);
	for (size_t i = 0; i < n; i += 4) {
		size_t v = 0, have = 4;

		while (have > 2 && s[i + have - 1] == '=')
			have--;
		for (size_t k = 0; k < 4; k++)
			v = v << 6 |
			    (k < have ? base64_value((char)s[i + k]) : 0);
		for (size_t k = 0; k + 1 < have; k++)
			out[used++] = (uint8_t)(v >> (16 - 8 * k));
	}
	return used;
}

/* {"event":"e","text":"...","name" or "name_base64":"..."} */
static void check_json(const uint8_t *p, size_t n)
{
	static const char begin[] = "{\"event\":\"e\",\"text\":\"";
	size_t room = 6 * n + 128, got, want;
	uint8_t *read = fuzz_alloc(room), *text = fuzz_alloc(3 * n);
	int is_text = text_is_utf8(p, n);
	const char *s;
	struct buf b;

	buf_init(&b, 2 * room);
	json_begin(&b, "e");
	json_text(&b, "text", (const char *)p, n);
	json_bytes(&b, "name", (const char *)p, n);
	json_end(&b);
	CHECK(!b.failed && b.len > 1 && b.data[b.len - 1] == '\n');
	b.data[b.len - 1] = '\0';
	s = (const char *)b.data;
	CHECK(strlen(s) == b.len - 1);
	check_printable(s);
	CHECK(strncmp(s, begin, sizeof(begin) - 1) == 0);
	s = read_string(s + sizeof(begin) - 1, read, &got);
	want = as_text(text, p, n);
	CHECK(got == want && memcmp(read, text, want) == 0);
	CHECK((want == n && (n == 0 || memcmp(text, p, n) == 0)) == is_text);
	s += is_text ? strlen(",\"name\":\"") : strlen(",\"name_base64\":\"");
	CHECK(s[-1] == '"');
	s = read_string(s, read, &got);
	CHECK(strcmp(s, "}") == 0);
	if (is_text) {
		CHECK(got == n && (n == 0 || memcmp(read, p, n) == 0));
	} else {
		CHECK(from_base64(text, read, got) == n);
		CHECK(memcmp(text, p, n) == 0);
	}
	buf_release(&b);
	free(read);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_escape(data, size);
	check_json(data, size);
	return 0;
}
