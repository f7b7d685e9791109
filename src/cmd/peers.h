/*
 * peers.h - who the sessions are with that a report tells of, from their
 * beginning to their end.
 *
 * Layer: cmd.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_CMD_PEERS_H
#define FERRY_CMD_PEERS_H

#include <stdint.h>

#include "cmd/repeats.h"

struct peer {
	struct peer *next;
	uint64_t number;
	int is_untold; /* messages say nothing of the session */
	struct repeats repeats; /* a receiver's: of the session */
	char *sender; /* of a named sender; or NULL */
	char text[];  /* its address, with that name; escaped */
};

/* Add a session to the list; both texts are copied, sender may be NULL.
 * Without memory it is left out: messages lack the address then, and all files
 * are named. */
void peers_add(struct peer **list, uint64_t number, const char *text,
	       const char *sender);

/* The session with this number; NULL if there is none. */
struct peer *peers_find(struct peer *list, uint64_t number);

/* The same, taken off the list, for the caller to free. */
struct peer *peers_take(struct peer **list, uint64_t number);
void peers_free(struct peer *p); /* NULL is allowed */

#endif
