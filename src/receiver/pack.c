/*
 * Packs of small files, directories and links.  Every row and every byte is
 * checked before the first of them touches the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/name.h"
#include "receiver/receiver.h"
#include "wire/msg.h"

/* A pack that was received and expanded: table and content in st->raw. */
struct inpack {
	struct msg_pack m;
	int is_offer; /* there is no content */
	struct msg_offered offered; /* of an offer: the answer */
	/* the directory of the last file: most come in runs */
	struct held_dir *dir;
	const char *dir_name; /* borrowed from the table */
	size_t dir_len;
};

static int malformed(struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the sender sent a malformed PACK frame");
}

static int bad_name(const char *why, struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the sender offered a name that is refused: %s", why);
}

/* ---- receiving and checking ---- */

static int read_payload(struct rstream *st, const struct msg_pack *m,
			size_t payload, struct err *e)
{
	uint8_t *to = m->codec == CODEC_NONE ? st->raw : st->wire;
	int rc = channel_recv(&st->channel, to, payload, e);

	if (rc == 0)
		rc = rstream_pace(st, payload, e);
	if (rc || m->codec == CODEC_NONE)
		return rc;
	rc = expander_run(st->expander, m->codec, st->raw, m->raw_len,
			  st->wire, payload);
	if (rc && rc != ERR_CORRUPT)
		err_set(e, rc, "expanding a pack: %s", err_name(rc));
	return rc;
}

static int check_item(const struct pack_item *it, struct err *e)
{
	const char *why = name_check(it->name, it->name_len);

	if (!why && it->kind == ITEM_LINK)
		why = name_check_link(it->name, it->name_len, 0, it->target,
				      it->target_len);
	return why ? bad_name(why, e) : 0;
}

/*
 * Every row is well-formed, every name allowed, the files' sizes fill the
 * pack, and every content has its digest.  Returns 0; ERR_CORRUPT with e
 * untouched for damage; an error that ends the session.
 */
static int check_pack(struct rstream *st, const struct msg_pack *m,
		      int is_offer, struct err *e)
{
	const struct digest_ops *digest = st->session->digest;
	const uint8_t *content = st->raw + m->table_len;
	uint64_t left = m->raw_len - m->table_len;
	uint8_t sum[DIGEST_MAX];
	struct pack_item it;
	struct rd r;

	digest->sum(st->raw, m->table_len, sum);
	if (memcmp(sum, m->digest, digest->size) != 0)
		return ERR_CORRUPT;
	rd_init(&r, st->raw, m->table_len);
	for (uint32_t i = 0; i < m->count; i++) {
		if (pack_get_item(&it, &r, digest->size))
			return malformed(e);
		if (check_item(&it, e))
			return e->code;
		if (it.kind != ITEM_FILE || is_offer)
			continue;
		if (it.size > left)
			return malformed(e);
		digest->sum(content, it.size, sum);
		if (memcmp(sum, it.digest, digest->size) != 0)
			return ERR_CORRUPT;
		content += it.size;
		left -= it.size;
	}
	return rd_at_end(&r) && left == 0 ? 0 : malformed(e);
}

static int ask_again(struct rstream *st, const struct msg_pack *m,
		     struct err *e)
{
	struct msg_resend r = { .id = m->first_id };

	return rstream_ask_again(st, "a pack", &r, m->raw_len - m->table_len,
				 e);
}

/* ---- files ---- */

static struct item_result result_of(const struct pack_item *it, uint64_t id)
{
	struct item_result r = {
		.id = id,
		.kind = it->kind,
		.status = STATUS_COMMITTED,
		.name = it->name,
		.name_len = it->name_len,
		.size = it->kind == ITEM_FILE ? it->size : 0,
	};

	return r;
}

/* The verdict r, with this status.  The table's names are not terminated. */
static void end_item(struct rsession *s, struct item_result *r,
		     enum file_status status)
{
	char *name = strndup(r->name, r->name_len);

	r->name = name ? name : "";
	r->name_len = name ? r->name_len : 0;
	r->status = status;
	rsession_result(s, r);
	free(name);
}

static void fail_item(struct rsession *s, const struct pack_item *it,
		      uint64_t id, int err_no)
{
	struct item_result r = result_of(it, id);

	r.cause = wire_cause_of_errno(err_no);
	end_item(s, &r, STATUS_FAILED);
}

static int is_over_limit(struct rsession *s, const struct pack_item *it,
			 uint64_t id)
{
	struct item_result r = result_of(it, id);

	if (!rsession_take(s, 1, r.size, &r))
		return 0;
	end_item(s, &r, STATUS_FAILED);
	return 1;
}

/* The held directory of a file, shared with the one before it if it lies in
 * the same. */
static struct held_dir *share_dir(struct rstream *st, struct inpack *pk,
				  const struct pack_item *it, int fd)
{
	const char *slash = memrchr(it->name, '/', it->name_len);
	size_t len = slash ? (size_t)(slash - it->name) : 0;

	if (!pk->dir || len != pk->dir_len ||
	    memcmp(pk->dir_name, it->name, len) != 0) {
		held_dir_unref(pk->dir);
		pk->dir = held_dir_new(fd, st->receiver->root_dev);
		pk->dir_name = it->name;
		pk->dir_len = len;
	}
	return pk->dir ? held_dir_ref(pk->dir) : NULL;
}

/* Write a small file; what is left is flushing and naming. */
static struct commit *write_file(struct rstream *st, struct inpack *pk,
				 const struct pack_item *it,
				 const uint8_t *content, struct err *fe)
{
	struct file_meta meta = it->meta;
	struct commit *c = commit_new(it->name, it->name_len);
	const char *leaf;
	int dir;

	if (!c) {
		err_set(fe, ERR_RESOURCE, "out of memory");
		fe->sys_errno = ENOMEM;
		return NULL;
	}
	dir = dirs_parent(st->dirs, it->name, it->name_len, &leaf, fe);
	if (dir < 0)
		goto fail;
	c->dir = share_dir(st, pk, it, dir);
	if (!c->dir) {
		err_sys(fe, ERR_LOCAL, "holding a directory");
		goto fail;
	}
	if (rfile_new_part(st, c, dir, leaf, meta.mode, fe))
		goto fail;
	if (part_write(&c->part, content, it->size, 0, fe) ||
	    part_set_meta(&c->part, &meta, fe)) {
		commit_discard(c);
		goto fail;
	}
	c->size = it->size;
	c->meta = meta;
	memcpy(c->digest, it->digest, sizeof(c->digest));
	return c;
fail:
	commit_free(c);
	return NULL;
}

static void take_file(struct rstream *st, struct inpack *pk,
		      const struct pack_item *it, uint64_t id,
		      const uint8_t *content)
{
	struct commit *c;
	struct err fe;

	err_clear(&fe);
	c = write_file(st, pk, it, content, &fe);
	if (!c && (fe.sys_errno == EMFILE || fe.sys_errno == ENFILE)) {
		/* Those that wait for their commit hold some. */
		committer_drain(st->session->committer);
		err_clear(&fe);
		c = write_file(st, pk, it, content, &fe);
	}
	if (!c) {
		fail_item(st->session, it, id, fe.sys_errno);
		return;
	}
	c->id = id;
	committer_add(st->session->committer, c);
}

static int take_to_stdout(struct rstream *st, const struct pack_item *it,
			  uint64_t id, const uint8_t *content, struct err *e)
{
	struct commit *c;
	int rc = rstdout_write(st, content, it->size, e);

	if (rc)
		return rc;
	c = commit_new(it->name, it->name_len);
	if (!c)
		return err_set(e, ERR_RESOURCE, "out of memory");
	c->id = id;
	c->size = it->size;
	memcpy(c->digest, it->digest, sizeof(c->digest));
	rsession_committed(st->session, c, STATUS_COMMITTED, CAUSE_NONE);
	commit_free(c);
	return 0;
}

/* ---- files that are there already ---- */

enum there { THERE_NOT, THERE_SAME, THERE_OTHER };

/* What is there under a file's name; but for THERE_NOT with *sb.  Read through
 * st->wire. */
static enum there look_at(struct rstream *st, const struct pack_item *it,
			  struct stat *sb)
{
	const struct digest_ops *ops = st->session->digest;
	enum there there = THERE_OTHER;
	uint8_t sum[DIGEST_MAX];
	const char *leaf;
	struct err e;
	int fd, dir = dirs_parent(st->dirs, it->name, it->name_len, &leaf, &e);

	if (dir < 0 || dirs_is_new(st->dirs))
		return THERE_NOT;
	fd = part_open_existing(dir, leaf, sb, &e);
	if (fd < 0 && e.sys_errno == ENOENT)
		return THERE_NOT;
	if (fd < 0)
		return part_stat(dir, leaf, sb, &e) ? THERE_NOT : THERE_OTHER;
	if ((uint64_t)sb->st_size == it->size &&
	    io_pread(fd, st->wire, it->size, 0) == (ssize_t)it->size) {
		ops->sum(st->wire, it->size, sum);
		if (memcmp(sum, it->digest, ops->size) == 0)
			there = THERE_SAME;
	}
	io_close(&fd);
	return there;
}

static void take_same(struct rsession *s, const struct pack_item *it,
		      uint64_t id)
{
	struct item_result r = result_of(it, id);

	r.digest = it->digest;
	end_item(s, &r, STATUS_UNCHANGED);
}

/* It comes again, with its content, and is counted then. */
static void want(struct rsession *s, struct inpack *pk, uint32_t i,
		 uint32_t size)
{
	pk->offered.wanted[i / 8] |= (uint8_t)(1 << i % 8);
	rsession_give_back(s, 1, size);
}

/* A file that is offered: there, not wanted, or to be sent. */
static void take_offer(struct rstream *st, struct inpack *pk,
		       const struct pack_item *it, uint64_t id)
{
	const struct file_meta meta = it->meta;
	struct item_result r = result_of(it, id);
	uint32_t i = (uint32_t)(id - pk->m.first_id);
	enum conflict_action action = ACTION_REPLACE;
	struct stat sb;
	enum there there = look_at(st, it, &sb);

	if (there == THERE_OTHER)
		action = conflict_decide(st->receiver->cfg->existing, &sb, &meta);
	if (there == THERE_SAME) {
		take_same(st->session, it, id);
	} else if (action == ACTION_SKIP) {
		end_item(st->session, &r, STATUS_SKIPPED);
	} else if (action == ACTION_FAIL) {
		r.cause = conflict_cause(&sb);
		end_item(st->session, &r, STATUS_FAILED);
	} else {
		want(st->session, pk, i, it->size);
	}
}

/* ---- directories ---- */

static int take_dir(struct rstream *st, const struct pack_item *it,
		    uint64_t id, struct err *e)
{
	struct rsession *s = st->session;
	struct file_meta meta = it->meta;
	struct item_result r = result_of(it, id);
	struct err fe;
	int fd, rc;

	err_clear(&fe);
	fd = dirs_enter(st->dirs, it->name, it->name_len, &fe);
	if (fd < 0) {
		fail_item(s, it, id, fe.sys_errno);
		return 0;
	}
	pthread_mutex_lock(&s->lock);
	rc = dir_meta_add(&s->dir_meta, it->name, it->name_len, &meta, e);
	pthread_mutex_unlock(&s->lock);
	if (rc == 0)
		rsession_result(s, &r);
	return rc;
}

/* ---- links ---- */

static int take_link(struct rstream *st, const struct pack_item *it,
		     uint64_t id, struct err *e)
{
	struct rsession *s = st->session;
	struct buf *b = &s->links;
	int full;

	pthread_mutex_lock(&s->lock);
	buf_put_u64(b, id);
	buf_put_u16(b, (uint16_t)it->name_len);
	buf_put(b, it->name, it->name_len);
	buf_put_u8(b, 0);
	buf_put_u16(b, (uint16_t)it->target_len);
	buf_put(b, it->target, it->target_len);
	buf_put_u8(b, 0);
	file_meta_put(b, &it->meta, FILE_META_EXTENDED);
	s->link_count++;
	full = s->link_count >= LINKS_MAX || b->len >= LINKS_BYTES;
	pthread_mutex_unlock(&s->lock);
	if (b->failed)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rsession_deferred(s, id);
	return full ? rpack_make_links(s, st, e) : 0;
}

struct link_row {
	uint64_t id;
	const char *name, *target; /* terminated */
	size_t name_len, target_len;
	struct file_meta meta;
};

static void get_link(struct link_row *l, struct rd *r)
{
	l->id = rd_u64(r);
	l->name_len = rd_u16(r);
	l->name = (const char *)rd_bytes(r, l->name_len + 1);
	l->target_len = rd_u16(r);
	l->target = (const char *)rd_bytes(r, l->target_len + 1);
	file_meta_get(r, &l->meta, FILE_META_EXTENDED);
}

static int is_same_link(const void *ctx, int dir, const char *leaf)
{
	const struct link_row *l = ctx;
	char target[WIRE_LINK_MAX + 1];
	ssize_t n = readlinkat(dir, leaf, target, sizeof(target));

	return n >= 0 && (size_t)n == l->target_len &&
	       memcmp(target, l->target, l->target_len) == 0;
}

static void make_link(struct rsession *s, struct dirs *dirs,
		      const struct link_row *l, struct place_result *out)
{
	struct place_request a = {
		.what = { .target = l->target, .meta = &l->meta },
		.meta = &l->meta,
		.is_same = is_same_link,
		.ctx = l,
	};
	struct err fe;

	err_clear(&fe);
	a.dir_fd = dirs_parent(dirs, l->name, l->name_len, &a.leaf, &fe);
	if (a.dir_fd >= 0) {
		conflict_place(&a, s->receiver->cfg->existing, out);
		return;
	}
	out->status = STATUS_FAILED;
	out->cause = wire_cause_of_errno(fe.sys_errno);
	out->renamed[0] = '\0';
}

static void put_outcome(struct buf *b, const struct place_result *p)
{
	size_t n = strlen(p->renamed);

	buf_put_u8(b, (uint8_t)p->status);
	buf_put_u16(b, (uint16_t)p->cause);
	buf_put_u8(b, (uint8_t)n);
	buf_put(b, p->renamed, n + 1);
}

static void report_link(struct rsession *s, const struct link_row *l,
			struct rd *outcomes)
{
	struct item_result r = {
		.id = l->id,
		.kind = ITEM_LINK,
		.name = l->name,
		.name_len = l->name_len,
	};
	size_t n;

	r.status = (enum file_status)rd_u8(outcomes);
	r.cause = rd_u16(outcomes);
	n = rd_u8(outcomes);
	r.renamed = (const char *)rd_bytes(outcomes, n + 1);
	if (n == 0)
		r.renamed = NULL;
	rsession_result(s, &r);
}

static void report_links(struct rsession *s, const struct buf *rows,
			 const struct buf *outcomes)
{
	struct rd r, o;

	rd_init(&r, rows->data, rows->len);
	rd_init(&o, outcomes->data, outcomes->len);
	while (r.left > 0) {
		struct link_row l;

		get_link(&l, &r);
		report_link(s, &l, &o);
	}
	rsession_push(s);
}

/* Nobody is told of them before they are on the disk, as --sync says.  Fails
 * where the session cannot go on: then they come again in the next one. */
static int make_links(struct rsession *s, struct rstream *st,
		      const struct buf *rows, struct buf *outcomes,
		      struct err *e)
{
	struct dirs *dirs = dirs_new(s->receiver->root_fd, DIRS_CREATE, NULL,
				     NULL);
	struct rd r;
	int rc = 0;

	if (!dirs)
		return err_set(e, ERR_RESOURCE, "out of memory");
	dirs_set_mode(dirs, 0777 & ~s->receiver->umask);
	rd_init(&r, rows->data, rows->len);
	while (rc == 0 && r.left > 0) {
		struct link_row l;
		struct place_result placed;

		get_link(&l, &r);
		make_link(s, dirs, &l, &placed);
		put_outcome(outcomes, &placed);
		if (st)
			rc = channel_ping_if_due(&st->channel, e);
	}
	dirs_free(dirs);
	if (rc == 0 && outcomes->failed)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	return rc ? rc : committer_sync_all(s->committer, e);
}

int rpack_make_links(struct rsession *s, struct rstream *st, struct err *e)
{
	struct buf taken, outcomes;
	int rc = 0;

	buf_init(&outcomes, LINKS_BYTES);
	pthread_mutex_lock(&s->lock);
	taken = s->links;
	buf_init(&s->links, taken.max);
	s->link_count = 0;
	pthread_mutex_unlock(&s->lock);
	if (taken.len > 0)
		rc = make_links(s, st, &taken, &outcomes, e);
	if (rc == 0 && taken.len > 0)
		report_links(s, &taken, &outcomes);
	buf_release(&taken);
	buf_release(&outcomes);
	return rc;
}

/* ---- the pack ---- */

static void take_content(struct rstream *st, struct inpack *pk,
			 const struct pack_item *it, uint64_t id,
			 const uint8_t *content, int *is_there)
{
	struct rsession *s = st->session;
	enum there there = THERE_NOT;
	struct stat sb;

	if (atomic_load(&s->looks) > 0)
		there = look_at(st, it, &sb);
	*is_there |= there != THERE_NOT;
	if (there == THERE_SAME)
		take_same(s, it, id);
	else
		take_file(st, pk, it, id, content);
}

static int take_items(struct rstream *st, struct inpack *pk, struct err *e)
{
	struct rsession *s = st->session;
	const uint8_t *content = st->raw + pk->m.table_len;
	uint64_t id = pk->m.first_id;
	int rc = 0, is_there = 0, files = 0;
	struct pack_item it;
	struct rd r;

	rd_init(&r, st->raw, pk->m.table_len);
	for (uint32_t i = 0; rc == 0 && i < pk->m.count; i++, id++) {
		if (pack_get_item(&it, &r, s->digest->size))
			return malformed(e);
		if (is_over_limit(s, &it, id)) {
			content += it.kind == ITEM_FILE ? it.size : 0;
		} else if (it.kind == ITEM_DIR) {
			rc = take_dir(st, &it, id, e);
		} else if (it.kind == ITEM_LINK) {
			rc = take_link(st, &it, id, e);
		} else if (pk->is_offer) {
			take_offer(st, pk, &it, id);
		} else if (st->receiver->cfg->to_stdout) {
			rc = take_to_stdout(st, &it, id, content, e);
		} else {
			take_content(st, pk, &it, id, content, &is_there);
			content += it.size;
			files++;
		}
	}
	if (is_there)
		atomic_store(&s->looks, LOOK_PACKS);
	else if (files > 0 && atomic_load(&s->looks) > 0)
		atomic_fetch_sub(&s->looks, 1);
	return rc;
}

static int answer_offer(struct rstream *st, struct inpack *pk, struct err *e)
{
	pk->offered.first_id = pk->m.first_id;
	pk->offered.count = pk->m.count;
	msg_put_offered(&st->channel.out, &pk->offered);
	return channel_send(&st->channel, NULL, 0, e);
}

static int check_ids(struct rsession *s, const struct msg_pack *m,
		     struct err *e)
{
	uint64_t last = m->first_id + m->count - 1;

	if (m->first_id == 0 || last < m->first_id)
		return malformed(e);
	pthread_mutex_lock(&s->lock);
	if (last > s->max_id)
		s->max_id = last;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int rpack_take(struct rstream *st, size_t len, int is_offer, struct err *e)
{
	struct rsession *s = st->session;
	size_t fixed = MSG_PACK_FIXED + s->digest->size, payload;
	uint8_t head[MSG_PACK_FIXED + DIGEST_MAX];
	struct inpack pk = { .is_offer = is_offer };
	int rc;

	if (len < fixed)
		return malformed(e);
	payload = len - fixed;
	rc = channel_recv_fields(&st->channel, head, fixed, e);
	if (rc)
		return rc;
	if (msg_get_pack(&pk.m, s->digest->size, head, fixed, payload))
		return malformed(e);
	if (is_offer && pk.m.raw_len != pk.m.table_len)
		return malformed(e);
	if (st->receiver->cfg->to_stdout && (pk.m.count != 1 || is_offer))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent more than one file to a "
			       "receiver with --stdout");
	rc = check_ids(s, &pk.m, e);
	if (rc == 0)
		rc = read_payload(st, &pk.m, payload, e);
	if (rc == 0)
		rc = check_pack(st, &pk.m, is_offer, e);
	if (rc == ERR_CORRUPT && !e->code)
		return ask_again(st, &pk.m, e);
	if (rc == 0)
		rc = take_items(st, &pk, e);
	held_dir_unref(pk.dir);
	if (rc == 0)
		rsession_push(s);
	if (rc == 0 && is_offer)
		rc = answer_offer(st, &pk, e);
	return rc;
}
