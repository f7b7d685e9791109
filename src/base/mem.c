/*
 * reallocarray() and memrchr().
 */
#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

void *mem_resize(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

void *mem_last(const void *p, int c, size_t n)
{
	const unsigned char *at = p;

	while (n > 0) {
		if (at[--n] == (unsigned char)c)
			return (void *)(uintptr_t)(at + n);
	}
	return NULL;
}
