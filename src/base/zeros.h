/*
 * zeros.h - finding zero bytes, which need be neither sent nor written.
 *
 * Layer: base.
 * Threads: any.  Pure.
 */
#ifndef FERRY_BASE_ZEROS_H
#define FERRY_BASE_ZEROS_H

#include <stddef.h>

/* Whether all n bytes are zero.  Data is told from zeros by its first bytes, at
 * the cost of a call; zeros are read at the speed of memcmp(). */
int zeros_only(const void *p, size_t n);

/*
 * The length of the first run: the most units of `unit` bytes (not 0; the last
 * one may be shorter) that are all zeros, or all not.  *is_zero_out says which.
 * 0 where n is 0.
 */
size_t zeros_run(const void *p, size_t n, size_t unit, int *is_zero_out);

#endif
