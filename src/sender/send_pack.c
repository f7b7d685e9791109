/*
 * Sending a pack of small files, symlinks and directories.
 */
#include "sender/send_pack.h"

#include <string.h>

#include "base/io.h"
#include "fs/source.h"
#include "sender/meta.h"
#include "sender/outfile.h"
#include "sender/pack.h"
#include "sender/progress.h"
#include "sender/queue_files.h"
#include "sender/send.h"
#include "sender/stream.h"

enum {
	/* Content up to this is sent without asking whether it is wanted: it
	 * fits the first window of TCP (10 segments, RFC 6928), so that sending
	 * takes no longer than asking, which takes a round trip more if it
	 * is. */
	OFFER_MIN = 14 * 1024,
	/* Before content of this size the receiver is told how much there is:
	 * on a slow line it takes seconds, and nothing can be told
	 * meanwhile. */
	TOLD_MIN = 64 * 1024,
};

/* Queue a file that has become too large for its pack, or for all packs, to be
 * sent in chunks. Returns whether that was possible. */
static int requeue_as_file(struct send_stream *st, const struct item *it,
			   const char *name)
{
	struct outfile *f = outfile_new(name, it->name_len, it->path_off);

	if (!f)
		return 0;
	item_set_source(&f->item, it);
	f->size = (uint64_t)it->st.st_size;
	queue_requeue_file(st->sender->queue, f);
	return 1;
}

static enum source_flags read_flags(const struct send_stream *st,
				    const struct item *it)
{
	return (send_stream_follows(st, it) ? SOURCE_FOLLOW : 0) |
	       (st->sender->cfg->growing ? SOURCE_GROWING : 0);
}

/* What is read of a pack. */
struct reading {
	struct pack *pk;
	size_t off;       /* in st->raw, where the next content goes */
	uint64_t planned; /* bytes of the files after this one */
};

/*
 * Read a file to raw + r->off, and its further metadata.  Returns 0, with the
 * item's digest and *len set; 1 where the item has to be left out of the pack,
 * after it was queued on its own or its failure reported; or an error that ends
 * the session.
 */
static int read_file(struct send_stream *st, const struct reading *r,
		     struct item *it, size_t *len, struct err *e)
{
	const char *name = pack_name(r->pk, it), *leaf = NULL;
	int dir, rc, meta = 0, fd = -1;
	struct err fe;

	err_clear(&fe);
	dir = send_stream_open_parent(st, it, name, &leaf, &fe);
	if (dir == ERR_RESOURCE) {
		*e = fe;
		return dir;
	}
	rc = fd = dir < 0 ? dir :
			    source_open_small(dir, leaf, read_flags(st, it),
					      &fe);
	if (rc >= 0)
		rc = source_read_small(fd, read_flags(st, it), &it->st,
				       st->raw + r->off,
				       STREAM_RAW_CAP - r->off, len, &fe);
	if (rc == 0)
		rc = meta = meta_read_in_pack(st, r->pk, it, fd, &fe);
	io_close(&fd);
	if (meta == 1)
		return meta_send_alone(st, r->pk, it, e);
	if (rc || r->off + *len + r->planned > CHUNK_MAX) {
		if ((rc == 0 || (rc == ERR_CHANGED &&
				 it->st.st_size > PACK_FILE_MAX)) &&
		    requeue_as_file(st, it, name))
			return 1;
		if (rc == 0)
			err_set(&fe, ERR_CHANGED,
				"it grew before it was sent");
		send_stream_item_unsent(st, it, name, &fe);
		return 1;
	}
	st->sender->cfg->digest->sum(st->raw + r->off, *len, it->digest);
	return 0;
}

/* Read the content of all files to raw + front on, and remove from the pack
 * items that cannot be read.  pk->bytes becomes the size of the content. */
static int read_items(struct send_stream *st, struct pack *pk, size_t front,
		      struct err *e)
{
	struct reading r = { pk, front, pk->bytes };
	uint32_t kept = 0;

	buf_reset(&st->fields);
	for (uint32_t i = 0; i < pk->count; i++) {
		struct item *it = &pk->items[i];
		size_t len = 0;
		int rc = send_stream_keep_alive(st, e);

		if (rc == 0 && it->kind == ITEM_FILE) {
			r.planned -= (uint64_t)it->st.st_size;
			rc = read_file(st, &r, it, &len, e);
		} else if (rc == 0) {
			rc = meta_read_other(st, pk, it, e);
		}
		if (rc < 0) {
			pack_keep(pk, kept, i);
			return rc;
		}
		if (rc)
			continue;
		r.off += len;
		if (kept != i)
			pk->items[kept] = *it;
		kept++;
	}
	pk->count = kept;
	pk->bytes = r.off - front;
	return 0;
}

/* Append an item to the table.  content: of a file in an offer, which the
 * receiver compares by SHA-256; else NULL.  Returns 0 or ERR_RESOURCE. */
static int put_row(struct send_stream *st, const struct pack *pk,
		   const struct item *it, const uint8_t *content)
{
	struct pack_form form = { st->sender->cfg->digest->size,
				  meta_form(st) };
	struct pack_item row = {
		.kind = it->kind,
		.meta = meta_of_item(st, it),
		.name = pack_name(pk, it),
		.name_len = it->name_len,
		.target = (const char *)pk->names.data + it->target_off,
		.target_len = it->target_len,
	};

	if (it->kind == ITEM_DIR)
		atomic_fetch_add(&st->sender->dirs_sent, 1);
	if (it->kind == ITEM_FILE) {
		row.size = (uint32_t)it->st.st_size;
		memcpy(row.digest, it->digest, sizeof(row.digest));
		if (content) {
			form.digest_size = SAME_SIZE;
			if (same_digest(&st->same, content,
					(size_t)row.size, row.digest))
				return ERR_RESOURCE;
		}
	}
	if (it->kind == ITEM_SPECIAL)
		meta_put_device(&row, &it->st);
	pack_put_item(&st->table, &row, &form);
	return 0;
}

/* Make the table, which goes right before the content: *front, where that
 * begins in raw, becomes where the table does. */
static int make_table(struct send_stream *st, const struct pack *pk,
		      int is_offer, size_t *front, struct err *e)
{
	const uint8_t *content = st->raw + *front;

	buf_reset(&st->table);
	for (uint32_t i = 0; i < pk->count; i++) {
		const struct item *it = &pk->items[i];

		if (put_row(st, pk, it, is_offer ? content : NULL))
			return err_set(e, ERR_RESOURCE, "out of memory");
		if (it->kind == ITEM_FILE)
			content += it->st.st_size;
	}
	if (st->table.failed || st->table.len > *front)
		return err_set(e, ERR_INTERNAL, "a pack's table did not fit");
	*front -= st->table.len;
	memcpy(st->raw + *front, st->table.data, st->table.len);
	return 0;
}

static int has_holes(const struct pack *pk)
{
	for (uint32_t i = 0; i < pk->count; i++) {
		const struct stat *st = &pk->items[i].st;

		if (pk->items[i].kind == ITEM_FILE &&
		    source_allocated(st) < (uint64_t)st->st_size)
			return 1;
	}
	return 0;
}

/* Where the receiver may have the files already, it is asked first which of
 * them it wants, unless the answer takes longer than sending. */
static int should_offer(const struct send_stream *st, const struct pack *pk)
{
	return (st->features & FEATURE_OFFERS) && !pk->is_wanted &&
	       pk->bytes > 0 &&
	       (pk->was_sent ||
		(pk->bytes > OFFER_MIN &&
		 atomic_load(&st->sender->count.wants_offers)));
}

int send_pack(struct send_stream *st, struct pack *pk, struct err *e)
{
	const struct digest_ops *digest = st->sender->cfg->digest;
	/* Room is left for the longest table, so that content need not move. */
	size_t front = (size_t)pk->table_len;
	struct payload payload;
	struct msg_pack m = { 0 };
	uint64_t content;
	int is_offer, rc = read_items(st, pk, front, e);

	if (rc)
		goto out;
	if (pk->count == 0) {
		/* This frees the empty pack and ends the task. */
		(void)queue_assign_pack_ids(st->sender->queue, pk);
		return 0;
	}

	is_offer = should_offer(st, pk);
	content = is_offer ? 0 : pk->bytes;
	rc = make_table(st, pk, is_offer, &front, e);
	if (rc == 0 && content >= TOLD_MIN)
		rc = send_progress_if_due(st, e);
	if (rc)
		goto out;
	m.count = pk->count;
	m.table_len = (uint32_t)st->table.len;
	m.raw_len = (uint32_t)(st->table.len + content);
	digest->sum(st->raw + front, m.table_len, m.digest);
	payload = compressor_run(&st->compressor, st->raw + front, m.raw_len,
				 !is_offer && has_holes(pk));
	m.codec = payload.codec;
	pk->is_offered = is_offer;
	if (pk->has_sent_content && !is_offer)
		atomic_fetch_add(&st->sender->count.resent_bytes, pk->bytes);
	pk->has_sent_content |= !is_offer;

	/* From here on the pack belongs to the queue. */
	m.first_id = queue_assign_pack_ids(st->sender->queue, pk);
	if (m.first_id == 0)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (is_offer)
		msg_put_offer(&st->channel.out, &m, digest->size,
			      (uint32_t)payload.len);
	else
		msg_put_pack(&st->channel.out, &m, digest->size,
			     (uint32_t)payload.len);
	return send_stream_send(st, payload.data, payload.len, content, e);
out:
	queue_return_pack(st->sender->queue, pk);
	return rc;
}
