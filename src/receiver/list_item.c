/*
 * Items are looked up each in the directory that the walk holds already, as
 * most items of a list lie in few directories.
 */
#include "receiver/list_item.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "chunk/digest.h"
#include "fs/dirs.h"
#include "fs/node.h"
#include "fs/place.h"
#include "fs/preserve.h"
#include "os/identity.h"
#include "receiver/delete.h"
#include "receiver/dry_run.h"
#include "receiver/input.h"
#include "receiver/made.h"
#include "receiver/pack.h"
#include "receiver/quota.h"
#include "receiver/results.h"
#include "receiver/same_meta.h"
#include "receiver/worker.h"
#include "wire/msg_list.h"

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

void list_item_answer(struct list *l, const struct item *it,
		      enum listed_state state, unsigned cause)
{
	struct listed_item *a = &l->answer.items[it->id - l->m.first_id];

	a->state = (uint8_t)state;
	a->cause = (uint16_t)cause;
	/* What is wanted has yet to come. */
	l->w->input->has_effect |= l->is_dry_run ? state != LISTED_COMPARE
						 : state == LISTED_DONE;
	if (l->is_dry_run)
		plan(l, it, state, cause);
}

/* ---- what is there ---- */

void list_item_look_up(const struct list *l, const struct pack_item *row,
		       struct list_place *p)
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
			 const struct list_place *p)
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
		      const struct list_place *p, struct err *e)
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

struct same_meta list_item_same_meta(const struct list *l)
{
	struct same_meta how = transfer_same_meta(l->w->transfer);

	/* What the file system makes of times is tried by writing to it. */
	if (l->is_dry_run)
		how.lacks = NULL;
	return how;
}

/* Open the file that was looked up.  Returns a descriptor, or -1 with the
 * cause. */
static int open_there(const struct list_place *p, unsigned *cause)
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

/* Whether ACLs or attributes of an entry have to be compared that is not known
 * to have none. */
static int has_attrs(const struct file_meta *meta, const struct list_place *p)
{
	const unsigned kinds = file_meta_needs(meta) & PRESERVE_ATTRS;

	return kinds && !preserve_is_bare(kinds, p->dir, p->leaf, 0);
}

/* What of the metadata of a file that is there is to be set (enum
 * file_meta_kind).  fd: open, or PRESERVE_CLOSED or PRESERVE_BARE. */
static unsigned differs(struct list *l, const struct file_meta *meta,
			const struct list_place *p, int fd)
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
	struct same_meta how = list_item_same_meta(l);
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

/* In a dry run: whether the file that is there was planned to get this metadata
 * already, by another of its names. */
static int was_planned(const struct list *l, const struct file_meta *meta,
		       const struct list_place *p)
{
	struct made *updated = l->w->transfer->updated;
	/* nothing is made or removed meanwhile */
	const struct identity id = {
		.dev = (uint64_t)p->there.st_dev,
		.inode = (uint64_t)p->there.st_ino,
	};
	uint8_t sum[DIGEST_MAX];
	struct buf b;
	int was;

	if (p->there.st_nlink < 2 || !updated)
		return 0;
	buf_init(&b, FILE_META_MAX);
	file_meta_put(&b, meta, FILE_META_EXTENDED);
	digest_sha256.sum(b.data, b.len, sum);
	buf_release(&b);
	was = made_has(updated, (const char *)sum, digest_sha256.size, &id);
	made_note(updated, (const char *)sum, digest_sha256.size, &id);
	return was;
}

/* What is there is the item, and stays: note it if hard links to it may
 * follow. */
static void note_linked(const struct list *l, const struct item *it,
			const struct file_meta *meta, const struct list_place *p)
{
	struct transfer *t = l->w->transfer;
	struct identity id;
	struct stat st;

	if (transfer_may_be_linked(t, meta) &&
	    identity_of_entry(p->dir, p->leaf, &id, &st) == 0 &&
	    st.st_dev == p->there.st_dev && st.st_ino == p->there.st_ino)
		made_note(t->linked, it->row.name, it->row.name_len, &id);
}

/* The content is the same: set what differs of the metadata. */
static void keep_file(struct list *l, const struct item *it,
		      const struct list_place *p)
{
	struct transfer *t = l->w->transfer;
	const struct file_meta meta = recv_pack_meta(t, &it->row);
	const struct same_meta how = list_item_same_meta(l);
	const int is_open = has_attrs(&meta, p);
	struct verdict v = { .status = STATUS_UNCHANGED };
	unsigned kinds, cause = CAUSE_NONE;
	struct item known;
	int fd = is_open ? open_there(p, &cause) : PRESERVE_CLOSED;

	kinds = differs(l, &meta, p, is_open ? fd : PRESERVE_BARE);
	if (l->is_dry_run) {
		/* A file counts as updated if all that differs was set. */
		if (kinds &&
		    (kinds & preserve_denied(how.how, &p->there, &meta) ||
		     was_planned(l, &meta, p)))
			kinds = 0;
		note_linked(l, it, &meta, p);
		list_item_answer(l, it,
				 kinds ? LISTED_UPDATED : LISTED_UNCHANGED, 0);
		io_close(&fd);
		return;
	}
	if (kinds && fd < 0 && !cause)
		fd = open_there(p, &cause);
	if (kinds && fd >= 0)
		v = same_meta_set(&how, fd, &meta, kinds);
	else if (kinds)
		v = (struct verdict){ STATUS_UPDATED, .not_kept = kinds,
				      .cause = cause };
	io_close(&fd);
	note_linked(l, it, &meta, p);
	list_item_answer(l, it, LISTED_DONE, 0);
	/* The session's digest of its content is not known. */
	known = *it;
	memset(known.row.digest, 0, sizeof(known.row.digest));
	recv_pack_report_same(l->w, &known, &v);
}

/* ---- what is wanted ---- */

void list_item_fail(struct list *l, const struct item *it, int error)
{
	list_item_answer(l, it, l->is_dry_run ? LISTED_FAILED : LISTED_DONE,
			 l->is_dry_run ? wire_cause_of_errno(error) : 0);
	if (!l->is_dry_run)
		recv_pack_report_failed(l->w->transfer, it, error);
}

void list_item_want(struct list *l, const struct item *it,
		    enum listed_state state)
{
	int error = 0;

	if (l->is_dry_run && state != LISTED_COMPARE &&
	    l->w->transfer->root_fd >= 0)
		error = dry_run_denied(dirs_reached(l->w->dirs), &l->fs);
	if (!error && l->node && !node_can_make(l->node))
		error = EPERM;
	if (error) {
		list_item_fail(l, it, error);
		return;
	}
	list_item_answer(l, it, state, 0);
	if (!l->is_dry_run || state == LISTED_COMPARE)
		quota_give_back(l->w->transfer->quota, 1,
				recv_pack_bytes(&it->row));
}

/* In a dry run: a directory has the name.  While the session deletes, as in
 * others, it is known whether that would be gone. */
static void take_blocked(struct list *l, const struct item *it)
{
	struct worker *w = l->w;

	if (!w->input->is_first || !w->transfer->deletion)
		list_item_answer(l, it, LISTED_WAITING, 0);
	else if (delete_would_remove(w->transfer->deletion, it->row.name,
				     it->row.name_len))
		list_item_want(l, it, LISTED_NEW);
	else
		list_item_answer(l, it, LISTED_FAILED, CAUSE_IS_DIR);
}

/* Whether an earlier transfer put the same here under a further name.  Returns
 * 1; 0; ERR_AGAIN where that is seen by a digest, which did not come; or an
 * error that ends the session. */
static int is_same_as_before(const struct list *l, const struct item *it,
			     const struct list_place *p, struct err *e)
{
	/* Only one with the same time is read, as there may be many. */
	if (!fs_lacks_may_be_time(p->dir, &p->there.st_mtim, &it->row.meta))
		return 0;
	if (it->row.kind != ITEM_FILE)
		return (l->node->kind != NODE_LINK || l->node->from_dir >= 0) &&
		       node_is_same(l->node, p->dir, p->leaf);
	if (!S_ISREG(p->there.st_mode) ||
	    (uint64_t)p->there.st_size != it->row.size)
		return 0;
	return l->has_digest ? has_digest(l->w, &it->row, p, e) : ERR_AGAIN;
}

/* In a dry run: which further name it would get, or has. */
static int plan_rename(struct list *l, const struct item *it,
		       const struct list_place *p, struct err *e)
{
	char name[NAME_COMPONENT_MAX + 1];
	struct list_place copy = { .dir = p->dir, .leaf = name };
	struct err fe;

	for (unsigned n = 1; n < PLACE_TRIES; n++) {
		int rc;

		place_name(name, p->leaf, n);
		err_clear(&fe);
		if (part_stat(p->dir, name, &copy.there, &fe)) {
			if (fe.sys_errno == ENOENT)
				list_item_want(l, it, LISTED_RENAMED);
			else
				list_item_fail(l, it, fe.sys_errno);
			return 0;
		}
		rc = is_same_as_before(l, it, &copy, e);
		if (rc == 1) {
			note_linked(l, it, &it->row.meta, &copy);
			list_item_answer(l, it, LISTED_UNCHANGED, 0);
		} else if (rc == ERR_AGAIN) {
			list_item_want(l, it, LISTED_COMPARE);
		}
		if (rc)
			return rc < 0 && rc != ERR_AGAIN ? rc : 0;
	}
	list_item_answer(l, it, LISTED_FAILED, CAUSE_EXISTS);
	return 0;
}

int list_item_conflict(struct list *l, const struct item *it,
		       const struct list_place *p, struct err *e)
{
	struct transfer *t = l->w->transfer;
	const enum conflict_action action =
		conflict_decide(l->existing, &p->there, &it->row.meta, p->dir,
				l->is_dry_run ? NULL : &t->lacks);

	switch (action) {
	case ACTION_REPLACE:
		list_item_want(l, it, LISTED_REPLACES);
		return 0;
	case ACTION_BACKUP:
		list_item_want(l, it, LISTED_BACKUP);
		return 0;
	case ACTION_RENAME:
		if (l->is_dry_run)
			return plan_rename(l, it, p, e);
		list_item_want(l, it, LISTED_RENAMED);
		return 0;
	case ACTION_SKIP:
	case ACTION_FAIL:
		break;
	}
	if (!l->is_dry_run) {
		list_item_answer(l, it, LISTED_DONE, 0);
		recv_pack_report_conflict(l->w, it, action, &p->there);
	} else if (action == ACTION_SKIP) {
		list_item_answer(l, it, LISTED_SKIPPED, 0);
	} else if (S_ISDIR(p->there.st_mode) &&
		   delete_gives_way(t)) {
		take_blocked(l, it);
	} else {
		list_item_answer(l, it, LISTED_FAILED,
		       conflict_cause(p->dir, p->leaf, &p->there,
				      it->row.kind == ITEM_FILE ?
					      it->row.size :
					      UINT64_MAX));
	}
	return 0;
}

int list_item_take_file(struct list *l, const struct item *it,
		     const struct msg_row *row, struct err *e)
{
	struct list_place p;
	int has_size, rc;

	list_item_look_up(l, &it->row, &p);
	if (p.error == ENOENT) {
		list_item_want(l, it, LISTED_NEW);
		return 0;
	}
	if (p.error) {
		list_item_fail(l, it, p.error);
		return 0;
	}
	has_size = S_ISREG(p.there.st_mode) &&
		   (uint64_t)p.there.st_size == it->row.size;
	if (has_size && has_same_time(l, row, &p)) {
		keep_file(l, it, &p);
	} else if (has_size && !row->has_digest) {
		list_item_want(l, it, LISTED_COMPARE);
	} else {
		rc = has_size ? has_digest(l->w, &it->row, &p, e) : 0;
		if (rc < 0)
			return rc;
		if (!rc)
			return list_item_conflict(l, it, &p, e);
		keep_file(l, it, &p);
	}
	return 0;
}
