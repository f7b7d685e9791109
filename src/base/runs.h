/*
 * runs.h - a set of numbers, kept as runs of consecutive ones.
 *
 * Layer: base.
 * Threads: none of its own; one owner at a time.
 *
 * Chunks that are missing, unverified or not flushed come in few long runs.
 * The number of runs is limited, and so is the memory.
 */
#ifndef FERRY_BASE_RUNS_H
#define FERRY_BASE_RUNS_H

#include <stddef.h>
#include <stdint.h>

struct run {
	uint64_t first;
	uint64_t count; /* not 0 */
};

struct runs {
	struct run *v; /* owned; ascending, with a gap between any two */
	size_t len;
	size_t cap;
	size_t max;
};

/* Prepare an empty set of at most max runs.  Allocates nothing yet. */
void runs_init(struct runs *r, size_t max);

/* Free the memory; the set is empty. */
void runs_release(struct runs *r);

/*
 * Add the count numbers from first on to the set, or remove them from it; it
 * does not matter which of them are in it.  first + count must not overflow.
 * Returns 0; or, with the set unchanged, ERR_RESOURCE when memory ran out or
 * there would be too many runs.
 */
int runs_add(struct runs *r, uint64_t first, uint64_t count);
int runs_remove(struct runs *r, uint64_t first, uint64_t count);

/* Remove the first run, or its first max numbers, and set *first to the first
 * of them.  Returns how many: 0 when the set is empty. */
uint64_t runs_take(struct runs *r, uint64_t max, uint64_t *first);

/* Whether the number is in the set. */
int runs_has(const struct runs *r, uint64_t number);

/* How many numbers are in the set. */
uint64_t runs_count(const struct runs *r);

#endif
