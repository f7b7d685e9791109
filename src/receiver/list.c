/*
 * Lists: items are looked up, each in the directory that the walk holds already,
 * as most items of a list lie in few directories.
 */
#include "receiver/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/dirs.h"
#include "fs/preserve.h"
#include "os/device.h"
#include "receiver/delete.h"
#include "receiver/dry_run.h"
#include "receiver/input.h"
#include "receiver/pack.h"
#include "receiver/quota.h"
#include "receiver/results.h"
#include "receiver/same_meta.h"
#include "receiver/symlinks.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "wire/msg_list.h"

/* A file without ACL and attributes, whose further metadata was as it should be:
 * so is that of the next one, where all of this is the same.  Most files of a list
 * have the same owner. */
struct alike {
	const uint8_t *fields; /* of the row; NULL: there is none */
	uint16_t fields_len;
	mode_t wanted, there; /* the modes' bits above 0777 */
	uid_t uid;
	gid_t gid;
};

struct list {
	struct worker *w;
	struct msg_list m;
	int is_dry_run;
	int is_unreadable; /* the item at hand, for the sender */
	struct verdict over; /* with CAUSE_LIMIT: of the item at hand */
	struct msg_listed answer;
	struct alike alike;
};

/* Where an item is, or would be. */
struct place {
	int dir; /* or the negative errno of opening it */
	const char *leaf;
	struct stat there;
	int error; /* of looking there up: ENOENT where nothing has the name */
};

/* In a dry run: what would be done with the item. */
static void plan(const struct list *l, const struct item *it,
		 enum listed_state state, unsigned cause)
{
	char *name;
	struct item_result planned = {
		.id = it->id,
		.kind = it->row.kind,
		.v = { .status = msg_listed_status(state),
		       .cause = cause,
		       .need = cause == CAUSE_LIMIT ? l->over.need : 0,
		       .have = cause == CAUSE_LIMIT ? l->over.have : 0 },
		.size = it->row.size,
	};

	/* Of what would be sent and cannot be read, the sender tells. */
	if (state == LISTED_COMPARE ||
	    (l->is_unreadable &&
	     msg_listed_status(state) == STATUS_COMMITTED))
		return;
	name = strndup(it->row.name, it->row.name_len);
	planned.name = name ? name : "";
	planned.name_len = name ? it->row.name_len : 0;
	results_planned(l->w->transfer->results, &planned, state);
	free(name);
}

static void answer(struct list *l, const struct item *it,
		   enum listed_state state, unsigned cause)
{
	struct listed_item *a = &l->answer.items[it->id - l->m.first_id];

	a->state = (uint8_t)state;
	a->cause = (uint16_t)cause;
	if (l->is_dry_run)
		plan(l, it, state, cause);
}

/* ---- reading ---- */

static int read_fields(struct list *l, size_t len, size_t *payload,
		       struct err *e)
{
	struct transfer *t = l->w->transfer;
	uint8_t fields[MSG_LIST_FIXED + DIGEST_MAX];
	const size_t fixed = MSG_LIST_FIXED + t->digest->size;
	uint64_t last;
	int rc;

	if (len < fixed)
		return input_malformed("LIST", e);
	*payload = len - fixed;
	rc = input_fields(l->w->input, fields, fixed, e);
	if (rc)
		return rc;
	if (msg_get_list(&l->m, t->digest->size, fields, fixed, *payload))
		return input_malformed("LIST", e);
	l->is_dry_run = transfer_is_dry_run(t);
	last = l->m.first_id + l->m.count - 1;
	if (l->m.first_id == 0 || last < l->m.first_id)
		return input_malformed("LIST", e);
	if (t->stdout_fd >= 0 && !l->is_dry_run)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a list to a receiver with "
			       "--stdout");
	transfer_see_id(t, last);
	return 0;
}

static enum file_meta_form rows_form(const struct list *l)
{
	return l->w->transfer->features & FEATURE_LIST_META ?
		       FILE_META_EXTENDED : FILE_META_BASIC;
}

/* Check the table's digest, and that every row is well-formed and has an allowed
 * name.  Returns as input_payload(). */
static int check_rows(const struct list *l, struct err *e)
{
	const struct digest_ops *digest = l->w->transfer->digest;
	struct msg_rows rows = { .form = rows_form(l) };
	const struct transfer *t = l->w->transfer;
	const uint8_t *allowed = NULL;
	uint8_t sum[DIGEST_MAX];
	struct msg_row row;
	struct rd r;

	digest->sum(l->w->raw, l->m.raw_len, sum);
	if (memcmp(sum, l->m.digest, digest->size) != 0)
		return ERR_CORRUPT;
	rd_init(&r, l->w->raw, l->m.raw_len);
	for (uint32_t i = 0; i < l->m.count; i++) {
		if (msg_get_row(&row, &rows, &r) ||
		    (row.is_unreadable && !l->is_dry_run) ||
		    !recv_pack_allows_kind(t, row.item.kind))
			return input_malformed("LIST", e);
		/* not once more for those of the row before */
		if (row.item.meta.fields != allowed &&
		    !transfer_allows_meta(t, &row.item.meta))
			return input_malformed("LIST", e);
		allowed = row.item.meta.fields;
		if (recv_pack_check_item(l->w->transfer, &row.item, e))
			return e->code;
	}
	return rd_at_end(&r) ? 0 : input_malformed("LIST", e);
}

/* ---- what is there ---- */

/* Look an item up; the directories above it are not made. */
static void look_up(const struct list *l, const struct pack_item *row,
		    struct place *p)
{
	struct err e;

	err_clear(&e);
	p->error = 0;
	dirs_allow(l->w->dirs, 0, !l->is_dry_run);
	p->dir = dirs_parent(l->w->dirs, row->name, row->name_len, &p->leaf,
			     &e);
	dirs_allow(l->w->dirs, !l->is_dry_run, !l->is_dry_run);
	if (p->dir < 0)
		p->error = e.sys_errno ? e.sys_errno : ENOMEM;
	else if (part_stat(p->dir, p->leaf, &p->there, &e))
		p->error = e.sys_errno;
	/* What has the name of a directory gives way when the item comes. */
	if (p->dir < 0 && (p->error == ENOTDIR || p->error == ELOOP) &&
	    delete_gives_way(l->w->transfer))
		p->error = ENOENT;
}

/* Whether size and time are those of the file that is there. */
static int has_same_time(const struct list *l, const struct msg_row *row,
			 const struct place *p)
{
	struct transfer *t = l->w->transfer;

	/* What the file system makes of times is tried by writing to it. */
	return !row->by_content &&
	       (l->is_dry_run ?
			fs_lacks_may_be_time(p->dir, &p->there.st_mtim,
					     &row->item.meta) :
			fs_lacks_same_time(&t->lacks, p->dir,
					   &p->there.st_mtim,
					   &row->item.meta));
}

/* Whether the content of the file that is there has the digest of the row.
 * Returns 1, 0 (also where it cannot be read), or an error that ends the
 * session. */
static int has_digest(struct worker *w, const struct pack_item *row,
		      const struct place *p, struct err *e)
{
	uint8_t sum[SAME_SIZE];
	struct stat st;
	uint64_t off = 0;
	struct err ignored;
	int fd = part_open_existing(p->dir, p->leaf, &st, &ignored), rc;

	if (fd < 0)
		return 0;
	rc = same_begin(&w->same);
	while (rc == 0 && off < row->size) {
		const uint64_t left = row->size - off;
		const size_t n = left < CHUNK_MAX ? (size_t)left : CHUNK_MAX;

		if (io_pread(fd, w->wire, n, off) != (ssize_t)n)
			break;
		rc = same_add(&w->same, w->wire, n);
		if (rc == 0)
			rc = input_tick(w->input, 0, e);
		off += n;
	}
	if (rc == 0)
		rc = same_end(&w->same, sum);
	io_close(&fd);
	if (rc == ERR_RESOURCE && !e->code)
		return err_set(e, rc, "out of memory");
	if (rc)
		return rc;
	return off == row->size &&
	       (uint64_t)st.st_size == row->size &&
	       memcmp(sum, row->digest, SAME_SIZE) == 0;
}

static struct same_meta same_meta_of(const struct list *l)
{
	struct same_meta how = transfer_same_meta(l->w->transfer);

	/* What the file system makes of times is tried by writing to it. */
	if (l->is_dry_run)
		how.lacks = NULL;
	return how;
}

/* Open the file that was looked up.  Returns a descriptor, or -1 with the
 * cause. */
static int open_there(const struct place *p, unsigned *cause)
{
	struct stat now;
	struct err e;
	int fd;

	err_clear(&e);
	fd = part_open_existing(p->dir, p->leaf, &now, &e);
	if (fd < 0)
		*cause = wire_cause_of_errno(e.sys_errno);
	if (fd >= 0 && (now.st_ino != p->there.st_ino ||
			now.st_dev != p->there.st_dev)) {
		*cause = CAUSE_CHANGED;
		io_close(&fd);
	}
	return fd < 0 ? -1 : fd;
}

/* Whether ACLs or attributes of an entry have to be compared that is not known to
 * have none. */
static int has_attrs(const struct list *l, const struct file_meta *meta,
		     const struct place *p)
{
	unsigned kinds = 0;

	if (meta->further & 1u << FILE_META_TAG_ACL)
		kinds |= PRESERVE_ACL;
	if (meta->further & 1u << FILE_META_TAG_XATTR)
		kinds |= l->w->transfer->preserve.kinds & PRESERVE_XATTRS;
	return kinds && !preserve_is_bare(kinds, p->dir, p->leaf, 0);
}

/* What of the metadata of a file that is there is to be set (enum
 * file_meta_kind).  fd: open, or PRESERVE_CLOSED or PRESERVE_BARE. */
static unsigned differs(struct list *l, const struct file_meta *meta,
			const struct place *p, int fd)
{
	const struct same_file file = { fd, p->dir, &p->there };
	const struct alike now = {
		.fields = meta->fields,
		.fields_len = meta->fields_len,
		.wanted = meta->mode & 07000,
		.there = p->there.st_mode & 07000,
		.uid = p->there.st_uid,
		.gid = p->there.st_gid,
	};
	struct same_meta how = same_meta_of(l);
	const int is_alike = fd == PRESERVE_BARE && meta->fields_len > 0 &&
			     l->alike.fields == now.fields &&
			     l->alike.fields_len == now.fields_len &&
			     l->alike.wanted == now.wanted &&
			     l->alike.there == now.there &&
			     l->alike.uid == now.uid && l->alike.gid == now.gid;
	unsigned kinds;

	if (is_alike)
		how.how = NULL;
	kinds = same_meta_differs(&how, &file, meta);
	/* Of what is newer here, nothing was compared. */
	if (!is_alike && fd == PRESERVE_BARE && !kinds &&
	    how.existing != CONFLICT_NEWER)
		l->alike = now;
	return kinds;
}

/* The content is the same: set what differs of the metadata. */
static void keep_file(struct list *l, const struct item *it,
		      const struct place *p)
{
	struct transfer *t = l->w->transfer;
	const struct file_meta meta = recv_pack_meta(t, &it->row);
	const struct same_meta how = same_meta_of(l);
	const int is_open = has_attrs(l, &meta, p);
	struct verdict v = { .status = STATUS_UNCHANGED };
	unsigned kinds, cause = CAUSE_NONE;
	struct item known;
	int fd = is_open ? open_there(p, &cause) : PRESERVE_CLOSED;

	kinds = differs(l, &meta, p, is_open ? fd : PRESERVE_BARE);
	if (l->is_dry_run) {
		answer(l, it, kinds ? LISTED_UPDATED : LISTED_UNCHANGED, 0);
		io_close(&fd);
		return;
	}
	if (kinds && fd < 0 && !cause)
		fd = open_there(p, &cause);
	if (kinds && fd >= 0)
		v = same_meta_set(&how, fd, &meta, kinds);
	else if (kinds || cause)
		v = (struct verdict){ STATUS_UPDATED, .not_kept = kinds,
				      .cause = cause };
	io_close(&fd);
	transfer_note_linked(t, &meta, &p->there);
	answer(l, it, LISTED_DONE, 0);
	/* The session's digest of its content is not known. */
	known = *it;
	memset(known.row.digest, 0, sizeof(known.row.digest));
	recv_pack_report_same(l->w, &known, &v);
}

/* ---- what is wanted ---- */


/* It cannot be had.  In a dry run that is told, otherwise it gets its verdict. */
static void fail(struct list *l, const struct item *it, int error)
{
	answer(l, it, l->is_dry_run ? LISTED_FAILED : LISTED_DONE,
	       l->is_dry_run ? wire_cause_of_errno(error) : 0);
	if (!l->is_dry_run)
		recv_pack_report_failed(l->w->transfer, it, error);
}

/* It gets no verdict under this id: in a dry run this is its result, otherwise
 * it counts when it comes. */
static void want(struct list *l, const struct item *it, enum listed_state state)
{
	int error = 0;

	if (l->is_dry_run && state != LISTED_COMPARE &&
	    l->w->transfer->root_fd >= 0)
		error = dry_run_denied(dirs_reached(l->w->dirs));
	if (error) {
		fail(l, it, error);
		return;
	}
	answer(l, it, state, 0);
	if (!l->is_dry_run || state == LISTED_COMPARE)
		quota_give_back(l->w->transfer->quota, 1, it->row.size);
}

/* In a dry run: a directory has the name.  While the session deletes, as in
 * others, it is known whether that would be gone. */
static void take_blocked(struct list *l, const struct item *it)
{
	struct worker *w = l->w;

	if (!w->input->is_first || !w->transfer->deletion)
		answer(l, it, LISTED_WAITING, 0);
	else if (delete_would_remove(w->transfer->deletion, it->row.name,
				     it->row.name_len))
		want(l, it, LISTED_NEW);
	else
		answer(l, it, LISTED_FAILED, CAUSE_IS_DIR);
}

/* Something else has the name. */
static void take_conflict(struct list *l, const struct item *it,
			  const struct place *p)
{
	struct transfer *t = l->w->transfer;
	const enum conflict_action action =
		conflict_decide(t->existing, &p->there, &it->row.meta, p->dir,
				l->is_dry_run ? NULL : &t->lacks);

	switch (action) {
	case ACTION_REPLACE:
		want(l, it, LISTED_REPLACES);
		return;
	case ACTION_BACKUP:
		want(l, it, LISTED_BACKUP);
		return;
	case ACTION_RENAME:
		want(l, it, LISTED_RENAMED);
		return;
	case ACTION_SKIP:
	case ACTION_FAIL:
		break;
	}
	if (!l->is_dry_run) {
		answer(l, it, LISTED_DONE, 0);
		recv_pack_report_conflict(l->w, it, action, &p->there);
	} else if (action == ACTION_SKIP) {
		answer(l, it, LISTED_SKIPPED, 0);
	} else if (S_ISDIR(p->there.st_mode) &&
		   delete_gives_way(t)) {
		take_blocked(l, it);
	} else {
		answer(l, it, LISTED_FAILED,
		       conflict_cause(p->dir, p->leaf, &p->there,
				      it->row.kind == ITEM_FILE ?
					      it->row.size :
					      UINT64_MAX));
	}
}

static int take_file(struct list *l, const struct item *it,
		     const struct msg_row *row, struct err *e)
{
	struct place p;
	int has_size, rc;

	look_up(l, &it->row, &p);
	if (p.error == ENOENT) {
		want(l, it, LISTED_NEW);
		return 0;
	}
	if (p.error) {
		fail(l, it, p.error);
		return 0;
	}
	has_size = S_ISREG(p.there.st_mode) &&
		   (uint64_t)p.there.st_size == it->row.size;
	if (has_size && has_same_time(l, row, &p)) {
		keep_file(l, it, &p);
	} else if (has_size && !row->has_digest) {
		want(l, it, LISTED_COMPARE);
	} else {
		rc = has_size ? has_digest(l->w, &it->row, &p, e) : 0;
		if (rc < 0)
			return rc;
		if (rc)
			keep_file(l, it, &p);
		else
			take_conflict(l, it, &p);
	}
	return 0;
}

/* ---- directories and what is made later, in a dry run ---- */

static void look_at_dir(struct list *l, const struct item *it,
			const struct place *p)
{
	struct transfer *t = l->w->transfer;
	const struct file_meta meta = recv_pack_meta(t, &it->row);
	const struct same_meta how = same_meta_of(l);
	struct same_file file = { PRESERVE_CLOSED, p->dir, &p->there };
	struct err e;

	if (!S_ISDIR(p->there.st_mode) && delete_gives_way(t)) {
		want(l, it, LISTED_REPLACES);
		return;
	}
	if (!S_ISDIR(p->there.st_mode)) {
		answer(l, it, LISTED_FAILED, CAUSE_NOT_DIR);
		return;
	}
	file.fd = dirs_enter(l->w->dirs, it->row.name, it->row.name_len, &e);
	if ((t->existing == CONFLICT_REPLACE ||
	     t->features & FEATURE_ARCHIVE) &&
	    same_meta_differs(&how, &file, &meta))
		answer(l, it, LISTED_UPDATED, 0);
	else
		answer(l, it, LISTED_UNCHANGED, 0);
}

static int is_same_symlink(const struct item *it, const struct place *p)
{
	char target[WIRE_TARGET_MAX + 1];
	ssize_t n = -1;

	if (S_ISLNK(p->there.st_mode))
		n = readlinkat(p->dir, p->leaf, target, sizeof(target));
	return n >= 0 && (size_t)n == it->row.target_len &&
	       memcmp(target, it->row.target, it->row.target_len) == 0;
}

static int is_same_special(const struct item *it, const struct place *p)
{
	const mode_t type = symlinks_type_of(it->row.special);
	dev_t device;

	if ((p->there.st_mode & S_IFMT) != type)
		return 0;
	return (!S_ISCHR(type) && !S_ISBLK(type)) ||
	       (device_make(it->row.major, it->row.minor, &device) == 0 &&
		p->there.st_rdev == device);
}

/* Whether a hard link is one already to the file at first. */
static int is_same_link(const struct place *p, const struct place *first)
{
	return first->error == 0 && first->there.st_dev == p->there.st_dev &&
	       first->there.st_ino == p->there.st_ino;
}

/* Whether a symlink or special file that is the same would get other metadata, as
 * node_update() does. */
static int would_update(const struct list *l, const struct item *it,
			const struct place *p)
{
	struct transfer *t = l->w->transfer;
	const struct file_meta meta = recv_pack_meta(t, &it->row);
	const int preserves = (t->features & FEATURE_PRESERVE) != 0;
	uid_t uid;
	gid_t gid;

	if (it->row.kind == ITEM_LINK ||
	    !(preserves || t->existing == CONFLICT_REPLACE))
		return 0;
	if (it->row.kind == ITEM_SPECIAL &&
	    (p->there.st_mode & 0777) != (meta.mode & 0777))
		return 1;
	if (preserves && preserve_owner(&t->preserve, &meta, &uid, &gid) &&
	    (uid != p->there.st_uid || gid != p->there.st_gid))
		return 1;
	return p->there.st_mtim.tv_sec != meta.mtime_s ||
	       p->there.st_mtim.tv_nsec != (long)meta.mtime_ns;
}

static void look_at_other(struct list *l, const struct item *it)
{
	const struct pack_item target = { .name = it->row.target,
					  .name_len = it->row.target_len };
	struct place p, first;
	int is_same;

	/* p.dir and p.leaf last only until the next one. */
	if (it->row.kind == ITEM_LINK)
		look_up(l, &target, &first);
	look_up(l, &it->row, &p);
	if (p.error == ENOENT) {
		want(l, it, LISTED_NEW);
		return;
	}
	if (p.error) {
		fail(l, it, p.error);
		return;
	}
	if (it->row.kind == ITEM_DIR) {
		look_at_dir(l, it, &p);
		return;
	}
	is_same = it->row.kind == ITEM_LINK    ? is_same_link(&p, &first) :
		  it->row.kind == ITEM_SPECIAL ? is_same_special(it, &p) :
						 is_same_symlink(it, &p);
	if (is_same)
		answer(l, it, would_update(l, it, &p) ? LISTED_UPDATED :
							LISTED_UNCHANGED, 0);
	else
		take_conflict(l, it, &p);
}

/* ---- the list ---- */

static int take_row(struct list *l, const struct item *it,
		    const struct msg_row *row, struct err *e)
{
	struct worker *w = l->w;
	struct transfer *t = w->transfer;
	/* As for PACK: a directory counts when it is made or found. */
	const unsigned items = it->row.kind == ITEM_DIR && !l->is_dry_run ? 0 : 1;
	const uint64_t bytes = it->row.kind == ITEM_FILE ? it->row.size :
							   it->row.target_len;
	struct verdict v;

	memset(&v, 0, sizeof(v));
	l->is_unreadable = row->is_unreadable;
	if (quota_take(t->quota, items, bytes, &v)) {
		l->over = v;
		answer(l, it, l->is_dry_run ? LISTED_FAILED : LISTED_DONE,
		       l->is_dry_run ? v.cause : 0);
		if (!l->is_dry_run)
			recv_pack_report(t, it, &v);
		return 0;
	}
	if (t->stdout_fd >= 0) {
		want(l, it, LISTED_NEW);
		return 0;
	}
	if (it->row.kind == ITEM_FILE)
		return take_file(l, it, row, e);
	if (l->is_dry_run) {
		look_at_other(l, it);
		return 0;
	}
	answer(l, it, LISTED_DONE, 0);
	return it->row.kind == ITEM_DIR ? recv_pack_take_dir(w, it, e) :
					  recv_pack_take_symlink(w, it, e);
}

static int take_rows(struct list *l, struct err *e)
{
	struct msg_rows rows = { .form = rows_form(l) };
	struct item it = { .id = l->m.first_id };
	struct msg_row row;
	struct rd r;
	int rc = 0;

	rd_init(&r, l->w->raw, l->m.raw_len);
	for (uint32_t i = 0; rc == 0 && i < l->m.count; i++, it.id++) {
		/* check_rows() has seen that it is well-formed. */
		if (msg_get_row(&row, &rows, &r))
			return input_malformed("LIST", e);
		it.row = row.item;
		rc = take_row(l, &it, &row, e);
	}
	return rc;
}

int recv_list(struct worker *w, size_t len, struct err *e)
{
	struct list l = { .w = w };
	size_t payload = 0;
	int rc = read_fields(&l, len, &payload, e);

	if (rc)
		return rc;
	rc = input_payload(w->input, l.m.codec, l.m.raw_len, payload, e);
	if (rc == 0)
		rc = check_rows(&l, e);
	if (rc == ERR_CORRUPT && !e->code)
		return input_ask_again(w->input, "a list", l.m.first_id, 0, 0,
				       e);
	if (rc == 0)
		rc = take_rows(&l, e);
	/* As after a PACK. */
	if (rc == 0 && w->transfer->symlinks && !l.is_dry_run &&
	    !(w->transfer->features & FEATURE_DEFERRED))
		rc = symlinks_make(w->transfer->symlinks, w->channel, e);
	if (rc)
		return rc;
	results_push(w->transfer->results);
	l.answer.first_id = l.m.first_id;
	l.answer.count = l.m.count;
	msg_put_listed(&w->channel->out, &l.answer);
	return channel_send(w->channel, NULL, 0, e);
}
