/*
 * The things in the queue: packs of small ones, and files that are sent in
 * chunks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "sender/queue_priv.h"

struct pack *pack_new(void)
{
	struct pack *pk = calloc(1, sizeof(*pk));

	if (pk)
		buf_init(&pk->names, NAMES_MAX);
	return pk;
}

void pack_free(struct pack *pk)
{
	if (!pk)
		return;
	free(pk->items);
	buf_release(&pk->names);
	free(pk);
}

static int pack_has_room(const struct pack *pk, size_t texts, uint64_t size)
{
	uint64_t raw = pk->table_len + pk->bytes + ROW_FIXED + texts + size;

	return pk->count < PACK_ITEMS && raw <= CHUNK_MAX &&
	       pk->names.len + texts + 2 <= NAMES_MAX;
}

struct item *pack_add(struct pack *pk, enum item_kind kind, const char *name,
		      size_t name_len, size_t path_off, const char *target,
		      size_t target_len, uint64_t size)
{
	struct item *it;

	if (!pack_has_room(pk, name_len + target_len, size))
		return NULL;
	if (pk->count == pk->cap) {
		uint32_t cap = pk->cap ? pk->cap * 2 : 8;

		it = reallocarray(pk->items, cap, sizeof(*it));
		if (!it)
			return NULL;
		pk->items = it;
		pk->cap = cap;
	}
	it = &pk->items[pk->count];
	memset(it, 0, sizeof(*it));
	it->kind = (uint8_t)kind;
	it->name_off = (uint32_t)pk->names.len;
	it->name_len = (uint32_t)name_len;
	it->path_off = (uint32_t)path_off;
	buf_put(&pk->names, name, name_len);
	buf_put_u8(&pk->names, 0);
	it->target_off = (uint32_t)pk->names.len;
	it->target_len = (uint32_t)target_len;
	buf_put(&pk->names, target, target_len);
	buf_put_u8(&pk->names, 0);
	if (pk->names.failed)
		return NULL;
	pk->count++;
	pk->bytes += size;
	pk->table_len += ROW_FIXED + name_len + target_len;
	return it;
}

const char *pack_name(const struct pack *pk, const struct item *it)
{
	return (const char *)pk->names.data + it->name_off;
}

struct outfile *outfile_new(const char *name, size_t name_len, size_t path_off)
{
	struct outfile *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->fd = -1;
	f->item.kind = ITEM_FILE;
	f->item.name_len = (uint32_t)name_len;
	f->item.path_off = (uint32_t)path_off;
	runs_init(&f->todo, TODO_RUNS_MAX);
	runs_init(&f->claims, STATE_RUNS_MAX);
	buf_init(&f->names, NAMES_MAX);
	buf_put(&f->names, name, name_len);
	buf_put_u8(&f->names, 0);
	if (f->names.failed) {
		outfile_free(f);
		return NULL;
	}
	return f;
}

void outfile_free(struct outfile *f)
{
	if (!f)
		return;
	/* Standard input stays the process's. */
	if (!f->is_stream)
		io_close(&f->fd);
	tree_free(f->tree);
	runs_release(&f->todo);
	runs_release(&f->claims);
	buf_release(&f->names);
	free(f);
}

const char *outfile_name(const struct outfile *f)
{
	return (const char *)f->names.data;
}
