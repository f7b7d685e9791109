/*
 * The state of a file's delta.
 */
#include "sender/delta_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "chunk/cut.h"
#include "chunk/piece_index.h"
#include "chunk/tree.h"

enum {
	/* Pieces of 4 KiB for a basis of up to SMALL_LEAVES, of 8 KiB up to
	 * DELTA_WINDOW_FROM, else of 16 KiB. */
	BITS_SMALL = 12,
	SMALL_LEAVES = 1024,
	/* So many blocks have to be compared before it is known how much that
	 * finds; the counts are halved whenever they are twice as many.  Less
	 * than 1/LITTLE_DIVISOR is not worth going on. */
	BLOCKS_ENOUGH = 4 * DELTA_BLOCKS,
	LITTLE_DIVISOR = 4,
	/* Pieces are asked for after more than so many leaves of which less
	 * than half was found; or, when all was compared, where these are more
	 * than 1/POOR_ENOUGH of the file. */
	POOR_ENOUGH = 4,
	/* Leaves that are compared at first.  SHA-256 of each takes as long as
	 * sending it does on a fast network. */
	LEAVES_FIRST = 8,
	/* Of a basis of more than SAMPLE_FROM leaves a sample is asked for
	 * first: some bytes of each, or of some, so that there are at most
	 * SAMPLE_MAX.  Where nothing is in common, cutting all of it would take
	 * as long as sending the file does on a fast network. */
	SAMPLE_FROM = 16,
	SAMPLE_MAX = 4096,
	/* PROBING: the first leaves are looked up, then every fourth, and fewer
	 * the more were sent without finding anything: an eighth of those is
	 * passed over at most, or PROBES_STEP_MAX.  Where a leaf is in the
	 * basis, so is a sample of COMPARE_SAMPLE bytes; an eighth of that is a
	 * reason to ask for all pieces. */
	PROBES_FIRST = 8,
	PROBES_STEP = 4,
	PROBES_STEP_MAX = 64,
	PROBE_ENOUGH = COMPARE_SAMPLE / 8,
	/* FINDING: a leaf is looked up unless so many sixteenths of its blocks
	 * were found at the same offset. */
	MOST_OF_16 = 15,
	/* After so many recipes that did not make their chunk no more are
	 * sent. */
	MISFITS_MAX = 8,
};

static void index_drop(struct delta_index *x)
{
	if (!x || --x->users > 0)
		return;
	piece_index_free(x->pieces);
	free(x);
}

struct delta *delta_new(uint64_t basis_size, uint64_t leaves, int may_find,
			uint64_t salt)
{
	struct delta *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->basis_size = basis_size;
	d->leaves = leaves;
	d->may_find = may_find;
	d->is_comparing = 1;
	d->salt = salt;
	d->list_end = &d->list;
	runs_init(&d->compare, DELTA_RUNS_MAX);
	runs_init(&d->poor, DELTA_RUNS_MAX);
	runs_init(&d->recipes, DELTA_RUNS_MAX);
	return d;
}

void delta_free(struct delta *d)
{
	if (!d)
		return;
	while (d->list) {
		struct delta_leaf *l = d->list;

		d->list = l->next;
		free(l);
	}
	index_drop(d->index);
	runs_release(&d->compare);
	runs_release(&d->poor);
	runs_release(&d->recipes);
	free(d);
}

int delta_is_held(const struct delta *d)
{
	return d->mode == DELTA_ASKING || d->mode == DELTA_AWAITING;
}

/* ---- comparing ---- */

int delta_compare_leaves(struct delta *d, struct runs *todo, uint64_t leaf,
			 uint64_t count)
{
	const uint64_t basis = tree_leaf_count(d->basis_size);
	const uint64_t last = leaf + count < basis ? leaf + count : basis;
	int rc = 0;

	if (!d->is_comparing || leaf >= last)
		return 0;
	for (size_t i = 0; rc == 0 && i < todo->len; i++) {
		const uint64_t end = todo->v[i].first + todo->v[i].count;
		const uint64_t from =
			todo->v[i].first > leaf ? todo->v[i].first : leaf;
		const uint64_t to = end < last ? end : last;

		if (from < to)
			rc = runs_add(&d->compare, from, to - from);
	}
	return rc ? rc : runs_remove(todo, leaf, last - leaf);
}

/* Move all of from to todo. */
static int move_all(struct runs *from, struct runs *todo)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < from->len; i++)
		rc = runs_add(todo, from->v[i].first, from->v[i].count);
	if (rc == 0)
		runs_release(from);
	return rc;
}

unsigned delta_may_compare(const struct delta *d)
{
	const unsigned most =
		d->seen < BLOCKS_ENOUGH ? LEAVES_FIRST : DELTA_LEAVES_MAX;
	const unsigned out = d->waiting + d->ready;

	return out < most ? most - out : 0;
}

size_t delta_compare_places(const struct delta *d)
{
	return d->compare.len;
}

uint64_t delta_take_compare(struct delta *d, unsigned max, uint64_t *leaf)
{
	const unsigned may = delta_may_compare(d);
	const uint64_t n =
		runs_take(&d->compare, may < max ? may : max, leaf);

	d->waiting += (unsigned)n;
	return n;
}

unsigned delta_waiting(const struct delta *d)
{
	return d->waiting;
}

void delta_stop_waiting(struct delta *d)
{
	d->waiting = 0;
}

void delta_add(struct delta *d, struct delta_leaf *l)
{
	l->next = NULL;
	*d->list_end = l;
	d->list_end = &l->next;
}

/* The place of a leaf in the list; it points to NULL where there is none.
 * Answers and sending follow the order of the list, so it is near the front. */
static struct delta_leaf **find_leaf(struct delta *d, uint64_t leaf)
{
	struct delta_leaf **at = &d->list;

	while (*at && (*at)->leaf != leaf)
		at = &(*at)->next;
	return at;
}

static struct delta_leaf *unlink_leaf(struct delta *d, struct delta_leaf **at)
{
	struct delta_leaf *l = *at;

	*at = l->next;
	if (!*at)
		d->list_end = at;
	l->next = NULL;
	return l;
}

/* Note how much was found by comparing recently. */
static void count_blocks(struct delta *d, unsigned seen, unsigned found)
{
	d->seen += seen;
	d->found += found;
	if (d->seen > 2 * BLOCKS_ENOUGH) {
		d->seen /= 2;
		d->found /= 2;
	}
}

/* Begin to look for pieces; for a sample of them where the basis is large. */
static void begin_finding(struct delta *d)
{
	const uint64_t leaves = tree_leaf_count(d->basis_size);
	const uint64_t stride =
		leaves > SAMPLE_FROM ? leaves / SAMPLE_MAX + 1 : 0;

	d->request = (struct delta_request){
		.count = leaves < UINT32_MAX ? (uint32_t)leaves : UINT32_MAX,
		.bits = leaves <= SMALL_LEAVES ? BITS_SMALL :
			leaves <= DELTA_WINDOW_FROM ? BITS_SMALL + 1 :
						      BITS_SMALL + 2,
		.stride = stride < UINT16_MAX ? (unsigned)stride : UINT16_MAX,
	};
	d->window_end = UINT64_MAX;
	d->mode = DELTA_ASKING;
}

/* What follows from what was compared so far. */
static int settle(struct delta *d, struct runs *todo)
{
	const int is_over = d->compare.len == 0 && d->waiting == 0;
	uint64_t poor;
	int rc = 0;

	if (d->is_comparing && d->seen >= BLOCKS_ENOUGH &&
	    d->found < d->seen / LITTLE_DIVISOR) {
		d->is_comparing = 0;
		rc = move_all(&d->compare, todo);
	}
	poor = runs_count(&d->poor);
	if (d->mode == DELTA_UNASKED && d->may_find &&
	    (!d->is_comparing || poor >= POOR_ENOUGH ||
	     (is_over && poor > d->leaves / POOR_ENOUGH)))
		begin_finding(d);
	if (rc == 0 && (d->mode != DELTA_UNASKED || is_over))
		rc = move_all(&d->poor, todo);
	return rc;
}

int delta_stop(struct delta *d, struct runs *todo)
{
	int rc;

	d->is_comparing = 0;
	d->may_find = 0;
	if (d->mode == DELTA_ASKING || d->mode == DELTA_PROBING)
		d->mode = DELTA_OFF;
	rc = move_all(&d->compare, todo);
	return rc ? rc : settle(d, todo);
}

int delta_same(struct delta *d, struct runs *todo, uint64_t leaf,
	       uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct delta_leaf **at = find_leaf(d, leaf + i), *l;

		if (!*at || (*at)->is_ready)
			return ERR_PROTOCOL;
		l = unlink_leaf(d, at);
		count_blocks(d, l->blocks, l->blocks);
		d->waiting--;
		free(l);
	}
	return settle(d, todo);
}

int delta_differs(struct delta *d, struct runs *todo, uint64_t leaf,
		  const uint8_t *sums, unsigned count)
{
	struct delta_leaf *l = *find_leaf(d, leaf);
	int rc;

	if (!l || l->is_ready)
		return ERR_PROTOCOL;
	l->equal = match_blocks(l->sums, l->blocks, sums, count, l->same);
	l->is_ready = 1;
	d->waiting--;
	d->ready++;
	count_blocks(d, l->blocks, l->equal);
	/* Pieces of it may be found elsewhere. */
	if (l->equal < l->blocks / 2 && d->mode == DELTA_UNASKED && d->may_find)
		rc = runs_add(&d->poor, leaf, 1);
	else
		rc = runs_add(todo, leaf, 1);
	return rc ? rc : settle(d, todo);
}

uint64_t delta_unanswered(const struct delta *d, uint64_t size)
{
	uint64_t bytes = 0;

	for (const struct delta_leaf *l = d->list; l; l = l->next) {
		if (!l->is_ready)
			bytes += tree_leaf_size(size, l->leaf);
	}
	return bytes;
}

int delta_skip(struct delta *d, struct runs *todo, unsigned count)
{
	d->waiting -= count;
	return settle(d, todo);
}

/* ---- pieces ---- */

int delta_has_request(const struct delta *d)
{
	return d->mode == DELTA_ASKING;
}

struct delta_request delta_request(const struct delta *d)
{
	return d->request;
}

void delta_ask(struct delta *d)
{
	/* No peer is to make us keep more than pieces of the least length, and
	 * the ends of leaves that are cut alone. */
	const unsigned stride = d->request.stride;
	const uint64_t runs = stride ? d->request.count / stride + 1 : 1;
	const uint64_t each =
		stride ? COMPARE_SAMPLE : d->request.count * (uint64_t)TREE_LEAF;

	d->pieces_left = runs * (each / cut_min(d->request.bits) + 1);
	d->next_off = d->request.leaf * TREE_LEAF;
	index_drop(d->index);
	d->index = NULL;
	d->mode = DELTA_AWAITING;
}

static struct delta_index *new_index(const struct delta *d)
{
	struct delta_index *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->users = 1;
	x->bits = d->request.bits;
	x->pieces = piece_index_new(DELTA_PIECES_MAX, d->salt);
	if (x->pieces)
		return x;
	free(x);
	return NULL;
}

int delta_pieces(struct delta *d, const struct msg_signature *m)
{
	const uint64_t end = (d->request.leaf + d->request.count) * TREE_LEAF;
	uint64_t off = m->offset;

	if (d->mode != DELTA_AWAITING || off < d->next_off ||
	    m->count > d->pieces_left)
		return ERR_PROTOCOL;
	if (!d->index)
		d->index = new_index(d);
	if (!d->index)
		return ERR_RESOURCE;
	for (uint32_t i = 0; i < m->count; i++) {
		const uint8_t *p = m->list + i * SIGNATURE_PIECE;
		const size_t len = (size_t)be_get16(p) + 1;

		if (off >= end || len > d->basis_size ||
		    off > d->basis_size - len)
			return ERR_PROTOCOL;
		/* What there is no room for is not found, that is all. */
		if (piece_index_add(d->index->pieces, be_get64(p + 2), off,
				    len) == ERR_RESOURCE)
			return ERR_RESOURCE;
		off += len;
	}
	d->next_off = off;
	d->pieces_left -= m->count;
	return 0;
}

int delta_pieces_end(struct delta *d, const struct msg_signature *m)
{
	if (d->mode != DELTA_AWAITING ||
	    m->offset != d->request.leaf * TREE_LEAF)
		return ERR_PROTOCOL;
	d->mode = !d->index ? DELTA_OFF :
		  d->request.stride > 0 ? DELTA_PROBING : DELTA_FINDING;
	return 0;
}

/* All pieces near a leaf, or simply all, are to be asked for. */
static void ask_for_all(struct delta *d, uint64_t leaf)
{
	const uint64_t leaves = tree_leaf_count(d->basis_size);
	uint64_t from = 0, end = leaves;

	d->window_end = UINT64_MAX;
	if (leaves > DELTA_WINDOW_FROM) {
		from = leaf / DELTA_WINDOW * DELTA_WINDOW;
		end = from + DELTA_WINDOW + DELTA_MARGIN;
		d->window_end = from + DELTA_WINDOW;
		from -= from < DELTA_MARGIN ? from : DELTA_MARGIN;
	}
	end = end < leaves ? end : leaves;
	if (from >= end) {
		/* The file is longer than its basis by more than a window. */
		d->window_end = UINT64_MAX;
		d->mode = DELTA_OFF;
		return;
	}
	d->request.leaf = from;
	d->request.count = (uint32_t)(end - from);
	d->request.stride = 0;
	d->mode = DELTA_ASKING;
}

/* Whether it is not known yet if pieces are worth looking for. */
static int is_undecided(const struct delta *d)
{
	return d->mode == DELTA_UNASKED && d->may_find &&
	       d->seen < BLOCKS_ENOUGH &&
	       (d->compare.len > 0 || d->waiting > 0);
}

int delta_may_send(struct delta *d, uint64_t leaf)
{
	if (d->mode == DELTA_FINDING && leaf >= d->window_end)
		ask_for_all(d, leaf);
	if (leaf >= tree_leaf_count(d->basis_size) && is_undecided(d))
		return 0;
	return !delta_is_held(d);
}

/* ---- sending ---- */

static int is_probe(struct delta *d)
{
	const uint64_t n = d->probes++;
	uint64_t step = n / 8;

	if (n < d->next_probe)
		return 0;
	if (step < PROBES_STEP)
		step = n < PROBES_FIRST ? 1 : PROBES_STEP;
	d->next_probe = n + (step < PROBES_STEP_MAX ? step : PROBES_STEP_MAX);
	return 1;
}

void delta_take(struct delta *d, uint64_t leaf, int was_sent,
		struct delta_take *out)
{
	struct delta_leaf **at = find_leaf(d, leaf);

	*out = (struct delta_take){ .way = DELTA_AS_IS };
	if (delta_is_held(d)) {
		out->way = DELTA_HELD;
		return;
	}
	if (*at && (*at)->is_ready) {
		out->leaf = unlink_leaf(d, at);
		d->ready--;
	}
	/* What did not arrive as a recipe is not sent as one again. */
	if (was_sent)
		return;
	if (d->mode == DELTA_FINDING &&
	    !(out->leaf &&
	      out->leaf->equal >= out->leaf->blocks * MOST_OF_16 / 16))
		out->way = DELTA_BY_PIECES;
	else if (out->leaf && out->leaf->equal > 0)
		out->way = DELTA_BY_BLOCKS;
	else if (d->mode == DELTA_PROBING && is_probe(d))
		out->way = DELTA_PROBE;
	if (out->way == DELTA_BY_PIECES || out->way == DELTA_PROBE) {
		out->index = d->index;
		out->index->users++;
	}
}

int delta_give(struct delta *d, struct delta_take *t, uint64_t leaf,
	       int as_recipe, uint64_t found)
{
	int is_held = 0;

	/* Where it cannot be noted, asking for it again counts as damage on the
	 * way. */
	if (as_recipe)
		(void)runs_add(&d->recipes, leaf, 1);
	if (t->way == DELTA_PROBE && found >= PROBE_ENOUGH) {
		/* Another stream may have found the same meanwhile. */
		if (d->mode == DELTA_PROBING)
			ask_for_all(d, leaf);
		is_held = delta_is_held(d) || d->mode == DELTA_FINDING;
	}
	index_drop(t->index);
	free(t->leaf);
	*t = (struct delta_take){ .way = DELTA_AS_IS };
	return is_held;
}

int delta_misfit(struct delta *d, struct runs *todo, uint64_t leaf, int *rc)
{
	if (!runs_has(&d->recipes, leaf))
		return 0;
	(void)runs_remove(&d->recipes, leaf, 1);
	*rc = 0;
	/* An answer that is awaited must not be taken for one that was not
	 * asked for. */
	if (++d->misfits < MISFITS_MAX || d->mode == DELTA_AWAITING)
		return 1;
	d->mode = DELTA_OFF;
	*rc = delta_stop(d, todo);
	return 1;
}
