/*
 * num.h - parsing of numbers, with checks; hexadecimal text.
 *
 * Layer: base.  Pure.
 */
#ifndef FERRY_BASE_NUM_H
#define FERRY_BASE_NUM_H

#include <stdint.h>

/*
 * Parse an unsigned decimal number in min..max, with nothing before or after
 * it.  Returns 0, or ERR_RANGE with *out unchanged.
 */
int num_parse(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* Like num_parse(), with an optional suffix K, M, G or T in either case (powers
 * of 1024), which "iB" may follow. */
int num_parse_size(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* Like num_parse(), in seconds; with an optional suffix s, m, h, d or w:
 * minutes, hours, days, weeks. */
int num_parse_time(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* Write n bytes as lower-case hex and a NUL: 2 * n + 1 bytes. */
void hex_encode(char *dst, const void *src, uint64_t n);

/* Decode exactly 2 * n hex digits, in either case, to n bytes.  Returns 0 or
 * ERR_RANGE. */
int hex_decode(void *dst, uint64_t n, const char *hex);

#endif
