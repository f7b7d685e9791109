/*
 * Sending a list of items.
 */
#include "sender/send_list.h"

#include <string.h>

#include "base/io.h"
#include "fs/source.h"
#include "sender/pack.h"
#include "sender/queue_files.h"
#include "sender/queue_lists.h"
#include "sender/send.h"
#include "sender/stream.h"
#include "wire/msg_list.h"

/* Digest the content of the open file fd of this size. */
static int digest_content(struct send_stream *st, int fd, uint64_t size,
			  uint8_t *digest, struct err *e)
{
	int rc = same_begin(&st->same);

	for (uint64_t off = 0; rc == 0 && off < size; off += CHUNK_MAX) {
		const uint64_t left = size - off;
		const size_t n = left < CHUNK_MAX ? (size_t)left : CHUNK_MAX;

		rc = source_read(fd, st->raw, n, off, e);
		if (rc)
			return rc;
		rc = same_add(&st->same, st->raw, n);
		/* A large file takes a while: answers and heart-beats are due
		 * meanwhile. */
		if (rc == 0 && left > CHUNK_MAX) {
			rc = send_stream_breathe(st, e);
			if (rc)
				return rc;
		}
	}
	if (rc == 0)
		rc = same_end(&st->same, digest);
	return rc ? err_set(e, ERR_RESOURCE, "out of memory") : 0;
}

/* Set the digest of a file's row.  Returns 0; 1 after reporting that it cannot be
 * read; or an error that ends the session. */
static int digest_file(struct send_stream *st, const struct pack *pk,
		       struct item *it, struct msg_row *row, struct err *e)
{
	const char *name = pack_name(pk, it), *leaf = NULL;
	struct err fe;
	int fd, rc;

	err_clear(&fe);
	fd = send_stream_open_parent(st, it, name, &leaf, &fe);
	rc = fd;
	if (fd >= 0)
		rc = fd = source_open(fd, leaf, send_stream_follows(st, it),
				      &it->st, &fe);
	if (fd >= 0)
		rc = digest_content(st, fd, (uint64_t)it->st.st_size,
				    row->item.digest, &fe);
	io_close(&fd);
	if (rc >= 0)
		return 0;
	if (rc != ERR_LOCAL && rc != ERR_CHANGED) {
		*e = fe;
		return rc;
	}
	send_stream_item_unsent(st, it, name, &fe);
	return 1;
}

static struct msg_row row_of(const struct send_stream *st,
			     const struct pack *pk, const struct item *it)
{
	const struct sender *s = st->sender;
	struct msg_row row = {
		.item = {
			.kind = it->kind,
			.meta = file_meta_of_stat(&it->st),
			.name = pack_name(pk, it),
			.name_len = it->name_len,
			.target = (const char *)pk->names.data + it->target_off,
			.target_len = it->target_len,
		},
	};

	if (it->kind != ITEM_FILE)
		return row;
	row.item.size = (uint64_t)it->st.st_size;
	/* A file that was changed so shortly before that it can be changed again
	 * without another time. */
	row.by_content = !s->cfg->compare_time ||
			 source_is_recent(&it->st, &s->began);
	row.has_digest = pk->has_digests;
	return row;
}

/* Make the table, and remove from the pack files that cannot be read. */
static int make_rows(struct send_stream *st, struct pack *pk, struct err *e)
{
	struct msg_rows rows = { .name_len = 0 };
	uint32_t kept = 0;

	buf_reset(&st->table);
	for (uint32_t i = 0; i < pk->count; i++) {
		struct item *it = &pk->items[i];
		struct msg_row row = row_of(st, pk, it);
		int rc = row.has_digest ? digest_file(st, pk, it, &row, e) : 0;

		if (rc < 0)
			return rc;
		if (rc)
			continue;
		/* as it was read */
		row.item.meta = file_meta_of_stat(&it->st);
		if (it->kind == ITEM_FILE)
			row.item.size = (uint64_t)it->st.st_size;
		if (it->kind == ITEM_DIR && !st->sender->cfg->dry_run)
			atomic_fetch_add(&st->sender->dirs_sent, 1);
		msg_put_row(&st->table, &rows, &row);
		if (kept != i)
			pk->items[kept] = *it;
		kept++;
	}
	pk->count = kept;
	return st->table.failed ? err_set(e, ERR_INTERNAL,
					  "a list's table did not fit") : 0;
}

int send_list(struct send_stream *st, struct pack *pk, struct err *e)
{
	const struct send_config *cfg = st->sender->cfg;
	struct msg_list m = {
		.flags = cfg->dry_run ? LIST_DRY_RUN : 0,
	};
	struct payload payload;
	int rc;

	/* Further metadata is not in lists, and could differ alone. */
	if (!(st->features & FEATURE_LISTS) ||
	    st->features & FEATURE_PRESERVE ||
	    (st->sender->peer.ready.flags & READY_EMPTY && !cfg->dry_run))
		return queue_expand_list(st->sender->queue, pk) ?
			       err_set(e, ERR_RESOURCE, "out of memory") : 0;
	rc = make_rows(st, pk, e);
	if (rc) {
		pack_free(pk);
		return rc;
	}
	if (pk->count == 0) {
		/* This frees the empty pack and ends the task. */
		(void)queue_assign_pack_ids(st->sender->queue, pk);
		return 0;
	}
	m.count = pk->count;
	m.raw_len = (uint32_t)st->table.len;
	cfg->digest->sum(st->table.data, st->table.len, m.digest);
	payload = compressor_run(&st->list_compressor, st->table.data,
				 st->table.len, 0);
	m.codec = payload.codec;
	pk->is_offered = 1;
	/* From here on the pack belongs to the queue. */
	m.first_id = queue_assign_pack_ids(st->sender->queue, pk);
	if (m.first_id == 0)
		return err_set(e, ERR_RESOURCE, "out of memory");
	msg_put_list(&st->channel.out, &m, cfg->digest->size,
		     (uint32_t)payload.len);
	return send_stream_send(st, payload.data, payload.len, 0, e);
}
