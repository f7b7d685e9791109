/*
 * A recipe of a hostile sender: what is accepted expands to exactly the raw
 * length, from ranges within the basis, and nothing is written beyond.
 *
 * Input: u16 raw bytes, u16 bytes of the basis, u16 bytes that it has lost
 * since, the recipe.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "base/err.h"
#include "chunk/recipe.h"

struct basis {
	uint64_t size, left;
	size_t copied;
};

static int read_basis(void *ctx, void *dst, size_t n, uint64_t off)
{
	struct basis *b = ctx;

	CHECK(n > 0 && off <= b->size && n <= b->size - off);
	if (off > b->left || n > b->left - off)
		return -1;
	memset(dst, 'b', n);
	b->copied += n;
	return 0;
}

/* The recipe of what a recipe makes is the same one, but for operations that
 * are joined. */
static void remake(const struct recipe *r, size_t raw_len)
{
	static struct recipe_plan plan;
	uint8_t head[RECIPE_HEAD_MAX];
	struct recipe again;
	size_t n;

	recipe_plan_init(&plan);
	for (uint32_t i = 0; i < r->count; i++)
		recipe_plan_add(&plan, be_get64(r->ops + i * RECIPE_OP + 4),
				be_get32(r->ops + i * RECIPE_OP));
	CHECK(plan.count <= r->count);
	CHECK(plan.literal_len + plan.copy_len == raw_len);
	n = recipe_plan_put(&plan, r->sha, r->codec, head);
	CHECK(n <= sizeof(head));
	CHECK(recipe_get(&again, head, n, raw_len, UINT64_MAX) == 0);
	CHECK(again.literal_len >= r->literal_len);
	CHECK(memcmp(again.sha, r->sha, RECIPE_SHA) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct basis basis = { 0, 0, 0 };
	struct recipe r;
	size_t raw_len, literals;
	uint8_t *raw;
	struct rd rd;
	int rc;

	rd_init(&rd, data, size);
	raw_len = rd_u16(&rd);
	basis.size = rd_u16(&rd);
	basis.left = rd_u16(&rd);
	basis.left = basis.left < basis.size ? basis.size - basis.left : 0;
	rc = recipe_get(&r, rd.p, rd.left, raw_len, basis.size);
	CHECK(rc == 0 || rc == ERR_CORRUPT);
	if (rc)
		return 0;
	CHECK(r.literal_len <= raw_len && r.count <= RECIPE_OPS_MAX);
	raw = fuzz_alloc(raw_len);
	literals = r.literal_len;
	memset(raw + raw_len - literals, 'l', literals);
	rc = recipe_expand(&r, raw, raw_len, read_basis, &basis);
	CHECK(rc == 0 || (rc == ERR_CORRUPT && basis.left < basis.size));
	if (rc == 0) {
		size_t copied = 0;

		for (size_t i = 0; i < raw_len; i++)
			copied += raw[i] == 'b';
		CHECK(copied == basis.copied && copied + literals == raw_len);
		remake(&r, raw_len);
	}
	free(raw);
	return 0;
}
