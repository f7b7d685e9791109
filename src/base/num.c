/*
 * Parsing of numbers.
 */
#include "base/num.h"

#include <stddef.h>
#include <string.h>

#include "base/err.h"

/* Parse the digits at *s and advance *s past them.  Returns 0 or ERR_RANGE. */
static int parse_digits(const char **s, uint64_t *out)
{
	uint64_t v = 0;
	const char *p = *s;

	if (*p < '0' || *p > '9')
		return ERR_RANGE;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (unsigned)(*p - '0'), &v))
			return ERR_RANGE;
	}
	*s = p;
	*out = v;
	return 0;
}

int num_parse(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v;

	if (parse_digits(&s, &v) || *s || v < min || v > max)
		return ERR_RANGE;
	*out = v;
	return 0;
}

int num_parse_size(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	static const char units[] = "kmgt";
	const char *u;
	uint64_t v, factor = 1;

	if (parse_digits(&s, &v))
		return ERR_RANGE;
	if (*s) {
		u = strchr(units, *s | 0x20);
		if (!u || !*u)
			return ERR_RANGE;
		factor = (uint64_t)1 << (10 * (u - units + 1));
		s++;
		if (strcmp(s, "iB") == 0)
			s += 2;
	}
	if (*s || __builtin_mul_overflow(v, factor, &v) || v < min || v > max)
		return ERR_RANGE;
	*out = v;
	return 0;
}

int num_parse_time(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	static const struct {
		char letter;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
		      { 'w', 7 * 86400 } };
	uint64_t v, factor = 1;
	size_t u = 0;

	if (parse_digits(&s, &v))
		return ERR_RANGE;
	if (*s) {
		while (u < sizeof(units) / sizeof(units[0]) &&
		       units[u].letter != *s)
			u++;
		if (u == sizeof(units) / sizeof(units[0]))
			return ERR_RANGE;
		factor = units[u].seconds;
		s++;
	}
	if (*s || __builtin_mul_overflow(v, factor, &v) || v < min || v > max)
		return ERR_RANGE;
	*out = v;
	return 0;
}

void hex_encode(char *dst, const void *src, uint64_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = src;

	for (uint64_t i = 0; i < n; i++) {
		*dst++ = hex[p[i] >> 4];
		*dst++ = hex[p[i] & 15];
	}
	*dst = '\0';
}

/* The value of a hex digit, or -1. */
static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(void *dst, uint64_t n, const char *hex)
{
	unsigned char *out = dst;

	if (strlen(hex) != 2 * n)
		return ERR_RANGE;
	for (uint64_t i = 0; i < n; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return ERR_RANGE;
		out[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}
