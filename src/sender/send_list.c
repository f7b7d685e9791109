/*
 * Sending a list of items.
 */
#include "sender/send_list.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "fs/preserve.h"
#include "fs/source.h"
#include "sender/meta.h"
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
		/* A large file takes a while.  Between files make_rows() does
		 * it. */
		if (rc == 0 && left > CHUNK_MAX) {
			rc = send_stream_keep_alive(st, e);
			if (rc)
				return rc;
		}
	}
	if (rc == 0)
		rc = same_end(&st->same, digest);
	return rc ? err_set(e, ERR_RESOURCE, "out of memory") : 0;
}

/* Whether a file has to be opened, to read its content or attributes.  Where it
 * lies is in dir and leaf. */
static int needs_open(const struct send_stream *st, const struct pack *pk,
		      const struct item *it, int dir, const char *leaf)
{
	const unsigned attrs = st->sender->preserve.kinds & PRESERVE_ATTRS;

	return pk->has_digests ||
	       (attrs && !preserve_is_bare(attrs, dir, leaf,
					   send_stream_follows(st, it)));
}

/* Whether what was read of the item before, which was not opened, is the
 * further metadata of this one, too. */
static int has_same_fields(const struct item *before, const struct item *it)
{
	const mode_t set_id = S_ISUID | S_ISGID;

	return !before->linked && !it->linked &&
	       before->st.st_uid == it->st.st_uid &&
	       before->st.st_gid == it->st.st_gid &&
	       (before->st.st_mode & set_id) == (it->st.st_mode & set_id);
}

/* What is read for a list. */
struct reading {
	struct send_stream *st;
	struct pack *pk;
	struct item bare; /* the last file whose further metadata was read without
			     opening it */
	int has_bare;
	uint32_t count;          /* of the items that go into the list */
	/* SHA-256 of the content of each.  Not in the item: a file that a list
	 * finds to be the same has no digest in the session's sum. */
	uint8_t digests[PACK_ITEMS][LIST_DIGEST];
};

/* Read what the list says of a file beside its status, and its content where
 * that has a digest.  Returns 0; 1 where it has too much metadata for its pack;
 * or an error. */
static int read_file(struct reading *r, struct item *it, struct err *fe)
{
	struct send_stream *st = r->st;
	const char *name = pack_name(r->pk, it), *leaf = NULL;
	int fd, rc = send_stream_open_parent(st, it, name, &leaf, fe);

	if (rc < 0)
		return rc;
	if (!needs_open(st, r->pk, it, rc, leaf)) {
		if (r->has_bare && has_same_fields(&r->bare, it)) {
			it->fields_off = r->bare.fields_off;
			it->fields_len = r->bare.fields_len;
			return 0;
		}
		rc = meta_read_in_pack(st, r->pk, it, PRESERVE_BARE, fe);
		r->bare = *it;
		r->has_bare = rc == 0;
		return rc;
	}
	/* From here on it->st is that of what was read. */
	rc = fd = source_open(rc, leaf, send_stream_follows(st, it), &it->st,
			      fe);
	if (fd >= 0)
		rc = meta_read_in_pack(st, r->pk, it, fd, fe);
	if (rc == 0 && r->pk->has_digests)
		rc = digest_content(st, fd, (uint64_t)it->st.st_size,
				    r->digests[r->count], fe);
	io_close(&fd);
	return rc;
}

/* In a dry run: note whether a file that would be sent can be read. */
static void try_file(struct send_stream *st, const struct pack *pk,
		     struct item *it)
{
	const char *leaf = NULL;
	struct stat ignored;
	struct err fe;
	int fd;

	err_clear(&fe);
	fd = send_stream_open_parent(st, it, pack_name(pk, it), &leaf, &fe);
	if (fd >= 0)
		fd = source_open(fd, leaf, send_stream_follows(st, it), &ignored,
				 &fe);
	it->unreadable = 0;
	if (fd >= 0)
		io_close(&fd);
	else
		it->unreadable = (uint16_t)(fe.sys_errno ? fe.sys_errno : EIO);
}

/* Returns 0; 1 where the item has to be left out of the list, after it was
 * queued on its own or its failure reported; or an error that ends the
 * session. */
static int read_item(struct reading *r, struct item *it, struct err *e)
{
	struct send_stream *st = r->st;
	struct err fe;
	int rc;

	if (it->kind != ITEM_FILE)
		return meta_read_other(st, r->pk, it, e);
	/* What standard input has is taken to be something else than there
	 * is. */
	if (it->root == ITEM_NO_ROOT)
		return 0;
	if (st->sender->cfg->dry_run && !r->pk->has_digests)
		try_file(st, r->pk, it);
	/* Nothing has to be known of it that the scan did not find. */
	if (!r->pk->has_digests && !(st->features & FEATURE_PRESERVE))
		return 0;
	err_clear(&fe);
	rc = read_file(r, it, &fe);
	if (rc == 1)
		return meta_send_alone(st, r->pk, it, e);
	if (rc == 0)
		return 0;
	if (rc != ERR_LOCAL && rc != ERR_CHANGED) {
		*e = fe;
		return rc;
	}
	send_stream_item_unsent(st, it, pack_name(r->pk, it), &fe);
	return 1;
}

/* Append the row of item i. */
static void put_row(const struct reading *r, uint32_t i, struct msg_rows *rows)
{
	struct send_stream *st = r->st;
	const struct sender *s = st->sender;
	const struct pack *pk = r->pk;
	const struct item *it = &pk->items[i];
	struct msg_row row = {
		.item = {
			.kind = it->kind,
			.meta = meta_of_item(st, it),
			.name = pack_name(pk, it),
			.name_len = it->name_len,
			.target = pack_target(pk, it),
			.target_len = it->target_len,
		},
	};

	if (it->kind == ITEM_FILE) {
		row.item.size = (uint64_t)it->st.st_size;
		/* A file that was changed so shortly before that it can be
		 * changed again without another time. */
		row.by_content = !s->cfg->compare_time ||
				 source_is_recent(&it->st, &s->began);
		row.is_unreadable = it->unreadable != 0;
		row.has_digest = pk->has_digests || it->root == ITEM_NO_ROOT;
		if (pk->has_digests && it->root != ITEM_NO_ROOT)
			memcpy(row.item.digest, r->digests[i], LIST_DIGEST);
	}
	if (it->kind == ITEM_SPECIAL)
		meta_put_device(&row.item, &it->st);
	msg_put_row(&st->table, rows, &row);
}

/* Make the table, and remove from the pack files that cannot be read. */
static int make_rows(struct send_stream *st, struct pack *pk, struct err *e)
{
	struct reading r;
	struct msg_rows rows = { .form = meta_form(st) };

	r.st = st;
	r.pk = pk;
	r.has_bare = 0;
	r.count = 0;
	buf_reset(&st->table);
	buf_reset(&st->fields);
	for (uint32_t i = 0; i < pk->count; i++) {
		struct item *it = &pk->items[i];
		int rc = send_stream_keep_alive(st, e);

		if (rc == 0)
			rc = read_item(&r, it, e);
		if (rc < 0) {
			pack_keep(pk, r.count, i);
			return rc;
		}
		if (rc)
			continue;
		if (it->kind == ITEM_DIR && !st->sender->cfg->dry_run)
			atomic_fetch_add(&st->sender->dirs_sent, 1);
		if (r.count != i)
			pk->items[r.count] = *it;
		r.count++;
	}
	pk->count = r.count;
	/* Only now, as st->fields may have moved. */
	for (uint32_t i = 0; i < pk->count; i++)
		put_row(&r, i, &rows);
	return st->table.failed ? err_set(e, ERR_INTERNAL,
					  "a list's table did not fit") : 0;
}

int send_list(struct send_stream *st, struct pack *pk, struct err *e)
{
	const struct send_config *cfg = st->sender->cfg;
	struct msg_list m = { .first_id = 0 };
	struct payload payload;
	int rc;

	/* What is not in the list could differ alone. */
	if (!cfg->dry_run &&
	    (!(st->features & FEATURE_LISTS) ||
	     (st->features & FEATURE_PRESERVE &&
	      !(st->features & FEATURE_LIST_META)) ||
	     st->sender->peer.ready.flags & READY_EMPTY))
		return queue_expand_list(st->sender->queue, pk) ?
			       err_set(e, ERR_RESOURCE, "out of memory") : 0;
	rc = make_rows(st, pk, e);
	if (rc) {
		queue_return_pack(st->sender->queue, pk);
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
