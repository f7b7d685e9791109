/*
 * repeats.h - counts messages of the same kind, so that of a thousand files
 * with the same result only the first few are named.
 *
 * Layer: cmd.  Pure.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_CMD_REPEATS_H
#define FERRY_CMD_REPEATS_H

#include <stdint.h>

enum {
	REPEATS_NAMED = 5, /* of each kind */
	/* In one session there are few kinds: they are causes of failures.  The
	 * last row is that of all kinds for which there is no other. */
	REPEATS_KINDS = 16,
	REPEATS_TEXT_MAX = 128, /* longer texts are compared up to here */
};

/* All zero at first. */
struct repeats {
	struct repeats_row {
		char kind[REPEATS_TEXT_MAX];
		uint64_t count;
	} rows[REPEATS_KINDS];
};

/* Count one more of this kind, a text for people.  Returns how many there are
 * now. */
uint64_t repeats_add(struct repeats *r, const char *kind);

/* How many of a row were not named. */
uint64_t repeats_unnamed(const struct repeats_row *row);

#endif
