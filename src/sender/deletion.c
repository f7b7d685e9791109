/*
 * Answers about what is at the receiver, checked against what was sent.
 */
#include "sender/deletion.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "sender/outcome.h"
#include "sender/sender.h"

int deletion_malformed(struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the receiver sent a malformed EXTRA frame");
}

void deletion_init(struct deletion *d, struct sender *s)
{
	memset(d, 0, sizeof(*d));
	d->sender = s;
	d->lists_end = &d->lists;
}

void deletion_release(struct deletion *d)
{
	while (d->lists) {
		struct deletion_list *l = d->lists;

		d->lists = l->next;
		free(l);
	}
	for (size_t i = 0; i < DELETE_AHEAD; i++)
		free(d->frames[i].list);
}

int deletion_add_dirs(struct deletion *d, const struct buf *list,
		      uint32_t first, unsigned count)
{
	struct deletion_dirs *f =
		&d->frames[(d->first + d->count) % DELETE_AHEAD];

	*f = (struct deletion_dirs){ .list = malloc(list->len),
				     .len = list->len,
				     .first = first,
				     .count = count };
	if (!f->list || list->failed)
		return -1;
	memcpy(f->list, list->data, list->len);
	d->count++;
	return 0;
}

/* The place in the ring of the DIRS that has the directory with this number, or
 * DELETE_AHEAD. */
static unsigned find_frame(const struct deletion *d, uint32_t number)
{
	for (unsigned i = 0; i < d->count; i++) {
		const unsigned at = (d->first + i) % DELETE_AHEAD;

		if (number >= d->frames[at].first &&
		    number - d->frames[at].first < d->frames[at].count)
			return at;
	}
	return DELETE_AHEAD;
}

int deletion_find_dir(const struct deletion *d, uint32_t number,
		      struct delete_dir *dir)
{
	const unsigned at = find_frame(d, number);
	const struct deletion_dirs *f = &d->frames[at];
	struct rd r;

	/* for clang, which does not see that f has the number */
	*dir = (struct delete_dir){ .path = "" };
	if (at == DELETE_AHEAD)
		return -1;
	rd_init(&r, f->list, f->len);
	for (uint32_t n = f->first; n <= number; n++) {
		if (msg_delete_get_dir(dir, &r))
			return -1;
	}
	return 0;
}

static int take_list(struct deletion *d, const struct msg_extra *m,
		     struct err *e)
{
	struct delete_dir dir;
	struct deletion_list *l;

	if (d->unanswered == EXTRA_AHEAD || deletion_find_dir(d, m->dir, &dir))
		return deletion_malformed(e);
	l = malloc(sizeof(*l) + m->list_len);
	if (!l)
		return err_set(e, ERR_RESOURCE, "out of memory");
	memset(l, 0, sizeof(*l));
	memcpy(l->rows, m->list, m->list_len);
	l->m = *m;
	l->m.list = l->rows;
	*d->lists_end = l;
	d->lists_end = &l->next;
	d->unanswered++;
	return 0;
}

size_t deletion_path(char path[NAME_PATH_MAX + 1], const struct delete_dir *dir,
		     const struct extra_row *row)
{
	const size_t start = dir->path_len + (dir->path_len > 0);

	if (start + row->name_len > NAME_PATH_MAX)
		return 0;
	memcpy(path, dir->path, dir->path_len);
	if (start > 0)
		path[dir->path_len] = '/';
	memcpy(path + start, row->name, row->name_len);
	path[start + row->name_len] = '\0';
	return start + row->name_len;
}

struct deletion_list *deletion_next_list(struct deletion *d)
{
	struct deletion_list *l = d->lists;

	while (l && l->is_answered)
		l = l->next;
	return l;
}

/* Whether RESULT is to have a cause for row i: not for a directory from which
 * the receiver lists first what is in it, and the directory itself last. */
static int has_result(const struct deletion_list *l, unsigned i,
		      const struct extra_row *row)
{
	return l->bits[i / 8] >> (i % 8) & 1 &&
	       (row->kind != ITEM_DIR || l->m.flags & EXTRA_BELOW);
}

void deletion_choose(struct deletion_list *l, unsigned i,
		     const struct extra_row *row)
{
	l->bits[i / 8] |= (uint8_t)(1 << (i % 8));
	l->results_due += (unsigned)has_result(l, i, row);
}

void deletion_put_choice(struct deletion *d, struct deletion_list *l,
			 struct buf *out)
{
	const struct msg_delete m = { .kind = DELETE_CHOICE,
				      .count = l->m.count,
				      .list = l->bits,
				      .list_len = (l->m.count + 7u) / 8 };

	l->is_answered = 1;
	d->unanswered--;
	msg_put_delete(out, &m);
}

static int take_result(struct deletion *d, const struct msg_extra *m,
		       struct err *e)
{
	struct sender *s = d->sender;
	struct deletion_list *l = d->lists;
	char path[NAME_PATH_MAX + 1];
	struct delete_dir dir;
	struct extra_row row;
	struct rd r, causes;

	if (!l || !l->is_answered || m->count != l->results_due ||
	    deletion_find_dir(d, l->m.dir, &dir))
		return deletion_malformed(e);
	rd_init(&r, l->rows, l->m.list_len);
	rd_init(&causes, m->list, m->list_len);
	for (unsigned i = 0; i < l->m.count; i++) {
		size_t len;

		if (msg_extra_get_row(&row, &r))
			return deletion_malformed(e);
		if (!has_result(l, i, &row))
			continue;
		len = deletion_path(path, &dir, &row);
		outcome_deletion(s->outcome, path, len, row.kind == ITEM_DIR,
				 rd_u16(&causes), s->peer.name);
	}
	d->lists = l->next;
	if (!d->lists)
		d->lists_end = &d->lists;
	free(l);
	return 0;
}

static int take_done(struct deletion *d, struct err *e)
{
	struct deletion_dirs *f = &d->frames[d->first];

	if (d->count == 0)
		return deletion_malformed(e);
	for (const struct deletion_list *l = d->lists; l; l = l->next) {
		if (l->m.dir - f->first < f->count)
			return deletion_malformed(e);
	}
	free(f->list);
	f->list = NULL;
	d->first = (d->first + 1) % DELETE_AHEAD;
	d->count--;
	return 0;
}

static int take_unread(struct deletion *d, const struct msg_extra *m,
		       struct err *e)
{
	const unsigned at = find_frame(d, m->dir);
	struct sender *s = d->sender;
	struct delete_dir dir;
	char path[NAME_PATH_MAX + 1];

	/* More than there are directories would be messages without end. */
	if (deletion_find_dir(d, m->dir, &dir) ||
	    d->frames[at].unread++ >= d->frames[at].count)
		return deletion_malformed(e);
	memcpy(path, dir.path, dir.path_len);
	path[dir.path_len] = '\0';
	outcome_deletion(s->outcome, path, dir.path_len, 1,
			 be_get16(m->list), s->peer.name);
	return 0;
}

int deletion_take(struct deletion *d, const uint8_t *body, size_t n,
		  struct err *e)
{
	struct msg_extra m;

	if (!d || msg_get_extra(&m, body, n) ||
	    d->is_ready == (m.kind == EXTRA_READY))
		return deletion_malformed(e);
	switch ((enum extra_kind)m.kind) {
	case EXTRA_READY:
		d->is_ready = 1;
		return 0;
	case EXTRA_LIST:
		return take_list(d, &m, e);
	case EXTRA_RESULT:
		return take_result(d, &m, e);
	case EXTRA_DONE:
		return take_done(d, e);
	case EXTRA_UNREAD:
		return take_unread(d, &m, e);
	}
	return deletion_malformed(e);
}
