/*
 * Packs of small items.
 */
#include "receiver/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "fs/dirs.h"
#include "fs/name.h"
#include "fs/why.h"
#include "receiver/commit.h"
#include "receiver/committer.h"
#include "receiver/dir_meta.h"
#include "receiver/held_dir.h"
#include "receiver/input.h"
#include "receiver/kept.h"
#include "receiver/made.h"
#include "receiver/placed.h"
#include "receiver/quota.h"
#include "receiver/results.h"
#include "receiver/same_meta.h"
#include "receiver/stdout.h"
#include "receiver/symlinks.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "wire/msg.h"

enum {
	/* Bytes of further metadata that are kept until the file is
	 * committed. */
	FIELDS_KEPT_MAX = 256,
};

/* A pack after it was read and expanded: table and content are in w->raw. */
struct pack {
	struct worker *w;
	struct msg_pack m;
	int is_offer; /* there is no content */
	struct msg_offered offered; /* of an offer: the answer */
	/* the directory of the last file: most files of a pack come from few
	 * directories */
	struct held_dir *dir;
	const char *dir_name; /* borrowed from the table */
	size_t dir_len;
	int probes;      /* look each name up before a file is written */
	int was_there;   /* some name was taken */
	int has_files;   /* files came, written or not */
};

/* In an OFFER, files are compared by SHA-256, whatever the checksum. */
static struct pack_form row_form(const struct pack *pk)
{
	const struct transfer *t = pk->w->transfer;

	return (struct pack_form){ pk->is_offer ? SAME_SIZE : t->digest->size,
				   t->meta_form };
}

/* ---- checking ---- */

/* Of a file in a pack or an offer: CHUNK_MAX at most, see pack_get_item(). */
static size_t content_len(const struct pack_item *row)
{
	return (size_t)row->size;
}

/* Returns NULL or a fixed text. */
static const char *check_symlink(const struct transfer *t,
				 const struct pack_item *row)
{
	if (t->features & REQUEST_LINKS)
		return name_check_target(row->target, row->target_len);
	return name_check_symlink(row->name, row->name_len, 0, row->target,
				  row->target_len);
}

int recv_pack_allows_kind(const struct transfer *t, unsigned kind)
{
	const unsigned needs = kind == ITEM_SPECIAL ? PRESERVE_SPECIALS :
			       kind == ITEM_LINK    ? PRESERVE_HARDLINKS : 0;

	return (needs & ~t->preserve.kinds) == 0;
}

int recv_pack_check_item(const struct transfer *t, const struct pack_item *row,
			 struct err *e)
{
	const char *why = transfer_check_name(t, row->name, row->name_len);

	if (!why && row->kind == ITEM_LINK)
		why = name_check(row->target, row->target_len);
	if (!why && row->kind == ITEM_SYMLINK)
		why = check_symlink(t, row);
	return why ? err_set(e, ERR_PROTOCOL,
			     "the sender sent an invalid name: %s", why) : 0;
}

/*
 * Check that every row is well-formed, every name allowed, that the files'
 * sizes fill the pack, and every content has its digest.  Returns 0;
 * ERR_CORRUPT with e untouched where it arrived damaged; or an error that ends
 * the session.
 */
static int check_pack(const struct pack *pk, struct err *e)
{
	const struct digest_ops *digest = pk->w->transfer->digest;
	const uint8_t *content = pk->w->raw + pk->m.table_len;
	uint64_t left = pk->m.raw_len - pk->m.table_len;
	uint8_t sum[DIGEST_MAX];
	struct pack_item row;
	const struct pack_form form = row_form(pk);
	struct rd r;

	digest->sum(pk->w->raw, pk->m.table_len, sum);
	if (memcmp(sum, pk->m.digest, digest->size) != 0)
		return ERR_CORRUPT;
	rd_init(&r, pk->w->raw, pk->m.table_len);
	for (uint32_t i = 0; i < pk->m.count; i++) {
		if (pack_get_item(&row, &r, &form) ||
		    !transfer_allows_meta(pk->w->transfer, &row.meta))
			return input_malformed("PACK", e);
		if (!recv_pack_allows_kind(pk->w->transfer, row.kind))
			return input_malformed("PACK", e);
		if (recv_pack_check_item(pk->w->transfer, &row, e))
			return e->code;
		if (row.kind != ITEM_FILE || pk->is_offer)
			continue;
		if (row.size > left)
			return input_malformed("PACK", e);
		digest->sum(content, content_len(&row), sum);
		if (memcmp(sum, row.digest, digest->size) != 0)
			return ERR_CORRUPT;
		content += row.size;
		left -= row.size;
	}
	return rd_at_end(&r) && left == 0 ? 0 : input_malformed("PACK", e);
}

/* ---- verdicts ---- */

/* Report an item.  Results want names that are terminated, the table's are
 * not. */
void recv_pack_report(struct transfer *t, const struct item *it,
			const struct verdict *v)
{
	char *name = strndup(it->row.name, it->row.name_len);
	const struct item_result result = {
		.id = it->id,
		.kind = it->row.kind,
		.v = *v,
		.name = name ? name : "",
		.name_len = name ? it->row.name_len : 0,
		.size = it->row.kind == ITEM_FILE ? it->row.size : 0,
		.digest = v->status == STATUS_UNCHANGED ||
				  v->status == STATUS_UPDATED ?
				  it->row.digest : NULL,
	};

	results_add(t->results, &result);
	free(name);
}

static void report_status(struct transfer *t, const struct item *it,
			  enum file_status status, unsigned cause)
{
	const struct verdict v = { .status = status, .cause = cause };

	recv_pack_report(t, it, &v);
}

void recv_pack_report_failed(struct transfer *t, const struct item *it,
			  int err_no)
{
	report_status(t, it, STATUS_FAILED, wire_cause_of_errno(err_no));
}

/* ---- files ---- */

enum existing_state { EXISTS_NOT, EXISTS_SAME, EXISTS_OTHER };

/* Whether the content of a file, in w->wire, is that of the item. */
static int is_same(struct worker *w, const struct item *it)
{
	const struct pack_item *row = &it->row;
	uint8_t sum[SAME_SIZE];

	if (it->content)
		return memcmp(w->wire, it->content, content_len(row)) ==
		       0;
	return same_digest(&w->same, w->wire, content_len(row), sum) == 0 &&
	       memcmp(sum, row->digest, SAME_SIZE) == 0;
}

struct file_meta recv_pack_meta(const struct transfer *t,
				   const struct pack_item *row)
{
	struct file_meta meta = row->meta;

	meta.mode = transfer_mode(t, &meta, row->kind == ITEM_DIR);
	return meta;
}

uint64_t recv_pack_bytes(const struct pack_item *row)
{
	return (row->kind == ITEM_FILE ? row->size : row->target_len) +
	       file_meta_room(&row->meta);
}

/* The verdict on a file, open as fd in dir, that has the item's content. */
static struct verdict take_meta(struct transfer *t, const struct item *it,
				int dir, int fd, const struct stat *there)
{
	const struct file_meta meta = recv_pack_meta(t, &it->row);
	const struct same_file file = { fd, dir, there };
	const struct same_meta how = transfer_same_meta(t);
	const struct verdict v = same_meta_take(&how, &file, &meta);

	/* With the modification time that it has from now on. */
	transfer_note_linked(t, &meta, it->row.name, it->row.name_len, fd);
	return v;
}

/* Whether a file's name is taken, and by the same content, which is read to
 * w->wire; then its metadata is set where it differs, with the verdict in *v.
 * Sets *sb, but not with EXISTS_NOT. */
static enum existing_state probe_existing(struct worker *w,
					  const struct item *it,
					  struct stat *sb, struct verdict *v)
{
	const struct pack_item *row = &it->row;
	enum existing_state state = EXISTS_OTHER;
	const char *leaf;
	struct err e;
	int dir = dirs_parent(w->dirs, row->name, row->name_len, &leaf, &e);
	int fd;

	if (dir < 0 || dirs_is_new(w->dirs))
		return EXISTS_NOT;
	fd = part_open_existing(dir, leaf, sb, &e);
	if (fd < 0 && e.sys_errno == ENOENT)
		return EXISTS_NOT;
	if (fd < 0)
		return part_stat(dir, leaf, sb, &e) ? EXISTS_NOT : EXISTS_OTHER;
	if ((uint64_t)sb->st_size == row->size &&
	    io_pread(fd, w->wire, content_len(row), 0) ==
		    (ssize_t)row->size &&
	    is_same(w, it)) {
		state = EXISTS_SAME;
		*v = take_meta(w->transfer, it, dir, fd, sb);
	}
	io_close(&fd);
	return state;
}

/* A reference to the directory of a file, whose descriptor is fd: one that it
 * has in common with the file before it, if they lie in the same.  NULL with
 * errno. */
static struct held_dir *share_dir(struct pack *pk, const struct pack_item *row,
				  int fd)
{
	const char *slash = mem_last(row->name, '/', row->name_len);
	const size_t len = slash ? (size_t)(slash - row->name) : 0;

	if (!pk->dir || len != pk->dir_len ||
	    memcmp(pk->dir_name, row->name, len) != 0) {
		held_dir_unref(pk->dir);
		pk->dir = held_dir_new(fd, pk->w->parts.root_dev);
		pk->dir_name = row->name;
		pk->dir_len = len;
	}
	return pk->dir ? held_dir_ref(pk->dir) : NULL;
}

/* Make a file's part in its directory, and room for it if that is full.
 * Returns 0, or an error with errno in fe. */
static int create_part(struct pack *pk, const struct pack_item *row,
		       struct commit *c, struct err *fe)
{
	struct worker *w = pk->w;
	const char *leaf;
	int dir = dirs_parent(w->dirs, row->name, row->name_len, &leaf, fe);
	int rc;

	if (dir < 0)
		return fe->code;
	c->dir = share_dir(pk, row, dir);
	if (!c->dir)
		return err_sys(fe, ERR_LOCAL, "cannot open a directory");
	do
		rc = parts_create(&w->parts, c, dir, leaf, fe);
	while (rc && kept_give_way(&w->transfer->keeper, dir, 0,
				   fe->sys_errno));
	if (rc)
		fe->sys_errno = why_errno(dir, NULL, fe->sys_errno);
	return rc;
}

/* Write a file to a part, which is then ready for the committer.  NULL with
 * errno in fe. */
static struct commit *write_file(struct pack *pk, const struct item *it,
				 struct err *fe)
{
	const struct pack_item *row = &it->row;
	struct worker *w = pk->w;
	const struct file_meta meta = recv_pack_meta(w->transfer, row);
	struct commit *c = commit_new(row->name, row->name_len);
	int rc;

	err_clear(fe);
	if (!c) {
		fe->sys_errno = ENOMEM;
		return NULL;
	}
	c->id = it->id;
	c->size = row->size;
	c->meta = meta;
	c->is_linked = file_meta_has(&meta, FILE_META_TAG_LINKED);
	memcpy(c->digest, row->digest, sizeof(c->digest));
	if (create_part(pk, row, c, fe))
		goto fail;
	do
		rc = part_write_all(&c->part, it->content, content_len(row), fe);
	while (rc && kept_give_way(&w->transfer->keeper, held_dir_fd(c->dir), 0,
				   fe->sys_errno));
	if (rc) {
		commit_discard(c);
		goto fail;
	}
	commit_set_meta(c, &w->transfer->preserve, &w->transfer->lacks);
	/* The table is not kept: only in case that another process makes the
	 * same file meanwhile, and little, as thousands of files may wait. */
	c->meta.further = c->meta.fields_len = 0;
	c->meta.fields = NULL;
	if (meta.fields_len <= FIELDS_KEPT_MAX && commit_copy_meta(c, &meta))
		c->meta.further = c->meta.fields_len = 0;
	return c;
fail:
	commit_free(c);
	return NULL;
}

/* Its name in the directory that the walk has led to; the leaf is in leaf. */
static struct placed_name placed_name_of(struct worker *w,
					 const struct pack_item *row)
{
	struct placed_name name = { -1, "", row->name, row->name_len };
	struct err e;

	name.dir_fd = dirs_parent(w->dirs, row->name, row->name_len, &name.leaf,
				  &e);
	return name;
}

/* The same was there already. */
void recv_pack_report_same(struct worker *w, const struct item *it,
			const struct verdict *v)
{
	const struct placed_name name = placed_name_of(w, &it->row);

	if (name.dir_fd >= 0)
		/* What was read a moment ago is the same, whoever put it. */
		free(placed_note_same(w->transfer->placed, &name));
	recv_pack_report(w->transfer, it, v);
}

/* Something else is there, and the policy says so. */
void recv_pack_report_conflict(struct worker *w, const struct item *it,
			    enum conflict_action action,
			    const struct stat *there)
{
	const struct placed_name name = placed_name_of(w, &it->row);
	struct verdict v = { .status = STATUS_FAILED };
	char *rival = NULL;

	if (name.dir_fd >= 0)
		rival = placed_rival(w->transfer->placed, &name, there, 0);
	v.rival = rival;
	if (rival)
		v.cause = CAUSE_RIVAL;
	else if (action == ACTION_FAIL)
		v.cause = conflict_cause(name.dir_fd, name.leaf, there,
					 it->row.size);
	else
		v.status = STATUS_SKIPPED;
	recv_pack_report(w->transfer, it, &v);
	free(rival);
}

static void take_file(struct pack *pk, const struct item *it)
{
	struct transfer *t = pk->w->transfer;
	enum existing_state state = EXISTS_NOT;
	struct verdict v = { .status = STATUS_UNCHANGED };
	struct commit *c;
	struct stat sb;
	struct err fe;

	if (pk->probes)
		state = probe_existing(pk->w, it, &sb, &v);
	pk->has_files = 1;
	pk->was_there |= state != EXISTS_NOT;
	if (state == EXISTS_SAME) {
		recv_pack_report_same(pk->w, it, &v);
		return;
	}
	c = write_file(pk, it, &fe);
	if (!c && (fe.sys_errno == EMFILE || fe.sys_errno == ENFILE)) {
		/* Files that wait for their commit have descriptors open. */
		committer_drain(t->committer);
		c = write_file(pk, it, &fe);
	}
	if (c)
		committer_add(t->committer, c);
	else
		recv_pack_report_failed(t, it, fe.sys_errno);
}

/* A file that is offered: either it has a verdict already (it is the same, or
 * the policy says so), or the sender is to send it. */
static void take_offer(struct pack *pk, struct item *it)
{
	struct worker *w = pk->w;
	struct transfer *t = w->transfer;
	const uint32_t i = (uint32_t)(it->id - pk->m.first_id);
	enum conflict_action action = ACTION_REPLACE;
	struct verdict v = { .status = STATUS_UNCHANGED };
	struct stat sb;

	switch (probe_existing(w, it, &sb, &v)) {
	case EXISTS_SAME:
		/* What counts files and sums them up has the session's. */
		t->digest->sum(w->wire, content_len(&it->row), it->row.digest);
		w->input->has_effect = 1;
		recv_pack_report_same(w, it, &v);
		return;
	case EXISTS_OTHER:
		action = conflict_decide(t->existing, &sb, &it->row.meta,
					 placed_name_of(pk->w, &it->row).dir_fd,
					 &t->lacks);
		break;
	case EXISTS_NOT:
		break;
	}
	if (action == ACTION_SKIP || action == ACTION_FAIL) {
		w->input->has_effect = 1;
		recv_pack_report_conflict(w, it, action, &sb);
	} else {
		/* It counts when it comes with its content. */
		pk->offered.wanted[i / 8] |= (uint8_t)(1 << i % 8);
		quota_give_back(t->quota, 1, recv_pack_bytes(&it->row));
	}
}

static int take_to_stdout(struct worker *w, const struct item *it,
			  struct err *e)
{
	struct transfer *t = w->transfer;
	struct commit *c;
	int rc = stdout_write(w->input, t->stdout_fd, it->content,
			      content_len(&it->row), e);

	if (rc)
		return rc;
	c = commit_new(it->row.name, it->row.name_len);
	if (!c)
		return err_set(e, ERR_RESOURCE, "out of memory");
	c->id = it->id;
	c->size = it->row.size;
	memcpy(c->digest, it->row.digest, sizeof(c->digest));
	results_committed(t->results, c, STATUS_COMMITTED, CAUSE_NONE);
	commit_free(c);
	return 0;
}

/* ---- directories ---- */

int recv_pack_take_dir(struct worker *w, const struct item *it, struct err *e)
{
	struct transfer *t = w->transfer;
	const struct pack_item *row = &it->row;
	const struct file_meta meta = recv_pack_meta(t, row);
	const struct item_result result = {
		.id = it->id,
		.kind = ITEM_DIR,
		.v = { .status = STATUS_COMMITTED },
	};
	struct verdict v;
	struct err fe;
	int fd, rc;

	err_clear(&fe);
	fd = dirs_enter(w->dirs, row->name, row->name_len, &fe);
	if (fd < 0) {
		recv_pack_report_failed(t, it, fe.sys_errno);
		return 0;
	}
	if (made_name(t->made, row->name, row->name_len, fd, &v)) {
		recv_pack_report(t, it, &v);
		return 0;
	}
	rc = dir_meta_add(t->dir_meta, row->name, row->name_len, &meta,
			  dirs_is_new(w->dirs), &v, e);
	if (rc == 0)
		results_add(t->results, &result);
	else if (rc > 0)
		recv_pack_report(t, it, &v);
	return rc < 0 ? rc : 0;
}

int recv_pack_take_symlink(struct worker *w, const struct item *it,
			   struct err *e)
{
	struct symlinks *s = w->transfer->symlinks;
	struct pack_item row = it->row;
	int rc;

	row.meta = recv_pack_meta(w->transfer, &it->row);
	rc = symlinks_add(s, &row, it->id, e);

	/* As many are kept as may be: make them now. */
	return rc > 0 ? symlinks_make(s, w->channel, e) : rc;
}

/* ---- the pack ---- */

static int take_item(struct pack *pk, struct item *it, struct err *e)
{
	struct transfer *t = pk->w->transfer;
	const int is_file = it->row.kind == ITEM_FILE;
	/* A directory counts when it is made, or else when it was found. */
	const unsigned items = it->row.kind == ITEM_DIR ? 0 : 1;
	const uint64_t bytes = recv_pack_bytes(&it->row);
	struct verdict v;

	/* One that is offered and wanted has yet to come. */
	pk->w->input->has_effect |= !pk->is_offer;
	if (quota_take(t->quota, items, bytes, &v)) {
		recv_pack_report(t, it, &v);
		return 0;
	}
	if (is_file && t->stdout_fd >= 0)
		return take_to_stdout(pk->w, it, e);
	if (t->stdout_fd >= 0)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent something other than a file "
			       "to a receiver with --stdout");
	if (it->row.kind == ITEM_DIR)
		return recv_pack_take_dir(pk->w, it, e);
	if (it->row.kind >= ITEM_SYMLINK)
		return recv_pack_take_symlink(pk->w, it, e);
	if (pk->is_offer)
		take_offer(pk, it);
	else
		take_file(pk, it);
	return 0;
}

static int take_items(struct pack *pk, struct err *e)
{
	struct transfer *t = pk->w->transfer;
	const struct pack_form form = row_form(pk);
	struct item it = { .id = pk->m.first_id };
	struct rd r;
	int rc = 0;

	if (!pk->is_offer)
		it.content = pk->w->raw + pk->m.table_len;
	pk->probes = atomic_load(&t->probe_budget) > 0;
	rd_init(&r, pk->w->raw, pk->m.table_len);
	for (uint32_t i = 0; rc == 0 && i < pk->m.count; i++, it.id++) {
		/* check_pack() has seen that it is well-formed. */
		if (pack_get_item(&it.row, &r, &form)) {
			rc = input_malformed("PACK", e);
			break;
		}
		rc = take_item(pk, &it, e);
		cpu_share_check(&pk->w->cpu);
		/* A pack brings a chunk; to compare what is offered, a thousand
		 * may have to be read.  On a slow disk both take long. */
		if (rc == 0)
			rc = pk->is_offer ?
				     input_tick(pk->w->input, 0, e) :
				     channel_ping_if_due(pk->w->channel, 1, e);
		if (it.row.kind == ITEM_FILE && !pk->is_offer)
			it.content += it.row.size;
	}
	held_dir_unref(pk->dir);
	if (pk->was_there)
		atomic_store(&t->probe_budget, TRANSFER_PROBE_PACKS);
	else if (pk->has_files && pk->probes)
		atomic_fetch_sub(&t->probe_budget, 1);
	return rc;
}

/* Read, decode and check the fields.  *payload: how many bytes follow. */
static int read_fields(struct pack *pk, size_t len, size_t *payload,
		       struct err *e)
{
	struct transfer *t = pk->w->transfer;
	const size_t fixed = MSG_PACK_FIXED + t->digest->size;
	uint8_t fields[MSG_PACK_FIXED + DIGEST_MAX];
	int rc;

	if (len < fixed)
		return input_malformed("PACK", e);
	*payload = len - fixed;
	rc = input_fields(pk->w->input, fields, fixed, e);
	if (rc)
		return rc;
	if (msg_get_pack(&pk->m, t->digest->size, fields, fixed, *payload))
		return input_malformed("PACK", e);
	if (transfer_see_ids(t, pk->m.first_id, pk->m.count) ||
	    (pk->is_offer && pk->m.raw_len != pk->m.table_len))
		return input_malformed("PACK", e);
	if (t->stdout_fd >= 0 && (pk->m.count != 1 || pk->is_offer))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent more than one file to a "
			       "receiver with --stdout");
	return 0;
}

int recv_pack(struct worker *w, size_t len, int is_offer, struct err *e)
{
	struct pack pk = { .w = w, .is_offer = is_offer };
	size_t payload = 0;
	int rc = read_fields(&pk, len, &payload, e);

	if (rc)
		return rc;
	input_expect(w->input, pk.m.raw_len - pk.m.table_len, payload);
	rc = input_payload(w->input, pk.m.codec, pk.m.raw_len, payload, e);
	if (rc == 0)
		rc = check_pack(&pk, e);
	if (rc == ERR_CORRUPT && !e->code)
		return input_ask_again(w->input, "a pack", pk.m.first_id, 0,
				       pk.m.raw_len - pk.m.table_len, e);
	if (rc == 0)
		rc = take_items(&pk, e);
	/* A sender that does not know of deferred symlinks waits for their
	 * verdicts before FINISH, where they would be made. */
	if (rc == 0 && w->transfer->symlinks &&
	    !(w->transfer->features & FEATURE_DEFERRED))
		rc = symlinks_make(w->transfer->symlinks, w->channel, e);
	if (rc)
		return rc;
	results_push(w->transfer->results);
	if (!is_offer)
		return 0;
	pk.offered.first_id = pk.m.first_id;
	pk.offered.count = pk.m.count;
	msg_put_offered(&w->channel->out, &pk.offered);
	return channel_send(w->channel, NULL, 0, e);
}
