/*
 * piece_index.h - finds the pieces of a basis by their digest.
 *
 * Layer: chunk.
 * Threads: filled by one owner at a time; piece_index_find() by any number of
 * threads once nothing more is added.
 *
 * The digests come from the peer: whatever they are, memory is limited by the
 * maximum of pieces, and time by a limit on the places where a piece may lie.
 * Of pieces with one digest only the first is kept, so a basis of nothing but
 * zeros costs no more than any other.
 */
#ifndef FERRY_CHUNK_PIECE_INDEX_H
#define FERRY_CHUNK_PIECE_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct piece_index;

/*
 * An empty index of at most max pieces; it takes up to 64 bytes a piece while it
 * grows, 32 afterwards, and no more than it has use for.  salt is random and
 * unknown to the peer: it decides where a piece lies.  NULL when out of
 * memory.
 */
struct piece_index *piece_index_new(size_t max, uint64_t salt);
void piece_index_free(struct piece_index *x); /* NULL is allowed */

enum {
	PIECE_OFFSET_BITS = 46, /* as RECV_FILE_SIZE_MAX */
	PIECE_LENGTH_BITS = 18,
};

/*
 * Add a piece of len bytes (1 to 2^18 - 1) at off (below 2^46).  Where there is
 * one with the same digest already, or no free place near where it belongs,
 * nothing is added.  Returns 0; ERR_RANGE when there are max pieces;
 * ERR_RESOURCE when out of memory.
 */
int piece_index_add(struct piece_index *x, uint64_t digest, uint64_t off,
		    size_t len);

/* Where the basis has a piece of len bytes with this digest: 0 and *off, or -1. */
int piece_index_find(const struct piece_index *x, uint64_t digest, size_t len,
		     uint64_t *off);

/* How many pieces are in it. */
size_t piece_index_count(const struct piece_index *x);

#endif
