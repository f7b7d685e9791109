/*
 * tree.h - the digest of a file as a tree over the digests of its chunks, which
 * may be recorded in any order.
 *
 * Layer: chunk.
 * Threads: a struct tree belongs to its owner, who locks it where it is
 * shared.
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
 * Leaf digests are kept only for ranges that are not complete, so memory is
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
 * Create a tree for a file of size bytes (at most TREE_SIZE_MAX) or
 * TREE_SIZE_UNKNOWN.  Memory grows with the ranges that have leaves, not with
 * size, so that a peer cannot exhaust it by announcing a huge file (the last
 * leaf of the largest file takes 4 MiB of pointers).  Returns NULL when out of
 * memory or for too large a size.
 */
struct tree *tree_new(const struct digest_ops *ops, uint64_t size);
void tree_free(struct tree *t);

/* The number of leaves of a file of size bytes: at least 1. */
uint64_t tree_leaf_count(uint64_t size);

/* The bytes in leaf index of a file of size bytes; 0 for the one leaf of an
 * empty file, and beyond the last leaf. */
size_t tree_leaf_size(uint64_t size, uint64_t index);

/* The bytes in count leaves of a file of size bytes.  has_last: the last leaf
 * of the file, which may be shorter, is one of them. */
uint64_t tree_leaves_size(uint64_t size, uint64_t count, int has_last);

/*
 * Set the size of a file whose size was unknown.  Returns 0; ERR_PROTOCOL where
 * it is too large, leaves beyond it were recorded, or another size is known.
 */
int tree_set_size(struct tree *t, uint64_t size);

/*
 * Record the digest of a leaf.  It may be recorded again (a chunk that was sent
 * twice): with the same digest while its range is not complete; after that the
 * call has no effect, whatever the digest.
 *
 * Returns 0; ERR_RANGE for an index beyond the file; ERR_PROTOCOL for another
 * digest than the one recorded; ERR_RESOURCE when out of memory.
 */
int tree_put(struct tree *t, uint64_t index, const uint8_t *digest);

/*
 * Record that count leaves from index on, none of which was recorded, are full
 * and have this digest, which is the same in each call: that of zeros.  Takes
 * next to no time and memory for a range of 64 of them, and for 256 ranges (16
 * GiB) no more.  Returns 0; ERR_RANGE; ERR_PROTOCOL where one was recorded;
 * ERR_RESOURCE.
 */
int tree_put_same(struct tree *t, uint64_t index, uint64_t count,
		  const uint8_t *digest);

/*
 * Get the digest of a leaf that was recorded and whose range is not complete,
 * or of a complete range (a tree of one leaf has none).  Returns 0, or -1 where
 * the tree does not hold it.
 */
int tree_leaf_digest(const struct tree *t, uint64_t index, uint8_t *out);
int tree_range_digest(const struct tree *t, uint64_t range, uint8_t *out);

/* Whether the leaf was recorded. */
int tree_has(const struct tree *t, uint64_t index);

/* How many different leaves were recorded. */
uint64_t tree_have_count(const struct tree *t);

/* Whether all leaves were recorded; 0 while the size is unknown. */
int tree_is_complete(const struct tree *t);

/*
 * The first leaf at or after from that was not recorded, or the leaf count
 * where there is none.  The size must be known.
 */
uint64_t tree_next_missing(const struct tree *t, uint64_t from);

/* Get the file's digest.  Takes, while it runs, a digest for each range: 16 or
 * 32 bytes for each 64 MiB of the file, which is 32 MiB for the largest that a
 * receiver accepts (RECV_FILE_SIZE_MAX).  Returns 0; ERR_RESOURCE when out of
 * memory; ERR_INTERNAL where the tree is not complete. */
int tree_final(struct tree *t, uint8_t *out);

#endif
