/*
 * The digest of a file from the digests of its leaves.
 *
 * Ranges of 64 leaves are found through pages of 256 ranges (16 GiB of the
 * file).  A range keeps its leaves' digests until all are recorded; then they
 * are replaced by the digest of the range ("folded"), and their memory is
 * freed.  Folded ranges of leaves that are all the same (holes) are one,
 * `same`, and so are pages of these: a hole of 64 TiB is announced by a few
 * bytes.
 */
#include "chunk/tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

enum { PAGE_RANGES = 256 };

struct range {
	uint64_t have; /* a bit for each leaf that was recorded */
	/* the digests of all leaves, by index; once folded, the range's */
	uint8_t digests[];
};

struct tree {
	const struct digest_ops *ops;
	uint64_t size;   /* or TREE_SIZE_UNKNOWN */
	uint64_t leaves; /* of the file; while its size is unknown, of the
			  * largest possible file */
	uint64_t have;   /* different leaves that were recorded */
	uint64_t end;    /* one after the last leaf that was recorded */
	struct range ***pages;
	uint64_t page_count;
	/* see tree_put_same(); NULL until it is used */
	struct range *same, **same_page;
};

uint64_t tree_leaf_count(uint64_t size)
{
	if (size == 0)
		return 1;
	return size / TREE_LEAF + (size % TREE_LEAF != 0);
}

size_t tree_leaf_size(uint64_t size, uint64_t index)
{
	uint64_t count = tree_leaf_count(size);

	if (size == 0 || index >= count)
		return 0;
	if (index + 1 < count || size % TREE_LEAF == 0)
		return TREE_LEAF;
	return (size_t)(size % TREE_LEAF);
}

uint64_t tree_leaves_size(uint64_t size, uint64_t count, int has_last)
{
	const uint64_t last = tree_leaf_count(size) - 1;

	return count * TREE_LEAF -
	       (has_last ? TREE_LEAF - tree_leaf_size(size, last) : 0);
}

static uint64_t range_count(const struct tree *t)
{
	return (t->leaves + TREE_RANGE_LEAVES - 1) / TREE_RANGE_LEAVES;
}

/* How many leaves the range has when it is complete. */
static unsigned range_leaves(const struct tree *t, uint64_t ri)
{
	uint64_t left = t->leaves - ri * TREE_RANGE_LEAVES;

	return left < TREE_RANGE_LEAVES ? (unsigned)left : TREE_RANGE_LEAVES;
}

/* The bits that are set when it is complete. */
static uint64_t range_mask(const struct tree *t, uint64_t ri)
{
	return UINT64_MAX >> (TREE_RANGE_LEAVES - range_leaves(t, ri));
}

/* A file of one leaf has that leaf's digest: its range is never folded. */
static int is_folded(const struct tree *t, uint64_t ri, const struct range *r)
{
	return t->leaves > 1 && r->have == range_mask(t, ri);
}

static struct range *range_find(const struct tree *t, uint64_t ri)
{
	uint64_t page = ri / PAGE_RANGES;

	if (page >= t->page_count || !t->pages[page])
		return NULL;
	return t->pages[page][ri % PAGE_RANGES];
}

static int grow_pages(struct tree *t, uint64_t count)
{
	uint64_t had = t->page_count;
	struct range ***pages;

	/* Doubled, so that a file of unknown size that grows takes linear
	 * time. */
	if (count < had * 2)
		count = had * 2;
	if (count > SIZE_MAX / sizeof(*pages))
		return ERR_RESOURCE;
	pages = realloc(t->pages, (size_t)count * sizeof(*pages));
	if (!pages)
		return ERR_RESOURCE;
	for (uint64_t i = had; i < count; i++)
		pages[i] = NULL;
	t->pages = pages;
	t->page_count = count;
	return 0;
}

/* How many ranges the page has room for: no more than the file needs, as there
 * may be many small files. */
static size_t page_ranges(const struct tree *t, uint64_t page)
{
	uint64_t left = range_count(t) - page * PAGE_RANGES;

	return left < PAGE_RANGES ? (size_t)left : PAGE_RANGES;
}

/* Find the range, or create it.  NULL when out of memory. */
static struct range *range_find_or_create(struct tree *t, uint64_t ri)
{
	uint64_t page = ri / PAGE_RANGES;
	struct range **slot;

	if (page >= t->page_count && grow_pages(t, page + 1))
		return NULL;
	if (!t->pages[page]) {
		t->pages[page] = calloc(page_ranges(t, page), sizeof(*slot));
		if (!t->pages[page])
			return NULL;
	}
	slot = &t->pages[page][ri % PAGE_RANGES];
	if (!*slot)
		*slot = calloc(
			1, sizeof(**slot) + range_leaves(t, ri) * t->ops->size);
	return *slot;
}

/* Replace the leaves' digests by the range's.  Where realloc() fails to shrink
 * it, the range stays as large as it is. */
static void range_fold(struct tree *t, uint64_t ri)
{
	struct range **slot = &t->pages[ri / PAGE_RANGES][ri % PAGE_RANGES];
	struct range *r = *slot, *smaller;
	size_t size = t->ops->size;
	uint8_t sum[DIGEST_MAX];

	t->ops->sum(r->digests, range_leaves(t, ri) * size, sum);
	memcpy(r->digests, sum, size);
	smaller = realloc(r, sizeof(*r) + size);
	if (smaller)
		*slot = smaller;
}

struct tree *tree_new(const struct digest_ops *ops, uint64_t size)
{
	int is_known = size != TREE_SIZE_UNKNOWN;
	struct tree *t;

	if (is_known && size > TREE_SIZE_MAX)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->ops = ops;
	t->size = size;
	t->leaves = tree_leaf_count(is_known ? size : TREE_SIZE_MAX);
	return t;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	for (uint64_t i = 0; i < t->page_count; i++) {
		struct range **ranges = t->pages[i];
		const size_t n = ranges ? page_ranges(t, i) : 0;

		if (ranges && ranges == t->same_page)
			continue;
		for (size_t k = 0; k < n; k++) {
			if (ranges[k] != t->same)
				free(ranges[k]);
		}
		free(ranges);
	}
	free(t->pages);
	free(t->same_page);
	free(t->same);
	free(t);
}

int tree_set_size(struct tree *t, uint64_t size)
{
	uint64_t last;
	const struct range *r;

	if (t->size != TREE_SIZE_UNKNOWN)
		return t->size == size ? 0 : ERR_PROTOCOL;
	if (size > TREE_SIZE_MAX || t->end > tree_leaf_count(size))
		return ERR_PROTOCOL;
	t->size = size;
	t->leaves = tree_leaf_count(size);
	/* With the size known, the last range may be complete already.  If it
	 * has 64 leaves, tree_put() has folded it. */
	last = range_count(t) - 1;
	r = range_find(t, last);
	if (r && is_folded(t, last, r) &&
	    range_leaves(t, last) < TREE_RANGE_LEAVES)
		range_fold(t, last);
	return 0;
}

int tree_put(struct tree *t, uint64_t index, const uint8_t *digest)
{
	uint64_t ri = index / TREE_RANGE_LEAVES;
	uint64_t bit = (uint64_t)1 << (index % TREE_RANGE_LEAVES);
	size_t size = t->ops->size;
	struct range *r;
	uint8_t *leaf;

	if (index >= t->leaves)
		return ERR_RANGE;
	r = range_find_or_create(t, ri);
	if (!r)
		return ERR_RESOURCE;
	/* The leaf's digest is not kept any more, so it is not compared. */
	if (is_folded(t, ri, r))
		return 0;
	leaf = r->digests + index % TREE_RANGE_LEAVES * size;
	if (r->have & bit)
		return memcmp(leaf, digest, size) ? ERR_PROTOCOL : 0;
	memcpy(leaf, digest, size);
	r->have |= bit;
	t->have++;
	if (t->end < index + 1)
		t->end = index + 1;
	if (is_folded(t, ri, r))
		range_fold(t, ri);
	return 0;
}

/* Make the range and the page of leaves that are all the same. */
static int make_same(struct tree *t, const uint8_t *digest)
{
	const size_t size = t->ops->size;
	uint8_t leaves[TREE_RANGE_LEAVES * DIGEST_MAX];

	if (t->same)
		return 0;
	t->same_page = calloc(PAGE_RANGES, sizeof(*t->same_page));
	t->same = t->same_page ? calloc(1, sizeof(*t->same) + size) : NULL;
	if (!t->same) {
		free(t->same_page);
		t->same_page = NULL;
		return ERR_RESOURCE;
	}
	for (size_t i = 0; i < TREE_RANGE_LEAVES; i++)
		memcpy(leaves + i * size, digest, size);
	t->ops->sum(leaves, TREE_RANGE_LEAVES * size, t->same->digests);
	t->same->have = UINT64_MAX;
	for (size_t i = 0; i < PAGE_RANGES; i++)
		t->same_page[i] = t->same;
	return 0;
}

/* Put the whole page of ranges, if none is there; or the whole range.  Returns
 * how many leaves were put, 0 where a leaf was recorded or there is no whole
 * range; or an error. */
static int put_same_ranges(struct tree *t, uint64_t index, uint64_t count)
{
	const uint64_t ri = index / TREE_RANGE_LEAVES;
	const uint64_t page = ri / PAGE_RANGES;
	struct range **slot;

	if (index % TREE_RANGE_LEAVES || count < TREE_RANGE_LEAVES)
		return 0;
	if (page >= t->page_count && grow_pages(t, page + 1))
		return ERR_RESOURCE;
	if (!t->pages[page] && ri % PAGE_RANGES == 0 &&
	    count >= PAGE_RANGES * TREE_RANGE_LEAVES) {
		t->pages[page] = t->same_page;
		return PAGE_RANGES * TREE_RANGE_LEAVES;
	}
	if (!t->pages[page]) {
		t->pages[page] = calloc(page_ranges(t, page), sizeof(*slot));
		if (!t->pages[page])
			return ERR_RESOURCE;
	}
	slot = &t->pages[page][ri % PAGE_RANGES];
	if (*slot)
		return 0;
	*slot = t->same;
	return TREE_RANGE_LEAVES;
}

int tree_put_same(struct tree *t, uint64_t index, uint64_t count,
		  const uint8_t *digest)
{
	if (index > t->leaves || count > t->leaves - index)
		return ERR_RANGE;
	/* A file of one leaf has no range. */
	if (t->leaves > 1 && make_same(t, digest))
		return ERR_RESOURCE;
	while (count > 0) {
		int n = t->leaves > 1 ? put_same_ranges(t, index, count) : 0;

		if (n < 0)
			return n;
		if (n > 0) {
			t->have += (unsigned)n;
			if (t->end < index + (unsigned)n)
				t->end = index + (unsigned)n;
		} else {
			int rc = tree_has(t, index) ? ERR_PROTOCOL :
						      tree_put(t, index,
							       digest);

			if (rc)
				return rc;
			n = 1;
		}
		index += (unsigned)n;
		count -= (unsigned)n;
	}
	return 0;
}

int tree_leaf_digest(const struct tree *t, uint64_t index, uint8_t *out)
{
	uint64_t ri = index / TREE_RANGE_LEAVES;
	unsigned bit = (unsigned)(index % TREE_RANGE_LEAVES);
	const struct range *r = index < t->leaves ? range_find(t, ri) : NULL;

	if (!r || is_folded(t, ri, r) || !(r->have >> bit & 1))
		return -1;
	memcpy(out, r->digests + bit * t->ops->size, t->ops->size);
	return 0;
}

int tree_range_digest(const struct tree *t, uint64_t range, uint8_t *out)
{
	const struct range *r =
		range < range_count(t) ? range_find(t, range) : NULL;

	if (!r || !is_folded(t, range, r))
		return -1;
	memcpy(out, r->digests, t->ops->size);
	return 0;
}

int tree_has(const struct tree *t, uint64_t index)
{
	const struct range *r;

	if (index >= t->leaves)
		return 0;
	r = range_find(t, index / TREE_RANGE_LEAVES);
	return r && (r->have >> (index % TREE_RANGE_LEAVES) & 1);
}

uint64_t tree_have_count(const struct tree *t)
{
	return t->have;
}

int tree_is_complete(const struct tree *t)
{
	return t->size != TREE_SIZE_UNKNOWN && t->have == t->leaves;
}

uint64_t tree_next_missing(const struct tree *t, uint64_t from)
{
	while (from < t->leaves) {
		uint64_t ri = from / TREE_RANGE_LEAVES;
		const struct range *r = range_find(t, ri);
		uint64_t missing;

		if (!r)
			return from;
		missing = range_mask(t, ri) & ~r->have;
		missing &= UINT64_MAX << (from % TREE_RANGE_LEAVES);
		if (missing)
			return ri * TREE_RANGE_LEAVES +
			       (unsigned)__builtin_ctzll(missing);
		from = (ri + 1) * TREE_RANGE_LEAVES;
	}
	return t->leaves;
}

/* The digest of a complete range, or of the only leaf. */
static const uint8_t *range_digest(const struct tree *t, uint64_t ri)
{
	const struct range *r = range_find(t, ri);

	assert(r);
	return r->digests;
}

int tree_final(struct tree *t, uint8_t *out)
{
	uint64_t ranges = range_count(t);
	size_t size = t->ops->size;
	uint8_t *all, *to;

	if (!tree_is_complete(t))
		return ERR_INTERNAL;
	if (t->leaves == 1) {
		memcpy(out, range_digest(t, 0), size);
		return 0;
	}
	if (ranges > (SIZE_MAX - 8) / size)
		return ERR_RESOURCE;
	all = malloc((size_t)ranges * size + 8);
	if (!all)
		return ERR_RESOURCE;
	to = all;
	for (uint64_t i = 0; i < ranges; i++, to += size)
		memcpy(to, range_digest(t, i), size);
	be_put64(to, t->size);
	t->ops->sum(all, (size_t)ranges * size + 8, out);
	free(all);
	return 0;
}
