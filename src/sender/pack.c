/*
 * Packs: small files, symlinks and directories that travel in one frame.
 */
#include "sender/pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum {
	/* A row of the table without its texts, with the longest digest: of a
	 * pack (struct pack_item) 57 bytes, of a list (struct msg_row) 62, and
	 * 3 for the length of further metadata. */
	ROW_FIXED = 33 + DIGEST_MAX,
};

struct pack *pack_new(void)
{
	struct pack *pk = calloc(1, sizeof(*pk));

	if (pk)
		buf_init(&pk->names, ITEM_NAMES_MAX);
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

struct item *pack_add(struct pack *pk, enum item_kind kind,
		      const struct pack_texts *texts, uint64_t size)
{
	const size_t len = texts->name_len + texts->target_len;
	const uint64_t raw = pk->table_len + pk->bytes + ROW_FIXED + len +
			     pk->item_room + size;
	struct item *it;

	if (pk->count >= PACK_ITEMS || raw > CHUNK_MAX ||
	    pk->names.len + len + 2 > ITEM_NAMES_MAX)
		return NULL;
	if (pk->count == pk->cap) {
		uint32_t cap = pk->cap ? pk->cap * 2 : 8;

		it = mem_resize(pk->items, cap, sizeof(*it));
		if (!it)
			return NULL;
		pk->items = it;
		pk->cap = cap;
	}
	it = &pk->items[pk->count];
	memset(it, 0, sizeof(*it));
	it->kind = (uint8_t)kind;
	it->name_off = (uint32_t)pk->names.len;
	it->name_len = (uint32_t)texts->name_len;
	it->path_off = (uint32_t)texts->path_off;
	buf_put(&pk->names, texts->name, texts->name_len);
	buf_put_u8(&pk->names, 0);
	it->target_off = (uint32_t)pk->names.len;
	it->target_len = (uint32_t)texts->target_len;
	buf_put(&pk->names, texts->target, texts->target_len);
	buf_put_u8(&pk->names, 0);
	if (pk->names.failed)
		return NULL;
	pk->count++;
	pk->bytes += size;
	pk->table_len += ROW_FIXED + len + pk->item_room;
	pk->fields_room += pk->item_room;
	return it;
}

struct pack_texts pack_texts_of(const struct pack *pk, const struct item *it)
{
	return (struct pack_texts){
		.name = pack_name(pk, it),
		.name_len = it->name_len,
		.path_off = it->path_off,
		.target = pack_target(pk, it),
		.target_len = it->target_len,
	};
}

struct pack *pack_alone(const struct pack *pk, const struct item *it)
{
	const uint64_t size = it->kind == ITEM_FILE && !pk->is_list ?
				      (uint64_t)it->st.st_size : 0;
	const struct pack_texts texts = pack_texts_of(pk, it);
	struct pack *to = pack_new();
	struct item *added;

	if (!to)
		return NULL;
	to->item_room = FILE_META_FIELDS_MAX;
	to->was_sent = pk->was_sent;
	to->has_sent_content = pk->has_sent_content;
	to->is_wanted = pk->is_wanted;
	to->is_list = pk->is_list;
	to->has_digests = pk->has_digests;
	added = pack_add(to, (enum item_kind)it->kind, &texts, size);
	if (!added) {
		pack_free(to);
		return NULL;
	}
	item_set_source(added, it);
	return to;
}

const char *pack_target(const struct pack *pk, const struct item *it)
{
	return (const char *)pk->names.data + it->target_off;
}

const char *pack_name(const struct pack *pk, const struct item *it)
{
	return (const char *)pk->names.data + it->name_off;
}

uint32_t pack_count_wanted(const struct msg_offered *m)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->count; i++)
		count += (uint32_t)pack_is_wanted(m, i);
	return count;
}

int pack_wanted(const struct pack *pk, const struct msg_offered *m,
		struct pack **out)
{
	const uint32_t count = pack_count_wanted(m);
	struct pack *to;

	*out = NULL;
	for (uint32_t i = 0; i < m->count; i++) {
		if (pack_is_wanted(m, i) &&
		    (pk->items[i].kind != ITEM_FILE || pk->items[i].done))
			return ERR_PROTOCOL;
	}
	if (count == 0)
		return 0;
	to = pack_new();
	if (!to)
		return ERR_RESOURCE;
	to->items = calloc(count, sizeof(*to->items));
	buf_put(&to->names, pk->names.data, pk->names.len);
	if (!to->items || to->names.failed) {
		pack_free(to);
		return ERR_RESOURCE;
	}
	to->cap = count;
	to->is_wanted = 1;
	to->was_sent = pk->was_sent;
	to->has_sent_content = pk->has_sent_content;
	to->table_len = pk->table_len; /* an upper bound is enough */
	to->fields_room = pk->fields_room;
	for (uint32_t i = 0; i < m->count; i++) {
		if (!pack_is_wanted(m, i))
			continue;
		to->items[to->count++] = pk->items[i];
		to->bytes += (uint64_t)pk->items[i].st.st_size;
	}
	*out = to;
	return 0;
}

/* Sum up the content of the files. */
static void sum_bytes(struct pack *pk)
{
	pk->bytes = 0;
	for (uint32_t i = 0; i < pk->count && !pk->is_list; i++) {
		if (pk->items[i].kind == ITEM_FILE)
			pk->bytes += (uint64_t)pk->items[i].st.st_size;
	}
}

void pack_keep(struct pack *pk, uint32_t kept, uint32_t next)
{
	while (next < pk->count)
		pk->items[kept++] = pk->items[next++];
	pk->count = kept;
	sum_bytes(pk);
}

void pack_restart(struct pack *pk)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < pk->count; i++) {
		if (pk->items[i].done)
			continue;
		pk->items[i].is_deferred = 0;
		if (kept != i)
			pk->items[kept] = pk->items[i];
		kept++;
	}
	pk->count = kept;
	sum_bytes(pk);
	pk->first_id = 0;
	pk->was_sent = 1;
	pk->is_wanted = 0;
}
