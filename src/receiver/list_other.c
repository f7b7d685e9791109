/*
 * What is made at the end of a session, looked at.
 */
#include "receiver/list_other.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/dirs.h"
#include "fs/node.h"
#include "fs/preserve.h"
#include "receiver/delete.h"
#include "receiver/list_item.h"
#include "receiver/pack.h"
#include "receiver/same_meta.h"
#include "receiver/symlinks.h"
#include "receiver/worker.h"
#include "wire/msg_list.h"

static void plan_dir(struct list *l, const struct item *it,
		     const struct list_place *p)
{
	struct transfer *t = l->w->transfer;
	const struct file_meta meta = recv_pack_meta(t, &it->row);
	struct same_meta how = list_item_same_meta(l);
	struct same_file file = { PRESERVE_CLOSED, p->dir, &p->there };
	struct err e;

	/* Where directories get metadata, --existing does not matter to it. */
	how.existing = CONFLICT_REPLACE;
	if (!S_ISDIR(p->there.st_mode)) {
		if (delete_gives_way(t))
			list_item_want(l, it, LISTED_REPLACES);
		else
			list_item_answer(l, it, LISTED_FAILED, CAUSE_NOT_DIR);
		return;
	}
	file.fd = dirs_enter(l->w->dirs, it->row.name, it->row.name_len, &e);
	if ((t->existing == CONFLICT_REPLACE ||
	     t->features & FEATURE_ARCHIVE) &&
	    same_meta_differs(&how, &file, &meta))
		list_item_answer(l, it, LISTED_UPDATED, 0);
	else
		list_item_answer(l, it, LISTED_UNCHANGED, 0);
}

/* The file that a hard link is made to, where that is there already: one that
 * stays, or the content of which is the same, was noted when it was looked
 * at. */
static void find_first(struct list *l, const struct pack_item *row,
		       struct node *n, char leaf[NAME_COMPONENT_MAX + 1])
{
	struct transfer *t = l->w->transfer;

	if (!l->from) {
		l->from = dirs_new(t->root_fd, 0, NULL, NULL);
		if (l->from)
			dirs_set_held(l->from, DIRS_HELD_LEAST);
	}
	if (!l->from || symlinks_find_first(t->linked, l->from, row->target,
					    row->target_len, n, leaf))
		n->from_dir = -1;
}

/* Whether all that differs of its metadata will be set. */
static int will_update(const struct node *n, const struct stat *there)
{
	unsigned kinds = node_differs(n, there);
	struct stat st = *there;

	/* With another mode it is made anew, by this user. */
	if (kinds & FILE_META_MODE) {
		if (!node_can_make(n))
			return 0;
		st.st_uid = geteuid();
		st.st_gid = getegid();
		kinds |= FILE_META_OWNER;
	}
	return kinds && !(kinds & preserve_denied(n->how, &st, n->meta));
}

/* Look at a symlink, special file or hard link. */
static int plan_node(struct list *l, const struct item *it,
		     const struct list_place *p, struct err *e)
{
	struct transfer *t = l->w->transfer;
	const struct node *n = l->node;
	const int is_link = n->kind == NODE_LINK;
	const int updates = t->features & FEATURE_PRESERVE ||
			    t->existing == CONFLICT_REPLACE;

	if (is_link && n->from_dir >= 0)
		l->existing = symlinks_policy_of_link(n, p->dir, p->leaf,
						      t->existing);
	if ((!is_link || n->from_dir >= 0) && node_is_same(n, p->dir, p->leaf))
		list_item_answer(l, it,
				 updates && will_update(n, &p->there) ?
					 LISTED_UPDATED : LISTED_UNCHANGED, 0);
	else
		return list_item_conflict(l, it, p, e);
	return 0;
}

int list_other_plan(struct list *l, const struct item *it, struct err *e)
{
	const struct pack_item *row = &it->row;
	const struct file_meta meta = recv_pack_meta(l->w->transfer, row);
	char target[WIRE_TARGET_MAX + 1], first[NAME_COMPONENT_MAX + 1];
	struct node n = {
		.kind = row->kind == ITEM_SPECIAL ? NODE_SPECIAL :
			row->kind == ITEM_LINK	  ? NODE_LINK :
						    NODE_SYMLINK,
		.target = target,
		.type = symlinks_type_of(row->special),
		.major = row->major,
		.minor = row->minor,
		.meta = &meta,
		.how = l->w->transfer->features & FEATURE_PRESERVE ?
			       &l->w->transfer->preserve : NULL,
	};
	struct list_place p;

	snprintf(target, sizeof(target), "%.*s", (int)row->target_len,
		 row->kind == ITEM_SYMLINK ? row->target : "");
	if (row->kind == ITEM_LINK)
		find_first(l, row, &n, first);
	l->node = &n;
	list_item_look_up(l, row, &p);
	if (p.error == ENOENT)
		list_item_want(l, it, LISTED_NEW);
	else if (p.error)
		list_item_fail(l, it, p.error);
	else if (row->kind == ITEM_DIR)
		plan_dir(l, it, &p);
	else
		return plan_node(l, it, &p, e);
	return 0;
}
