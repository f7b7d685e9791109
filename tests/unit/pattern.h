/*
 * pattern.h - content for files: cheap to make under a sanitizer, where a loop
 * over some MiB takes longer than their transfer.
 *
 * No two leaves of a file are the same.
 */
#ifndef FERRY_TESTS_PATTERN_H
#define FERRY_TESTS_PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* It repeats after that many bytes, which are no divisor of a leaf's size. */
enum { PATTERN_PERIOD = 251 * 256 };

/* Fill the n bytes at p.  Other values of `variant` differ in every byte. */
static inline void pattern_fill(uint8_t *p, size_t n, uint8_t variant)
{
	size_t done = 0;

	for (; done < n && done < PATTERN_PERIOD; done++)
		p[done] = (uint8_t)(done * 31 + done / 251 + variant);
	while (done < n) {
		size_t more = n - done < done ? n - done : done;

		memcpy(p + done, p, more);
		done += more;
	}
}

#endif
