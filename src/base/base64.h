/*
 * base64.h - bytes as characters of base64 (RFC 4648, 4).
 *
 * Layer: base.  Pure.
 */
#ifndef FERRY_BASE_BASE64_H
#define FERRY_BASE_BASE64_H

#include <stddef.h>

/* The characters for n bytes, with padding, without a NUL. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Write n bytes as base64 and a NUL: BASE64_LEN(n) + 1 bytes. */
void base64_encode(char *dst, const void *src, size_t n);

#endif
