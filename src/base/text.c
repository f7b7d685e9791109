/*
 * Escaping of bytes from outside, and UTF-8 (RFC 3629).
 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t text_utf8_next(const unsigned char *p, size_t n, unsigned *cp)
{
	/* the least code point for each length: smaller ones are overlong */
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len;
	unsigned v;

	if (n == 0)
		return 0;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
		v = p[0] & 0x1fu;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		v = p[0] & 0x0fu;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		v = p[0] & 0x07u;
	} else {
		return 0;
	}
	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3fu);
	}
	if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	*cp = v;
	return len;
}

int text_is_utf8(const void *src, size_t n)
{
	const unsigned char *p = src;
	unsigned cp;

	while (n > 0) {
		size_t len = text_utf8_next(p, n, &cp);

		if (len == 0)
			return 0;
		p += len;
		n -= len;
	}
	return 1;
}

int text_is_control(unsigned cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f))
		return 1;
	/* U+061C, U+200E, U+200F: bidirectional marks; U+FEFF: the byte order
	 * mark */
	if (cp == 0x061c || cp == 0x200e || cp == 0x200f || cp == 0xfeff)
		return 1;
	/* line and paragraph separator, bidirectional embedding and override */
	if (cp >= 0x2028 && cp <= 0x202e)
		return 1;
	/* bidirectional isolates (Unicode TR 9) */
	return cp >= 0x2066 && cp <= 0x2069;
}

/* Write the escaped form of the len (1 to 4) bytes at p to out (at least 17
 * bytes).  Returns its length. */
static size_t escape_one(char *out, const unsigned char *p, size_t len)
{
	size_t used = 0;

	if (len == 1 && (*p == '\n' || *p == '\t' || *p == '\\')) {
		out[0] = '\\';
		out[1] = *p == '\n' ? 'n' : *p == '\t' ? 't' : '\\';
		return 2;
	}
	for (size_t i = 0; i < len; i++)
		used += (size_t)snprintf(out + used, 5, "\\x%02x", p[i]);
	return used;
}

char *text_escape(char *dst, size_t size, const void *src, size_t n)
{
	const unsigned char *p = src;
	size_t used = 0, mark = 0;

	if (size == 0)
		return dst;
	while (n > 0) {
		char one[24];
		unsigned cp = 0;
		size_t len = text_utf8_next(p, n, &cp), out;

		if (len > 0 && cp != '\\' && !text_is_control(cp)) {
			memcpy(one, p, len);
			out = len;
		} else {
			len = len ? len : 1;
			out = escape_one(one, p, len);
		}
		if (used + out + 1 > size) {
			if (size >= 4)
				memcpy(dst + mark, "...", 3);
			dst[size >= 4 ? mark + 3 : 0] = '\0';
			return dst;
		}
		memcpy(dst + used, one, out);
		used += out;
		/* the last position that leaves room for "..." */
		if (used + 4 <= size)
			mark = used;
		p += len;
		n -= len;
	}
	dst[used] = '\0';
	return dst;
}

void text_append(char *dst, size_t size, const char *separator,
		 const char *text)
{
	const size_t used = strlen(dst);

	snprintf(dst + used, size - used, "%s%s", used > 0 ? separator : "",
		 text);
}

char *text_format(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0)
		text = malloc((size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}

char *text_size(char *dst, size_t size, double bytes)
{
	static const char *const units[] = { "B",   "KiB", "MiB",
					     "GiB", "TiB", "PiB" };
	size_t u = 0;

	/* 1023.95 would be rounded to "1024.0" of the smaller unit. */
	while (bytes >= 1023.95 && u + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		u++;
	}
	snprintf(dst, size, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
	return dst;
}

char *text_grouped(char dst[TEXT_GROUPED_MAX], uint64_t n)
{
	char digits[24];
	const size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu",
					    (unsigned long long)n);
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			dst[used++] = ',';
		dst[used++] = digits[i];
	}
	dst[used] = '\0';
	return dst;
}

char *text_count(char dst[TEXT_COUNT_MAX], uint64_t n, const char *noun)
{
	char number[TEXT_GROUPED_MAX];

	snprintf(dst, TEXT_COUNT_MAX, "%s %s%s", text_grouped(number, n), noun,
		 n == 1 ? "" : "s");
	return dst;
}
