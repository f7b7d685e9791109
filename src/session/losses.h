/*
 * losses.h - metadata of items that arrived and could not be kept: counted, and
 * told once for each kind.
 *
 * Layer: session.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_SESSION_LOSSES_H
#define FERRY_SESSION_LOSSES_H

#include <stddef.h>
#include <stdint.h>

#include "base/file_meta.h"

struct session_events;

enum { LOSSES_SHOWN = 512 };

struct loss {
	uint64_t count;
	unsigned cause;           /* enum wire_cause, of the first */
	char first[LOSSES_SHOWN]; /* its name, escaped */
};

/* Starts all zero. */
struct losses {
	uint64_t items; /* with at least one kind */
	struct loss of[FILE_META_KINDS];
};

/* Count an item that has lost these kinds (enum file_meta_kind, as bits; 0 is
 * allowed). */
void losses_add(struct losses *l, unsigned kinds, unsigned cause,
		const char *name, size_t name_len);

/* A message for each kind, about that session; where is "on this side" or the
 * like. */
void losses_tell(const struct losses *l, const struct session_events *events,
		 uint64_t number, const char *where);

/* The same of what the sender has left out, with the reason of each kind. */
void losses_tell_cut(const struct losses *l,
		     const struct session_events *events);

/* Whose loss it is, for a sentence: "modes or times" where there is nothing
 * else among the kinds that were lost, and these (enum file_meta_kind, as
 * bits). */
const char *losses_noun(const struct losses *l, unsigned more);

/* The names of these kinds, separated by commas.  Returns dst. */
#define X(id, number, name, text, cut) name ","
enum { LOSSES_KINDS_SIZE = sizeof("" FILE_META_KIND(X)) };
#undef X
char *losses_kinds(char dst[LOSSES_KINDS_SIZE], unsigned kinds);

#endif
