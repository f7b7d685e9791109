/*
 * Sets of numbers as sorted arrays of runs: few runs, so moving them is cheap.
 */
#include "base/runs.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void runs_init(struct runs *r, size_t max)
{
	memset(r, 0, sizeof(*r));
	r->max = max;
}

void runs_release(struct runs *r)
{
	free(r->v);
	runs_init(r, r->max);
}

static uint64_t end_of(const struct run *run)
{
	return run->first + run->count;
}

/* The index of the first run that ends after number; with touching, at or after
 * it. */
static size_t find_run(const struct runs *r, uint64_t number, int touching)
{
	size_t lo = 0, hi = r->len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		uint64_t end = end_of(&r->v[mid]);

		if (end > number || (touching && end == number))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Make room for one more run. */
static int reserve_run(struct runs *r)
{
	size_t cap = r->cap ? r->cap * 2 : 8;
	struct run *v;

	if (r->len < r->cap)
		return 0;
	if (r->len >= r->max)
		return ERR_RESOURCE;
	if (cap > r->max)
		cap = r->max;
	v = mem_resize(r->v, cap, sizeof(*v));
	if (!v)
		return ERR_RESOURCE;
	r->v = v;
	r->cap = cap;
	return 0;
}

/* Replace the runs v[from..to) by n (0 to 2) new ones. */
static int replace(struct runs *r, size_t from, size_t to,
		   const struct run *with, size_t n)
{
	size_t tail = r->len - to;

	if (n > to - from && reserve_run(r))
		return ERR_RESOURCE;
	memmove(r->v + from + n, r->v + to, tail * sizeof(*r->v));
	if (n > 0)
		memcpy(r->v + from, with, n * sizeof(*with));
	r->len = from + n + tail;
	return 0;
}

int runs_add(struct runs *r, uint64_t first, uint64_t count)
{
	size_t from = find_run(r, first, 1), to = from;
	struct run all = { first, count };
	uint64_t end = first + count;

	if (count == 0)
		return 0;
	while (to < r->len && r->v[to].first <= end)
		to++;
	if (to > from) {
		if (r->v[from].first < first)
			all.first = r->v[from].first;
		if (end_of(&r->v[to - 1]) > end)
			end = end_of(&r->v[to - 1]);
		all.count = end - all.first;
	}
	return replace(r, from, to, &all, 1);
}

int runs_remove(struct runs *r, uint64_t first, uint64_t count)
{
	size_t from = find_run(r, first, 0), to = from, n = 0;
	uint64_t end = first + count;
	struct run rest[2];

	while (to < r->len && r->v[to].first < end)
		to++;
	if (to == from || count == 0)
		return 0;
	if (r->v[from].first < first) {
		rest[n].first = r->v[from].first;
		rest[n++].count = first - r->v[from].first;
	}
	if (end_of(&r->v[to - 1]) > end) {
		rest[n].first = end;
		rest[n++].count = end_of(&r->v[to - 1]) - end;
	}
	return replace(r, from, to, rest, n);
}

uint64_t runs_take(struct runs *r, uint64_t max, uint64_t *first)
{
	uint64_t n;

	if (r->len == 0)
		return 0;
	n = r->v[0].count;
	*first = r->v[0].first;
	if (n > max) {
		r->v[0].first += max;
		r->v[0].count -= max;
		return max;
	}
	(void)replace(r, 0, 1, NULL, 0);
	return n;
}

int runs_has(const struct runs *r, uint64_t number)
{
	size_t i = find_run(r, number, 0);

	return i < r->len && r->v[i].first <= number;
}

uint64_t runs_count(const struct runs *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->len; i++)
		n += r->v[i].count;
	return n;
}
