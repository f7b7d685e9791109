/*
 * Recipes: making, checking and expanding them.
 */
#include "chunk/recipe.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"

/* ---- making one ---- */

void recipe_plan_init(struct recipe_plan *plan)
{
	plan->count = plan->literal_len = plan->copy_len = 0;
}

void recipe_plan_add(struct recipe_plan *plan, uint64_t off, size_t len)
{
	struct recipe_op *last =
		plan->count > 0 ? &plan->ops[plan->count - 1] : NULL;

	/* The last operation is kept for literals. */
	if (plan->count >= RECIPE_OPS_MAX - 1 &&
	    !(last && off != RECIPE_LITERAL && last->off != RECIPE_LITERAL &&
	      last->off + last->len == off))
		off = RECIPE_LITERAL;
	if (off == RECIPE_LITERAL)
		plan->literal_len += (uint32_t)len;
	else
		plan->copy_len += (uint32_t)len;
	if (last && (off == RECIPE_LITERAL ?
			     last->off == RECIPE_LITERAL :
			     last->off != RECIPE_LITERAL &&
				     last->off + last->len == off)) {
		last->len += (uint32_t)len;
		return;
	}
	plan->ops[plan->count].off = off;
	plan->ops[plan->count].len = (uint32_t)len;
	plan->count++;
}

void recipe_plan_literals(const struct recipe_plan *plan, const uint8_t *raw,
			  uint8_t *dst)
{
	for (uint32_t i = 0; i < plan->count; i++) {
		const struct recipe_op *op = &plan->ops[i];

		if (op->off == RECIPE_LITERAL) {
			memcpy(dst, raw, op->len);
			dst += op->len;
		}
		raw += op->len;
	}
}

size_t recipe_plan_put(const struct recipe_plan *plan, const uint8_t *sha,
		       uint8_t codec, uint8_t *dst)
{
	uint8_t *at = dst + RECIPE_FIXED;

	memset(dst, 0, RECIPE_FIXED);
	memcpy(dst, sha, RECIPE_SHA);
	be_put32(dst + RECIPE_SHA, plan->literal_len);
	dst[RECIPE_SHA + 4] = codec;
	be_put32(dst + RECIPE_SHA + 8, plan->count);
	for (uint32_t i = 0; i < plan->count; i++, at += RECIPE_OP) {
		be_put32(at, plan->ops[i].len);
		be_put64(at + 4, plan->ops[i].off);
	}
	return (size_t)(at - dst);
}

/* ---- taking one ---- */

struct recipe_op recipe_op_at(const struct recipe *r, uint32_t i)
{
	const uint8_t *p = r->ops + i * RECIPE_OP;

	return (struct recipe_op){ .off = be_get64(p + 4), .len = be_get32(p) };
}

/* Whether the operations make raw_len bytes, of a basis of this size and so
 * many literals. */
static int adds_up(const struct recipe *r, size_t raw_len, uint64_t basis_size)
{
	uint64_t made = 0, literal = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		const struct recipe_op op = recipe_op_at(r, i);

		if (op.len == 0)
			return 0;
		/* At most RECIPE_OPS_MAX numbers of 32 bits: no overflow. */
		made += op.len;
		if (op.off == RECIPE_LITERAL)
			literal += op.len;
		else if (op.off > basis_size || op.len > basis_size - op.off)
			return 0;
	}
	return made == raw_len && literal == r->literal_len;
}

int recipe_get(struct recipe *r, const uint8_t *p, size_t n, size_t raw_len,
	       uint64_t basis_size)
{
	const uint8_t *reserved;
	struct rd rd;

	rd_init(&rd, p, n);
	r->sha = rd_bytes(&rd, RECIPE_SHA);
	r->literal_len = rd_u32(&rd);
	r->codec = rd_u8(&rd);
	reserved = rd_bytes(&rd, 3);
	r->count = rd_u32(&rd);
	if (rd.failed || reserved[0] || reserved[1] || reserved[2] ||
	    r->count > RECIPE_OPS_MAX)
		return ERR_CORRUPT;
	r->ops = rd_bytes(&rd, r->count * RECIPE_OP);
	if (rd.failed || !adds_up(r, raw_len, basis_size))
		return ERR_CORRUPT;
	r->literals = rd.p;
	r->payload_len = rd.left;
	return 0;
}

int recipe_expand(const struct recipe *r, uint8_t *dst, size_t raw_len,
		  recipe_read_fn read, void *ctx)
{
	/* The bytes that are made never reach literals that are still to be
	 * used: as many as those lie ahead are still to be copied. */
	const uint8_t *literal = dst + raw_len - r->literal_len;

	for (uint32_t i = 0; i < r->count; i++) {
		const struct recipe_op op = recipe_op_at(r, i);

		if (op.off == RECIPE_LITERAL) {
			memmove(dst, literal, op.len);
			literal += op.len;
		} else if (read(ctx, dst, op.len, op.off)) {
			return ERR_CORRUPT;
		}
		dst += op.len;
	}
	return 0;
}
