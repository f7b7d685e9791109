/*
 * num.h - numbers from text, checked.
 *
 * Layer: base.  Pure.
 */
#ifndef FERRY_BASE_NUM_H
#define FERRY_BASE_NUM_H

#include <stdint.h>

/*
 * Parse an unsigned decimal number in min..max; nothing may stand before or
 * behind it.  Returns 0, or ERR_RANGE with *out untouched.
 */
int num_parse(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* Like num_parse(), with an optional suffix K, M, G or T (powers of 1024,
 * either case, "iB" allowed behind it). */
int num_parse_size(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* Write n bytes as lower-case hex with a NUL behind: 2 * n + 1 bytes. */
void hex_encode(char *dst, const void *src, uint64_t n);

/* Exactly 2 * n hex digits, either case, to n bytes.  Returns 0 or
 * ERR_RANGE. */
int hex_decode(void *dst, uint64_t n, const char *hex);

#endif
