/*
 * Symlinks and special files are kept as rows in a buffer.  Their results go to
 * another buffer, a row each, because none is reported before all are flushed.
 */
#include "receiver/symlinks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "fs/dirs.h"
#include "fs/place.h"
#include "os/identity.h"
#include "receiver/made.h"
#include "receiver/results.h"
#include "receiver/unlocked.h"
#include "session/channel.h"
#include "wire/msg.h"

enum {
	/* They are made when this many are kept: less than ITEMS_MAX in
	 * sender/queue_priv.h, as the sender waits for their verdicts. */
	KEPT_MAX = 8192,
	KEPT_BYTES = 4 << 20,
	ROW_MAX = 32 + WIRE_NAME_MAX + WIRE_TARGET_MAX + FILE_META_MAX,
};

struct symlinks {
	struct symlinks_config cfg; /* set once */
	/* guarded by lock */
	pthread_mutex_t lock;
	struct buf rows;
	unsigned count;
};

struct row {
	uint64_t id;
	uint8_t kind, special; /* as in struct pack_item */
	uint32_t major, minor;
	const char *name, *target; /* terminated */
	size_t name_len, target_len;
	struct file_meta meta;
};

struct symlinks *symlinks_new(const struct symlinks_config *cfg)
{
	struct symlinks *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->cfg = *cfg;
	pthread_mutex_init(&s->lock, NULL);
	/* The row that reaches KEPT_BYTES still fits. */
	buf_init(&s->rows, KEPT_BYTES + ROW_MAX);
	return s;
}

void symlinks_free(struct symlinks *s)
{
	if (!s)
		return;
	buf_release(&s->rows);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void put_row(struct buf *b, const struct pack_item *it, uint64_t id)
{
	buf_put_u64(b, id);
	buf_put_u8(b, it->kind);
	buf_put_u8(b, it->special);
	buf_put_u32(b, it->major);
	buf_put_u32(b, it->minor);
	buf_put_u16(b, (uint16_t)it->name_len);
	buf_put(b, it->name, it->name_len);
	buf_put_u8(b, 0);
	buf_put_u16(b, (uint16_t)it->target_len);
	buf_put(b, it->target, it->target_len);
	buf_put_u8(b, 0);
	file_meta_put(b, &it->meta, FILE_META_EXTENDED);
}

static void get_row(struct row *row, struct rd *r)
{
	row->id = rd_u64(r);
	row->kind = rd_u8(r);
	row->special = rd_u8(r);
	row->major = rd_u32(r);
	row->minor = rd_u32(r);
	row->name_len = rd_u16(r);
	row->name = (const char *)rd_bytes(r, row->name_len + 1);
	row->target_len = rd_u16(r);
	row->target = (const char *)rd_bytes(r, row->target_len + 1);
	file_meta_get(r, &row->meta, FILE_META_EXTENDED);
}

int symlinks_add(struct symlinks *s, const struct pack_item *it, uint64_t id,
		 struct err *e)
{
	int is_full, failed;

	pthread_mutex_lock(&s->lock);
	put_row(&s->rows, it, id);
	s->count++;
	is_full = s->count >= KEPT_MAX || s->rows.len >= KEPT_BYTES;
	failed = s->rows.failed;
	pthread_mutex_unlock(&s->lock);
	if (failed)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (s->cfg.tells_sender)
		results_deferred(s->cfg.results, id);
	return is_full;
}

static int is_same(const void *ctx, int dir, const char *leaf)
{
	return node_is_same(ctx, dir, leaf);
}

mode_t symlinks_type_of(unsigned special)
{
	static const mode_t types[] = {
		[SPECIAL_FIFO] = S_IFIFO,
		[SPECIAL_SOCKET] = S_IFSOCK,
		[SPECIAL_CHAR] = S_IFCHR,
		[SPECIAL_BLOCK] = S_IFBLK,
	};

	return special < sizeof(types) / sizeof(types[0]) ? types[special] : 0;
}

/* Append a result to outcomes. */
static void put_outcome(struct buf *outcomes, const struct place_result *placed,
			const struct node *node)
{
	const unsigned cause = node->lost ?
		wire_cause_of_errno(node->lost_errno) : placed->cause;
	size_t n = strlen(placed->renamed);

	buf_put_u8(outcomes, (uint8_t)placed->status);
	buf_put_u8(outcomes, (uint8_t)node->lost);
	buf_put_u8(outcomes, placed->has_replaced != 0);
	buf_put_u16(outcomes, (uint16_t)cause);
	buf_put_u8(outcomes, (uint8_t)n);
	buf_put(outcomes, placed->renamed, n + 1);
	n = placed->rival ? strlen(placed->rival) : 0;
	buf_put_u16(outcomes, (uint16_t)n);
	buf_put(outcomes, placed->rival ? placed->rival : "", n + 1);
}

/* ---- hard links ---- */

/* Whether two files have the same bytes, as many as st says. */
static int has_same_bytes(int dir_a, const char *a, int dir_b, const char *b,
			  const struct stat *st)
{
	struct stat sa, sb;
	struct err e;
	int fa = part_open_existing(dir_a, a, &sa, &e);
	int fb = part_open_existing(dir_b, b, &sb, &e);
	const int same = fa >= 0 && fb >= 0 && sa.st_size == st->st_size &&
			 sb.st_size == st->st_size &&
			 io_have_same(fa, fb, (uint64_t)st->st_size);

	io_close(&fa);
	io_close(&fb);
	return same;
}

/* Look at leaf.  Returns whether it is the file that the item target has
 * become, or -1 with errno. */
static int is_first(struct made *linked, struct node *n, const char *leaf,
		    const char *target, size_t len)
{
	struct identity id;

	if (identity_of_entry(n->from_dir, leaf, &id, &n->file) < 0)
		return -1;
	return S_ISREG(n->file.st_mode) && made_has(linked, target, len, &id);
}

unsigned symlinks_find_first(struct made *linked, struct dirs *from,
			     const char *target, size_t len, struct node *n,
			     char leaf[NAME_COMPONENT_MAX + 1])
{
	const char *name;
	struct err e;
	int rc;

	err_clear(&e);
	n->from = leaf;
	n->from_dir = dirs_parent(from, target, len, &name, &e);
	if (n->from_dir < 0)
		return wire_cause_of_errno(e.sys_errno);
	if (!linked)
		return CAUSE_CHANGED;
	snprintf(leaf, NAME_COMPONENT_MAX + 1, "%s", name);
	rc = is_first(linked, n, leaf, target, len);
	if (rc < 0)
		return wire_cause_of_errno(errno);
	for (unsigned i = 1; rc == 0 && i < PLACE_TRIES; i++) {
		place_name(leaf, name, i);
		rc = is_first(linked, n, leaf, target, len);
	}
	return rc == 1 ? 0 : CAUSE_CHANGED;
}

enum conflict_policy symlinks_policy_of_link(const struct node *n, int dir_fd,
					     const char *leaf,
					     enum conflict_policy existing)
{
	return has_same_bytes(n->from_dir, n->from, dir_fd, leaf, &n->file) ?
		       CONFLICT_REPLACE : existing;
}

/* ---- making them ---- */

/* The directories of those that are made, and of the files that hard links are
 * made to. */
struct walks {
	struct dirs *to, *from;
};

static void place_node(const struct symlinks *s, struct node *n,
		       const struct place_request *a,
		       struct place_result *placed)
{
	/* Replacing a name by one of the same file does nothing. */
	if (n->kind == NODE_LINK && node_is_same(n, a->dir_fd, a->leaf))
		placed->status = STATUS_UNCHANGED;
	else if (n->kind == NODE_LINK)
		conflict_place(a, symlinks_policy_of_link(n, a->dir_fd, a->leaf,
							  s->cfg.existing),
			       placed);
	else
		conflict_place(a, s->cfg.existing, placed);
	if (placed->status == STATUS_UNCHANGED &&
	    (s->cfg.preserve || s->cfg.existing == CONFLICT_REPLACE) &&
	    !placed->renamed[0] && node_update(n, a->dir_fd, a->leaf))
		placed->status = STATUS_UPDATED;
	if (placed->status != STATUS_COMMITTED &&
	    placed->status != STATUS_UPDATED)
		n->lost = 0;
}

/* Make one, and append its result to outcomes. */
static void make_one(const struct symlinks *s, const struct walks *walks,
		     const struct row *row, struct buf *outcomes)
{
	struct node node = {
		.kind = row->kind == ITEM_SPECIAL ? NODE_SPECIAL :
			row->kind == ITEM_LINK	  ? NODE_LINK :
						    NODE_SYMLINK,
		.target = row->target,
		.type = symlinks_type_of(row->special),
		.major = row->major,
		.minor = row->minor,
		.meta = &row->meta,
		.attrs = s->cfg.attrs,
		.how = s->cfg.preserve,
	};
	struct place_request a = {
		.what = { .node = &node },
		.meta = &row->meta,
		.is_same = is_same,
		.ctx = &node,
		.path = row->name,
		.path_len = row->name_len,
		.placed = s->cfg.placed,
		.unlocked = s->cfg.unlocked,
		.lacks = s->cfg.lacks,
	};
	struct place_result placed = { .status = STATUS_FAILED };
	char first[NAME_COMPONENT_MAX + 1];
	struct err fe;

	err_clear(&fe);
	a.dir_fd = dirs_parent(walks->to, row->name, row->name_len, &a.leaf,
			       &fe);
	if (a.dir_fd < 0)
		placed.cause = wire_cause_of_errno(fe.sys_errno);
	else if (node.kind == NODE_LINK)
		placed.cause = symlinks_find_first(s->cfg.linked, walks->from,
						   row->target, row->target_len,
						   &node, first);
	if (a.dir_fd >= 0 && !placed.cause)
		place_node(s, &node, &a, &placed);
	put_outcome(outcomes, &placed, &node);
	free(placed.rival);
}

/* Make all rows, and flush.  outcomes: their results, in the same order. */
static int make_rows(const struct symlinks *s, struct channel *ch,
		     const struct buf *rows, struct buf *outcomes,
		     struct err *e)
{
	struct dirs *dirs = dirs_new(s->cfg.root_fd, DIRS_CREATE, NULL, NULL);
	const struct walks walks = {
		dirs, dirs_new(s->cfg.root_fd, 0, NULL, NULL)
	};
	struct rd r;
	int rc = 0;

	if (!dirs || !walks.from) {
		dirs_free(dirs);
		dirs_free(walks.from);
		return err_set(e, ERR_RESOURCE, "out of memory");
	}
	dirs_set_held(dirs, s->cfg.walk_dirs);
	dirs_set_held(walks.from, DIRS_HELD_LEAST);
	dirs_set_mode(dirs, s->cfg.dir_mode);
	unlocked_serve(s->cfg.unlocked, dirs);
	made_serve(s->cfg.made, dirs);
	rd_init(&r, rows->data, rows->len);
	while (rc == 0 && r.left > 0) {
		struct row row;

		get_row(&row, &r);
		make_one(s, &walks, &row, outcomes);
		if (ch)
			rc = channel_ping_if_due(ch, 1, e);
	}
	dirs_free(dirs);
	dirs_free(walks.from);
	if (rc == 0 && outcomes->failed)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	return rc ? rc : sync_all(s->cfg.root_fd, s->cfg.sync, e);
}

static void report_rows(struct symlinks *s, const struct buf *rows,
			const struct buf *outcomes)
{
	struct rd r, o;

	rd_init(&r, rows->data, rows->len);
	rd_init(&o, outcomes->data, outcomes->len);
	while (r.left > 0) {
		struct item_result item = { .kind = 0 };
		struct row row;
		size_t n;

		get_row(&row, &r);
		item.id = row.id;
		item.kind = row.kind;
		item.name = row.name;
		item.name_len = row.name_len;
		item.v.status = (enum file_status)rd_u8(&o);
		item.v.not_kept = rd_u8(&o);
		item.has_replaced = rd_u8(&o);
		item.v.cause = rd_u16(&o);
		n = rd_u8(&o);
		item.renamed = (const char *)rd_bytes(&o, n + 1);
		if (n == 0)
			item.renamed = NULL;
		n = rd_u16(&o);
		item.v.rival = (const char *)rd_bytes(&o, n + 1);
		if (n == 0)
			item.v.rival = NULL;
		results_add(s->cfg.results, &item);
	}
	results_push(s->cfg.results);
}

int symlinks_make(struct symlinks *s, struct channel *ch, struct err *e)
{
	struct buf rows, outcomes;
	int rc = 0;

	buf_init(&outcomes, KEPT_BYTES);
	pthread_mutex_lock(&s->lock);
	rows = s->rows;
	buf_init(&s->rows, rows.max);
	s->count = 0;
	pthread_mutex_unlock(&s->lock);
	/* Without the lock: other streams go on adding meanwhile. */
	if (rows.len > 0)
		rc = make_rows(s, ch, &rows, &outcomes, e);
	if (rc == 0 && rows.len > 0)
		report_rows(s, &rows, &outcomes);
	buf_release(&rows);
	buf_release(&outcomes);
	return rc;
}
