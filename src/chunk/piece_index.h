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
 * zeros costs no more than any other.  The order in which they were added is
 * kept: where one piece is found, the next of the basis mostly follows.
 */
#ifndef FERRY_CHUNK_PIECE_INDEX_H
#define FERRY_CHUNK_PIECE_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct piece_index;

enum {
	PIECE_OFFSET_BITS = 46, /* as RECV_FILE_SIZE_MAX */
	PIECE_LENGTH_BITS = 18,
};

struct piece {
	uint64_t digest;
	uint64_t place; /* offset << PIECE_LENGTH_BITS | length */
};

static inline uint64_t piece_off(const struct piece *p)
{
	return p->place >> PIECE_LENGTH_BITS;
}

static inline size_t piece_len(const struct piece *p)
{
	return p->place & ((1U << PIECE_LENGTH_BITS) - 1);
}

/*
 * An empty index of at most max pieces; it takes up to 56 bytes a piece while
 * it grows, 24 to 48 afterwards, and no more than it has use for.  salt is
 * random and unknown to the peer: it decides where a piece lies.  NULL when out
 * of memory.
 */
struct piece_index *piece_index_new(size_t max, uint64_t salt);
void piece_index_free(struct piece_index *x); /* NULL is allowed */

/*
 * Add a piece of len bytes (1 to 2^18 - 1) at off (below 2^46).  Where there is
 * one with the same digest already, or no free place near where it belongs,
 * nothing is added.  Returns 0; ERR_RANGE when there are max pieces;
 * ERR_RESOURCE when out of memory.
 */
int piece_index_add(struct piece_index *x, uint64_t digest, uint64_t off,
		    size_t len);

/* A piece of len bytes with this digest, or NULL.  It is the index's, and
 * valid until another is added; so is that of the next function. */
const struct piece *piece_index_find(const struct piece_index *x,
				     uint64_t digest, size_t len);

/* The piece that was added after p, where it begins in the basis at the end of
 * p; or NULL. */
const struct piece *piece_index_after(const struct piece_index *x,
				      const struct piece *p);

/* How many pieces are in it. */
size_t piece_index_count(const struct piece_index *x);

#endif
