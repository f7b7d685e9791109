/*
 * fuzz.h - what the fuzz targets share.
 *
 * A target is one file, fuzz_NAME.c, with LLVMFuzzerTestOneInput() and seeds
 * in corpus/NAME/; nothing else has to be told of it.  The Makefile makes two
 * programs of it: one with libFuzzer (make fuzz, needs clang) and one with
 * replay.c, which takes the seeds and a fixed number of mutations of each
 * (make check-fuzz, with any compiler, under any sanitizer).
 *
 * Everything is static inline, for each target is a program of its own.
 */
#ifndef FERRY_TESTS_FUZZ_H
#define FERRY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's own names.  data is an allocation of exactly size bytes, so a
 * sanitizer sees the first byte read after it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
/* A target may bring its own. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned seed);

/* What must hold whatever the input is.  Unlike assert() it stays with
 * NDEBUG. */
#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: does not hold: %s\n",          \
				__FILE__, __LINE__, #cond);                    \
			abort();                                               \
		}                                                              \
	} while (0)

/* n bytes of memory, at least one; a fuzzer without memory has no use. */
static inline void *fuzz_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	CHECK(p);
	return p;
}

/* A copy of exactly n bytes. */
static inline void *fuzz_copy(const void *p, size_t n)
{
	void *copy = fuzz_alloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

/* A copy of the bytes as a C string: it ends at the first NUL, if any. */
static inline char *fuzz_string(const void *p, size_t n)
{
	char *copy = calloc(1, n + 1);

	CHECK(copy);
	if (n)
		memcpy(copy, p, n);
	return copy;
}

/* A small generator (xorshift), for what a seed decides. */
static inline uint32_t fuzz_random(uint32_t *state)
{
	uint32_t x = *state ? *state : 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	*state = x;
	return x;
}

#endif
