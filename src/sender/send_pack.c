/*
 * What a stream's thread does with a pack of small files, links and
 * directories: read the files, and send all in one frame, or offer them.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/source.h"
#include "sender/sender.h"
#include "wire/msg.h"

/* A file that outgrew its pack goes on its own. */
static int requeue_as_file(struct sender_stream *st, const struct item *it,
			   const char *name)
{
	struct outfile *f = outfile_new(name, it->name_len, it->path_off);

	if (!f)
		return ERR_RESOURCE;
	f->item.root = it->root;
	f->item.st = it->st;
	f->size = (uint64_t)it->st.st_size;
	queue_requeue_file(st->sender->queue, f);
	return 0;
}

/*
 * Read a small file to raw + off.  planned is what the pack still has to hold
 * besides.  Returns 0, 1 when the item is not in the pack (and was dealt
 * with), or an error that ends the session.
 */
static int read_item(struct sender_stream *st, struct pack *pk,
		     struct item *it, size_t off, uint64_t planned,
		     size_t *len, struct err *e)
{
	const char *name = pack_name(pk, it), *leaf = NULL;
	struct err fe;
	int dir, rc;

	err_clear(&fe);
	dir = sender_item_parent(st, it, name, &leaf, &fe);
	if (dir == ERR_RESOURCE) {
		*e = fe;
		return dir;
	}
	if (dir < 0) {
		sender_item_failed(st, name, it, &fe);
		return 1;
	}
	rc = source_read_small(dir, leaf, sender_follows(st, it), &it->st,
			       st->raw + off, RAW_CAP - off, len, &fe);
	if (rc || off + *len + planned > CHUNK_MAX) {
		uint64_t grown = (uint64_t)it->st.st_size;

		if ((rc == 0 || rc == ERR_CHANGED) && grown > PACK_FILE_MAX &&
		    requeue_as_file(st, it, name) == 0)
			return 1;
		if (rc == 0)
			err_set(&fe, ERR_CHANGED,
				"it grew while it was to be sent");
		sender_item_failed(st, name, it, &fe);
		return 1;
	}
	st->sender->cfg->digest->sum(st->raw + off, *len, it->digest);
	return 0;
}

static void put_row(struct sender_stream *st, const struct pack *pk,
		    const struct item *it, size_t digest_size)
{
	struct pack_item row = {
		.kind = it->kind,
		.meta = file_meta_of_stat(&it->st),
		.name = pack_name(pk, it),
		.name_len = it->name_len,
		.target = (const char *)pk->names.data + it->target_off,
		.target_len = it->target_len,
	};

	if (it->kind == ITEM_FILE) {
		row.size = (uint32_t)it->st.st_size;
		memcpy(row.digest, it->digest, sizeof(row.digest));
	}
	pack_put_item(&st->table, &row, digest_size);
}

/*
 * Read the content of all items behind `front` bytes of room for the table;
 * items that cannot be read are taken out of the pack.  *data is what came
 * together.
 */
static int read_items(struct sender_stream *st, struct pack *pk, size_t front,
		      size_t *data, struct err *e)
{
	uint64_t planned = pk->bytes;
	uint32_t kept = 0;
	size_t off = front;

	for (uint32_t i = 0; i < pk->count; i++) {
		struct item *it = &pk->items[i];
		size_t len = 0;
		int rc = 0;

		if (it->kind == ITEM_FILE) {
			planned -= (uint64_t)it->st.st_size;
			rc = read_item(st, pk, it, off, planned, &len, e);
			if (rc < 0)
				return rc;
		}
		if (rc)
			continue;
		off += len;
		if (kept != i)
			pk->items[kept] = *it;
		kept++;
	}
	pk->count = kept;
	pk->bytes = off - front;
	*data = off - front;
	return 0;
}

/* The frame of a pack, or of an offer: then data is 0, and nothing follows the
 * table. */
static int send_pack(struct sender_stream *st, struct pack *pk, int is_offer,
		     const uint8_t *raw, size_t data, struct err *e)
{
	const struct digest_ops *digest = st->sender->cfg->digest;
	struct msg_pack m = {
		.count = pk->count,
		.table_len = (uint32_t)st->table.len,
		.raw_len = (uint32_t)(st->table.len + data),
	};
	/* What was offered counts as done then. */
	uint64_t content = is_offer ? pk->bytes : pk->is_wanted ? 0 : data;
	const uint8_t *payload = raw;
	size_t n = 0;

	digest->sum(raw, st->table.len, m.digest);
	if (st->codec)
		n = codec_compress(st->codec, st->packed, st->packed_cap, raw,
				   m.raw_len, &m.codec);
	if (n > 0)
		payload = st->packed;
	else
		n = m.raw_len;
	if (pk->was_sent)
		atomic_fetch_add(&st->sender->resent_bytes, data);
	/* From here on the pack belongs to the queue. */
	m.first_id = queue_assign_pack_ids(st->sender->queue, pk);
	if (m.first_id == 0)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (is_offer)
		msg_put_offer(&st->channel.out, &m, digest->size, (uint32_t)n);
	else
		msg_put_pack(&st->channel.out, &m, digest->size, (uint32_t)n);
	return sender_send_data(st, payload, n, content, e);
}

/* Whether the receiver is asked first which files it wants: where they may be
 * there already. */
static int is_to_offer(const struct sender_stream *st, const struct pack *pk)
{
	return !pk->is_wanted && pk->bytes > 0 &&
	       (pk->was_sent || atomic_load(&st->sender->offers));
}

int sender_do_pack(struct sender_stream *st, struct pack *pk, struct err *e)
{
	size_t digest_size = st->sender->cfg->digest->size;
	size_t data = 0, front;
	int rc;

	/* The queue counted rows with the longest digest. */
	front = (size_t)pk->table_len;
	rc = read_items(st, pk, front, &data, e);
	if (rc) {
		pack_free(pk);
		return rc;
	}
	if (pk->count == 0) {
		/* nothing left of it; takes it back and frees it */
		(void)queue_assign_pack_ids(st->sender->queue, pk);
		return 0;
	}
	buf_reset(&st->table);
	for (uint32_t i = 0; i < pk->count; i++)
		put_row(st, pk, &pk->items[i], digest_size);
	if (st->table.failed || st->table.len > front) {
		pack_free(pk);
		return err_set(e, ERR_INTERNAL,
			       "a pack's table did not fit");
	}
	/* The table goes right in front of the content. */
	front -= st->table.len;
	memcpy(st->raw + front, st->table.data, st->table.len);
	if (is_to_offer(st, pk))
		return send_pack(st, pk, 1, st->raw + front, 0, e);
	return send_pack(st, pk, 0, st->raw + front, data, e);
}
