/*
 * runs.h - a set of numbers, kept as runs of consecutive ones.
 *
 * Layer: base.  Uses libc only.
 * Threads: none of its own; one owner at a time.
 *
 * Chunks that are missing, claimed or not yet flushed come in few long runs;
 * how many runs there may be is bounded, so that memory is.
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
	struct run *v; /* owned; ascending, not touching one another */
	size_t len;
	size_t cap;
	size_t max;
};

/* Prepare an empty set of at most max runs.  Allocates nothing yet. */
void runs_init(struct runs *r, size_t max);

/* Free the memory; the set is empty. */
void runs_release(struct runs *r);

/*
 * Put count numbers from first on into the set, or take them out; numbers that
 * are in it already, or are not, do not matter.  first + count must not
 * overflow.  Returns 0; or, with the set unchanged, ERR_RESOURCE when memory
 * ran out or there would be too many runs.
 */
int runs_add(struct runs *r, uint64_t first, uint64_t count);
int runs_remove(struct runs *r, uint64_t first, uint64_t count);

/* Take out the first run, or the first max numbers of it.  Returns how many:
 * 0 when the set is empty. */
uint64_t runs_take(struct runs *r, uint64_t max, uint64_t *first);

int runs_has(const struct runs *r, uint64_t number);

/* How many numbers there are. */
uint64_t runs_count(const struct runs *r);

#endif
