/*
 * The directories are walked once more, by names alone (fs/scan_dirs.h): a record
 * of the names of all of them would grow with the tree.  What is not the directory
 * that was sent, because it was made since, or another file system was mounted or
 * unmounted, is left out: sent_dirs has all that the scan has read.
 */
#include "sender/send_delete.h"

#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "fs/name.h"
#include "fs/scan_dirs.h"
#include "sender/deletion.h"
#include "sender/outcome.h"
#include "sender/queue_replies.h"
#include "sender/replies.h"
#include "sender/scanner.h"
#include "sender/send.h"
#include "sender/stream.h"
#include "sender/waiting.h"
#include "session/events.h"
#include "wire/msg_list.h"

struct choosing {
	struct send_stream *st;
	const struct send_config *cfg;
	struct deletion answers;
	/* the DIRS that is being filled */
	struct buf rows;
	unsigned row_count;
	uint32_t dirs_sent;
	/* the names of the directory that a LIST was about last */
	uint32_t number;
	int has_names, is_unread, folds;
	struct names_set names;
	uint64_t sent_names; /* that are not left out */
	/* the path of what was left last */
	char left[NAME_PATH_MAX + 1];
	size_t left_len;
	uint64_t chosen;
	/* what was left as more were chosen than --max-delete allows, or as
	 * nothing is here */
	uint64_t over_limit, over_empty;
	uint64_t others; /* directories that are not those that were sent */
};

static int out_of_memory(struct err *e)
{
	return err_set(e, ERR_RESOURCE, "out of memory");
}

static int malformed(struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the receiver sent a malformed EXTRA frame");
}

/* ---- choosing ---- */

static int add_name(void *ctx, const char *name, int is_dir, int is_left_out)
{
	struct choosing *d = ctx;
	const size_t n = strlen(name);

	(void)is_dir;
	d->sent_names += !is_left_out;
	/* What is here is not deleted there, also where it is left out. */
	return names_set_add(&d->names, d->folds ? names_folded(name, n) :
						   names_hash(name, n)) ?
		       ERR_RESOURCE : 0;
}

/* Read the names that are here in a directory, unless they are known. */
static int read_names(struct choosing *d, const struct deletion_list *l,
		      const struct delete_dir *dir, struct err *e)
{
	const int folds = (l->m.flags & EXTRA_FOLDS) != 0;
	struct err re;
	int rc;

	if (d->has_names && d->number == l->m.dir && d->folds == folds)
		return 0;
	names_set_clear(&d->names);
	d->sent_names = 0;
	d->folds = folds;
	d->number = l->m.dir;
	d->has_names = 1;
	err_clear(&re);
	rc = scan_dirs_names(d->cfg->scan, dir->path, dir->path_len, add_name,
			     d, &re);
	if (rc == 0 && dir->path_len == 0 && d->cfg->stdin_fd >= 0)
		rc = add_name(d, d->cfg->stdin_name, 0, 0);
	d->is_unread = rc != 0;
	if (rc == ERR_RESOURCE)
		return out_of_memory(e);
	return 0;
}

/* Remember what is left: the directories that it is in cannot be removed. */
static void leave(struct choosing *d, const char *path, size_t len)
{
	memcpy(d->left, path, len);
	d->left_len = len;
}

static int holds_left(const struct choosing *d, const char *path,
		      size_t len)
{
	return d->left_len > len && d->left[len] == '/' &&
	       memcmp(d->left, path, len) == 0;
}

/* Whether a row is to be deleted, as far as names tell.  path is its path, whose
 * first from bytes are those of the directory that is here. */
static int is_extra(struct choosing *d, const struct deletion_list *l,
		    const struct extra_row *row, const char *path, size_t len)
{
	const size_t from = len - row->name_len;

	if (name_check(path, len))
		return 0;
	if (!(l->m.flags & EXTRA_BELOW)) {
		const uint64_t hash =
			d->folds ? names_folded(row->name, row->name_len) :
				   names_hash(row->name, row->name_len);

		if (d->is_unread || memchr(row->name, '/', row->name_len))
			return 0;
		/* A directory in the way of what is here. */
		if (names_set_has(&d->names, hash))
			return row->kind == ITEM_DIR &&
			       waiting_has(d->st->sender->waiting, path, len);
	}
	return !scan_dirs_excludes(d->cfg->scan, path, len, from,
				   row->kind == ITEM_DIR);
}

/* Choose a row or not. */
static int choose_row(struct choosing *d, const struct deletion_list *l,
		      const struct extra_row *row, const struct delete_dir *dir)
{
	const struct send_config *cfg = d->cfg;
	const int is_below = (l->m.flags & EXTRA_BELOW) != 0;
	char path[NAME_PATH_MAX + 1];
	const size_t len = deletion_path(path, dir, row);

	if (len == 0 || !is_extra(d, l, row, path, len) ||
	    (is_below && row->kind == ITEM_DIR && holds_left(d, path, len))) {
		leave(d, path, len);
		return 0;
	}
	/* A source without names is more likely one that is not mounted than one
	 * from which everything was removed. */
	if (!is_below && d->sent_names == 0 && !cfg->has_max_delete &&
	    scan_dirs_is_root(cfg->scan, dir->path, dir->path_len)) {
		d->over_empty++;
		return 0;
	}
	if (cfg->has_max_delete && d->chosen >= cfg->max_delete) {
		d->over_limit++;
		leave(d, path, len);
		return 0;
	}
	/* A directory counts when it is chosen itself, after what is in it. */
	d->chosen += is_below || row->kind != ITEM_DIR;
	return 1;
}

static int choose_list(struct choosing *d, struct deletion_list *l, struct err *e)
{
	struct channel *ch = &d->st->channel;
	const struct msg_delete m = { .kind = DELETE_CHOICE,
				      .count = l->m.count,
				      .list = l->bits,
				      .list_len = (l->m.count + 7u) / 8 };
	struct delete_dir dir;
	struct extra_row row;
	struct rd r;
	int rc;

	if (deletion_find_dir(&d->answers, l->m.dir, &dir))
		return malformed(e);
	rc = read_names(d, l, &dir, e);
	rd_init(&r, l->rows, l->m.list_len);
	for (unsigned i = 0; rc == 0 && i < l->m.count; i++) {
		if (msg_extra_get_row(&row, &r))
			return malformed(e);
		if (!choose_row(d, l, &row, &dir))
			continue;
		l->bits[i / 8] |= (uint8_t)(1 << (i % 8));
		l->chosen += (unsigned)deletion_has_result(l, i, &row);
	}
	if (rc)
		return rc;
	l->is_chosen = 1;
	d->answers.list_count--;
	msg_put_delete(&ch->out, &m);
	return channel_send(ch, NULL, 0, e);
}

/* Take what has arrived, and choose from it. */
static int take_replies(struct choosing *d, struct err *e)
{
	int rc = replies_take(d->st, e);

	while (rc == 0 && d->answers.list_count > 0) {
		struct deletion_list *l = d->answers.lists;

		while (l->is_chosen)
			l = l->next;
		rc = choose_list(d, l, e);
	}
	return rc;
}

static int wait_replies(struct choosing *d, struct err *e)
{
	int rc;

	if (send_stream_is_leaving(d->st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	rc = stream_wait(d->st->channel.stream, -1, -1, e);
	return rc < 0 ? rc : take_replies(d, e);
}

/* ---- the directories ---- */

static int send_dirs(struct choosing *d, struct err *e)
{
	const struct msg_delete m = { .kind = DELETE_DIRS,
				      .count = (uint16_t)d->row_count,
				      .list = d->rows.data,
				      .list_len = d->rows.len };
	int rc = 0;

	if (d->row_count == 0)
		return 0;
	while (rc == 0 && d->answers.count == DELETE_AHEAD)
		rc = wait_replies(d, e);
	if (rc)
		return rc;
	if (deletion_add_dirs(&d->answers, &d->rows, d->dirs_sent,
			      d->row_count))
		return out_of_memory(e);
	d->dirs_sent += d->row_count;
	msg_put_delete(&d->st->channel.out, &m);
	buf_reset(&d->rows);
	d->row_count = 0;
	rc = channel_send(&d->st->channel, NULL, 0, e);
	return rc ? rc : take_replies(d, e);
}

static int on_dir(void *ctx, const struct scan_dir *sd, struct err *e)
{
	struct choosing *d = ctx;
	const struct delete_dir dir = { .names = sd->names.count,
					.sum = sd->names.sum,
					.path = sd->name,
					.path_len = sd->name_len };
	int rc = 0;

	if (send_stream_is_leaving(d->st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	/* The receiver's own directory is no item of the scan; the root here is
	 * open all the time. */
	if (sd->name_len > 0 &&
	    !scanner_has_sent_dir(d->st->sender, sd->name, sd->name_len,
				  &sd->st)) {
		d->others++;
		return 0;
	}
	if (d->row_count == DELETE_DIRS_MAX ||
	    d->rows.len + DELETE_DIR_FIXED + sd->name_len > DELETE_BYTES_MAX)
		rc = send_dirs(d, e);
	msg_delete_put_dir(&d->rows, &dir);
	d->row_count++;
	return rc;
}

static void tell_left(const struct choosing *d)
{
	const struct sender *s = d->st->sender;
	const char *was = s->cfg->dry_run ? "would be" : "was";
	const char *were = s->cfg->dry_run ? "would not be deleted" :
					     "were not deleted";

	if (d->others > 0)
		events_message(d->cfg->events, SESSION_WARNING,
			       "%s: nothing %s deleted in %llu director%s, "
			       "which %s made here or replaced since the scan",
			       s->peer.name, was, (unsigned long long)d->others,
			       d->others == 1 ? "y" : "ies",
			       d->others == 1 ? "was" : "were");
	if (d->over_empty > 0)
		events_message(d->cfg->events, SESSION_WARNING,
			       "%s: %llu or more %s, as what %s "
			       "sent is empty here; --max-delete N lets N be "
			       "deleted", s->peer.name,
			       (unsigned long long)d->over_empty, were, was);
	if (d->over_limit > 0)
		events_message(d->cfg->events, SESSION_WARNING,
			       "%s: %llu or more %s, as "
			       "--max-delete is %llu", s->peer.name,
			       (unsigned long long)d->over_limit, were,
			       (unsigned long long)d->cfg->max_delete);
	outcome_left(s->outcome, d->over_empty + d->over_limit);
}

static int delete_all(struct choosing *d, struct err *e)
{
	int rc = scan_dirs(d->cfg->scan, on_dir, d, e);

	if (rc == 0)
		rc = send_dirs(d, e);
	while (rc == 0 && d->answers.count > 0)
		rc = wait_replies(d, e);
	if (rc == 0)
		tell_left(d);
	return rc;
}

static void on_failed(void *ctx, const struct queue_verdict *v)
{
	const struct listed_item plan = { LISTED_FAILED, CAUSE_IS_DIR };
	struct sender *s = ctx;

	if (s->cfg->dry_run)
		outcome_planned(s->outcome, v, &plan, s->peer.name);
	else
		outcome_verdict(s->outcome, v, s->peer.name);
}

/* Whether nothing may be deleted, as not all was committed.  The user is told. */
static int has_failures(const struct send_stream *st)
{
	struct sender *s = st->sender;
	const uint64_t failed = outcome_count_failed(s->outcome);

	if (failed == 0)
		return 0;
	events_message(s->cfg->events, SESSION_WARNING,
		       "%s: nothing %s deleted, as %llu file%s %s",
		       s->peer.name, s->cfg->dry_run ? "would be" : "was",
		       (unsigned long long)failed, failed == 1 ? "" : "s",
		       s->cfg->dry_run ? "would fail" : "failed");
	return 1;
}

void send_delete_end(struct send_stream *st)
{
	waiting_fail(st->sender->waiting, on_failed, st->sender);
}

/* Have the receiver make the symlinks, and delete, unless anything failed. */
static int run(struct choosing *d, int *may_delete, struct err *e)
{
	const struct msg_delete begin = { .kind = DELETE_BEGIN };
	struct send_stream *st = d->st;
	int rc;

	msg_put_delete(&st->channel.out, &begin);
	rc = channel_send(&st->channel, NULL, 0, e);
	while (rc == 0 && !d->answers.is_ready)
		rc = wait_replies(d, e);
	/* The symlinks have their verdicts only now. */
	*may_delete = rc == 0 && !has_failures(st);
	return *may_delete ? delete_all(d, e) : rc;
}

int send_delete_run(struct send_stream *st, int *again, struct err *e)
{
	struct sender *s = st->sender;
	int may_delete = !has_failures(st), rc = 0;
	struct choosing *d;

	*again = 0;
	if (may_delete) {
		d = calloc(1, sizeof(*d));
		if (!d)
			return out_of_memory(e);
		d->st = st;
		d->cfg = s->cfg;
		buf_init(&d->rows, DELETE_BYTES_MAX);
		deletion_init(&d->answers, s);
		st->deletion = &d->answers;
		rc = run(d, &may_delete, e);
		st->deletion = NULL;
		deletion_release(&d->answers);
		names_set_release(&d->names);
		buf_release(&d->rows);
		free(d);
	}
	if (rc)
		return rc;
	if (!may_delete)
		send_delete_end(st);
	/* What is sent once more cannot wait again. */
	waiting_end(s->waiting, 1);
	return send_delete_requeue(st, again, e);
}

int send_delete_requeue(struct send_stream *st, int *again, struct err *e)
{
	struct sender *s = st->sender;
	int rc = waiting_requeue(s->waiting, s->queue, s->links,
				 s->cfg->dry_run, e);

	*again = rc > 0;
	if (rc >= 0 && s->links)
		rc = waiting_requeue_names(s->queue, s->links,
					   s->cfg->dry_run, e);
	*again |= rc > 0;
	return rc < 0 ? rc : 0;
}
