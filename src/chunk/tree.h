/*
 * tree.h - the digest of a file, made from the digests of its chunks, which
 * may come in any order.
 *
 * Layer: chunk.  Uses base and digest.h.
 * Threads: none of its own; the owner locks.
 *
 * A file is cut into leaves of TREE_LEAF bytes, the last one shorter (an
 * empty file has one empty leaf).
 *
 *	leaf digest	H(bytes of the leaf)
 *	one leaf	the file's digest is the leaf's: what sha256sum or
 *			xxh128sum print for the same file
 *	more		H(range digests in order || size as 64-bit big-endian),
 *			where a range is TREE_RANGE_LEAVES leaves (the last
 *			may have fewer) and its digest is H(leaf digests in
 *			order)
 *
 * Leaf digests are kept only for ranges that are not yet whole, so memory is
 * about (digest size + 24) bytes for each 64 MiB of the file: under 1 MiB for
 * 1 TiB.
 */
#ifndef FERRY_CHUNK_TREE_H
#define FERRY_CHUNK_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "chunk/digest.h"

enum {
	TREE_LEAF = 1 << 20, /* bytes */
	TREE_RANGE_LEAVES = 64,
};
#define TREE_SIZE_UNKNOWN UINT64_MAX
/* The largest file: 2^53 bytes (8 PiB). */
#define TREE_SIZE_MAX ((uint64_t)1 << 53)

struct tree;

/*
 * A tree for a file of size bytes (at most TREE_SIZE_MAX) or
 * TREE_SIZE_UNKNOWN.  Memory grows with the ranges that are touched, not with
 * size, so a peer that announces a huge file gets nothing by it (touching the
 * last leaf of the largest file costs 4 MiB of pointers).
 * Returns NULL when out of memory.
 */
struct tree *tree_new(const struct digest_ops *ops, uint64_t size);
void tree_free(struct tree *t);

/* Number of leaves of a file of size bytes: at least 1. */
uint64_t tree_leaf_count(uint64_t size);

/* Bytes in leaf index of a file of size bytes (0 for the one leaf of an empty
 * file). */
size_t tree_leaf_size(uint64_t size, uint64_t index);

/*
 * Say how large a file of unknown size turned out to be.  Returns 0;
 * ERR_PROTOCOL where leaves beyond it were put or the size was known and is
 * another.
 */
int tree_set_size(struct tree *t, uint64_t size);

/*
 * Record the digest of a leaf.  Recording it again with the same digest is
 * allowed (a chunk that was sent twice) while its range is not whole, and
 * after that has no effect.
 *
 * Returns 0; ERR_RANGE for an index beyond the file; ERR_PROTOCOL for another
 * digest than the one recorded; ERR_RESOURCE when out of memory.
 */
int tree_put(struct tree *t, uint64_t index, const uint8_t *digest);

/*
 * The digest of a leaf that was put while its range is not whole, or of a
 * range that is (there is none in a tree of one leaf).  Returns 0, or -1 where
 * it is not kept.
 */
int tree_leaf_digest(const struct tree *t, uint64_t index, uint8_t *out);
int tree_range_digest(const struct tree *t, uint64_t range, uint8_t *out);

/* Whether the leaf was put. */
int tree_has(const struct tree *t, uint64_t index);

/* How many different leaves were put. */
uint64_t tree_have_count(const struct tree *t);

/* Whether every leaf was put (never, while the size is unknown). */
int tree_is_complete(const struct tree *t);

/*
 * The first leaf at or after from that was not put, or the leaf count when
 * there is none.  Size must be known.
 */
uint64_t tree_next_missing(const struct tree *t, uint64_t from);

/* The file's digest; the tree must be complete.  Returns 0 or
 * ERR_RESOURCE. */
int tree_final(struct tree *t, uint8_t *out);

#endif
