/*
 * mem.h - what libraries of some systems have beyond the C standard.
 *
 * Layer: base.  Pure.
 */
#ifndef FERRY_BASE_MEM_H
#define FERRY_BASE_MEM_H

#include <stddef.h>

/* As realloc(), for n elements of size bytes: NULL with ENOMEM where the
 * product overflows.  The result is the caller's; p stays valid where it
 * fails. */
void *mem_resize(void *p, size_t n, size_t size)
	__attribute__((warn_unused_result));

/* The last byte c in n bytes, or NULL. */
void *mem_last(const void *p, int c, size_t n);

#endif
