/*
 * Making recipes.
 */
#include "sender/send_delta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "chunk/codec.h"
#include "chunk/cut.h"
#include "chunk/delta_key.h"
#include "chunk/match.h"
#include "chunk/recipe.h"
#include "fs/source.h"
#include "sender/delta.h"
#include "sender/outfile.h"
#include "sender/stream.h"

enum {
	/* A recipe is sent where it is at most so many sixteenths as long as
	 * the leaf. */
	WORTH_OF_16 = 15,
	/* Where at most 1/LITTLE_DIVISOR of a leaf differs from the basis, only
	 * that is read again. */
	LITTLE_DIVISOR = 4,
};

void send_delta_release(struct delta_buffers *b)
{
	free(b->read);
	free(b->payload);
	free(b->plan);
	*b = (struct delta_buffers){ 0 };
}

static int make_buffers(struct delta_buffers *b, struct err *fe)
{
	if (b->plan)
		return 0;
	b->read = malloc(CHUNK_MAX + 2 * CUT_PIECE_MAX);
	b->payload = malloc(CHUNK_MAX);
	b->plan = malloc(sizeof(*b->plan));
	if (b->read && b->payload && b->plan)
		return 0;
	send_delta_release(b);
	return err_set(fe, ERR_RESOURCE, "out of memory");
}

/* Whether the plan for n bytes saves enough. */
static int is_worth_it(const struct recipe_plan *plan, size_t n)
{
	return RECIPE_FIXED + plan->count * RECIPE_OP + plan->literal_len <=
	       n / 16 * WORTH_OF_16;
}

/*
 * Plan by blocks, and read the leaf at off; where that is little, only the
 * literals.  What has changed in the rest since it was compared does not
 * matter: it is sent as it was then, and the whole file is looked at in the
 * end.
 */
static int read_by_blocks(struct send_stream *st, const struct outfile *f,
			  const struct delta_leaf *l, uint64_t off,
			  struct delta_read *r, struct err *fe)
{
	const struct recipe_plan *plan = st->delta.plan;
	size_t at = 0;
	int rc = 0;

	assert(plan);
	match_plan_blocks(l->same, off, r->n, st->delta.plan);
	if (plan->literal_len > r->n / LITTLE_DIVISOR || !is_worth_it(plan, r->n))
		return source_read(f->fd, st->raw, r->n, off, fe);
	r->digest = l->digest;
	for (uint32_t i = 0; rc == 0 && i < plan->count; i++) {
		const struct recipe_op *op = &plan->ops[i];

		if (op->off == RECIPE_LITERAL)
			rc = source_read(f->fd, st->raw + at, op->len, off + at,
					 fe);
		at += op->len;
	}
	return rc;
}

int send_delta_read(struct send_stream *st, const struct outfile *f,
		    uint64_t leaf, const struct delta_take *t,
		    struct delta_read *r, struct err *fe)
{
	struct delta_buffers *b = &st->delta;
	const uint64_t off = leaf * TREE_LEAF;
	const size_t n = r->n;
	uint64_t left = f->size - off - n;
	size_t margin;
	int rc;

	r->raw = st->raw;
	r->digest = NULL;
	if (t->way == DELTA_AS_IS)
		return n > 0 ? source_read(f->fd, st->raw, n, off, fe) : 0;
	rc = make_buffers(b, fe);
	if (rc)
		return rc;
	if (t->way == DELTA_BY_BLOCKS)
		return read_by_blocks(st, f, t->leaf, off, r, fe);
	/* From where the leaf before it was cut last; or some pieces, so that
	 * it is cut as the basis was.  And the rest of its last one. */
	margin = cut_max(t->index->bits);
	b->before = off < CUT_PIECE_MAX ? (size_t)off : CUT_PIECE_MAX;
	if (b->last_id == f->id && b->last_end == off)
		b->before = b->last_piece;
	left = left < margin ? left : margin;
	b->len = b->before + n + (size_t)left;
	r->raw = b->read + b->before;
	return source_read(f->fd, b->read, b->len, off - b->before, fe);
}

/* Put head and literals, compressed where that pays, in b->payload. */
static struct payload put_recipe(struct send_stream *st, const uint8_t *raw,
			 const uint8_t *sha)
{
	struct delta_buffers *b = &st->delta;
	const size_t head = RECIPE_FIXED + b->plan->count * RECIPE_OP;
	struct payload literals;

	recipe_plan_literals(b->plan, raw, b->payload + head);
	literals = compressor_run(&st->compressor, b->payload + head,
				  b->plan->literal_len, 0);
	if (literals.data != b->payload + head)
		memcpy(b->payload + head, literals.data, literals.len);
	recipe_plan_put(b->plan, sha, literals.codec, b->payload);
	return (struct payload){ b->payload, head + literals.len,
				 CODEC_RECIPE };
}

struct delta_result send_delta_make(struct send_stream *st, uint64_t id,
				    uint64_t leaf, const struct delta_read *r,
				    const struct delta_take *t)
{
	const size_t n = r->n;
	struct delta_result out = { 0 };
	struct delta_buffers *b = &st->delta;
	uint8_t sum[DIGEST_MAX];
	const uint8_t *sha = sum;

	if (t->way == DELTA_AS_IS)
		return out;
	if (t->way == DELTA_BY_BLOCKS) {
		sha = t->leaf->sha;
	} else {
		const struct match_range range = {
			.p = b->read,
			.n = b->len,
			.from = b->before,
			.to = b->before + n,
		};
		const size_t piece = match_plan_pieces(
			delta_key_get(st->sender->delta_key), t->index->bits,
			t->index->pieces, &range, b->plan);

		b->last_id = id;
		b->last_end = leaf * TREE_LEAF + n;
		b->last_piece = range.to - piece;
	}
	out.found = b->plan->copy_len;
	if (t->way == DELTA_PROBE || !is_worth_it(b->plan, n))
		return out;
	/* Out of memory: it is sent as it is. */
	if (t->way == DELTA_BY_PIECES && same_digest(&st->same, r->raw, n, sum))
		return out;
	out.payload = put_recipe(st, r->raw, sha);
	return out;
}
