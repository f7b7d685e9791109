/*
 * What was sent and has no verdict yet.
 */
#include "sender/inflight.h"

#include <stdlib.h>

#include "base/mem.h"
#include "sender/outfile_priv.h"

void inflight_init(struct inflight *in)
{
	*in = (struct inflight){ .next_id = 1 };
}

void inflight_release(struct inflight *in)
{
	for (size_t i = 0; i < in->len; i++) {
		pack_free(in->v[i].pack);
		outfile_free(in->v[i].file);
	}
	free(in->v);
	inflight_init(in);
}

/* Make room for one more entry: drop entries whose items all have their verdict
 * and, where that frees less than half, double the memory. */
static int make_room(struct inflight *in)
{
	size_t cap = in->cap ? in->cap * 2 : 256, kept = 0;
	struct inflight_entry *v;

	if (in->len < in->cap)
		return 0;
	for (size_t i = 0; i < in->len; i++) {
		if (in->v[i].pack || in->v[i].file)
			in->v[kept++] = in->v[i];
	}
	in->len = kept;
	if (in->len < in->cap / 2)
		return 0;
	v = mem_resize(in->v, cap, sizeof(*v));
	if (!v)
		return -1;
	in->v = v;
	in->cap = cap;
	return 0;
}

uint64_t inflight_add(struct inflight *in, struct pack *pk, struct outfile *f)
{
	const struct inflight_entry en = {
		.first = in->next_id,
		.count = pk ? pk->count : 1,
		.pack = pk,
		.file = f,
	};

	if (make_room(in))
		return 0;
	in->v[in->len++] = en;
	in->next_id += en.count;
	in->items += en.count;
	if (pk) {
		pk->first_id = en.first;
		pk->left = pk->count;
	} else {
		f->id = en.first;
		f->locked->is_in_flight = 1;
	}
	return en.first;
}

int inflight_was_given(const struct inflight *in, uint64_t first,
		       uint64_t count)
{
	return first > 0 && first < in->next_id && count <= in->next_id - first;
}

size_t inflight_index(const struct inflight *in, uint64_t id)
{
	size_t lo = 0, hi = in->len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct inflight_entry *en = &in->v[mid];

		if (en->first + en->count <= id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct inflight_entry *inflight_at(struct inflight *in, uint64_t id)
{
	const size_t i = inflight_index(in, id);

	if (i == in->len || in->v[i].first > id ||
	    (!in->v[i].pack && !in->v[i].file))
		return NULL;
	return &in->v[i];
}

void inflight_end_item(struct inflight *in, struct inflight_entry *en,
		       struct item *it)
{
	it->done = 1;
	in->items--;
	in->deferred -= it->is_deferred;
	if (--en->pack->left > 0)
		return;
	pack_free(en->pack);
	en->pack = NULL;
}

void inflight_end_file(struct inflight *in, struct outfile *f)
{
	struct inflight_entry *en = inflight_at(in, f->id);

	if (!f->locked->is_in_flight)
		return;
	f->locked->is_in_flight = 0;
	if (en)
		en->file = NULL;
	in->items--;
}

void inflight_defer(struct inflight *in, struct item *it)
{
	if (it->done || it->is_deferred)
		return;
	it->is_deferred = 1;
	in->deferred++;
}

struct pack *inflight_take_pack(struct inflight *in, struct inflight_entry *en)
{
	struct pack *pk = en->pack;

	en->pack = NULL;
	in->items -= pk->left;
	return pk;
}

int inflight_pop(struct inflight *in, struct pack **pk, struct outfile **f)
{
	*pk = NULL;
	*f = NULL;
	while (in->len > 0) {
		const struct inflight_entry *en = &in->v[--in->len];

		*pk = en->pack;
		*f = en->file;
		if (*pk || *f)
			return 1;
	}
	in->next_id = 1;
	in->items = in->deferred = 0;
	return 0;
}
