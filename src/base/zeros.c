/*
 * Comparing with a block of zeros: the C library's memcmp() uses vectors.
 */
#include "base/zeros.h"

#include <string.h>

static const char zeros[4096];

int zeros_only(const void *p, size_t n)
{
	const char *at = p;

	while (n > sizeof(zeros)) {
		if (memcmp(at, zeros, sizeof(zeros)) != 0)
			return 0;
		at += sizeof(zeros);
		n -= sizeof(zeros);
	}
	return n == 0 || memcmp(at, zeros, n) == 0;
}

size_t zeros_run(const void *p, size_t n, size_t unit, int *is_zero_out)
{
	const char *at = p;
	size_t len = unit < n ? unit : n;

	*is_zero_out = n > 0 && zeros_only(at, len);
	while (len < n) {
		const size_t next = unit < n - len ? unit : n - len;

		if (zeros_only(at + len, next) != *is_zero_out)
			break;
		len += next;
	}
	return len;
}
