/*
 * The end of a session with --delete: directory by directory the receiver lists
 * what it has and the sources do not, and the sender chooses what is deleted of
 * that.
 *
 * For that the directories are walked a second time, by names alone
 * (fs/scan_dirs.h): to remember all names of the scan would take memory that
 * grows with the tree.  A directory that is not the one that was sent is left
 * out (it was made or replaced since, or a file system was mounted or unmounted
 * there): sent_dirs in sender.h knows those that the scan has read.
 */
#include "sender/send_delete.h"

#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
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

/*
 * Each deletion is an event that is never dropped, and what there is to delete
 * is known from the receiver alone, which may make it up.  So without
 * --max-delete a session deletes no more than this: files and directories, and
 * bytes of their paths.
 */
enum {
	DELETE_MOST = 1 << 20,
	DELETE_MOST_BYTES = 64 << 20,
	/* What is listed, as it is here, is no event; but it has an end. */
	LIST_ROWS_MOST = 1 << 28,
};

struct send_delete {
	struct send_stream *st;
	const struct send_config *cfg;
	struct deletion answers;

	/* the DIRS that is being filled */
	struct buf rows;
	unsigned row_count;
	uint32_t dirs_sent;    /* in those before */
	uint64_t dirs_changed; /* that are in none: not those that were sent */

	/* The names that are here in the directory that the last LIST was
	 * about: further ones may be about it, too. */
	struct names_set names;
	int has_names;       /* the following is set */
	uint32_t names_dir;  /* the directory's number */
	int is_folded;       /* hashed by names_folded() */
	int is_unread;       /* not all could be read: nothing is deleted */
	uint64_t sent_names; /* how many are sent, and not excluded */

	/* The path of the last row that stays at the receiver.  A tree is
	 * listed with each directory after what is in it, so this one is enough
	 * to know the directories that cannot become empty. */
	char kept[NAME_PATH_MAX + 1];
	size_t kept_len;

	uint64_t listed; /* rows of all lists */
	uint64_t chosen, chosen_bytes;
	/* what stays because more were chosen than are allowed, and because
	 * nothing is here */
	uint64_t over_limit, over_empty;
};

static int out_of_memory(struct err *e)
{
	return err_set(e, ERR_RESOURCE, "out of memory");
}

/* ---- choosing ---- */

static uint64_t hash_name(const struct send_delete *d, const char *name,
			  size_t len)
{
	return d->is_folded ? names_folded(name, len) : names_hash(name, len);
}

static int add_name(void *ctx, const char *name, int is_dir, int is_left_out)
{
	struct send_delete *d = ctx;
	const uint64_t hash = hash_name(d, name, strlen(name));

	(void)is_dir;
	d->sent_names += !is_left_out;
	/* What is here is not deleted there, even where it is left out. */
	return names_set_add(&d->names, hash) ? ERR_RESOURCE : 0;
}

/* Read the names that are here in the directory of a LIST, unless they are
 * known. */
static int read_names(struct send_delete *d, const struct deletion_list *l,
		      const struct delete_dir *dir, struct err *e)
{
	const int is_folded = (l->m.flags & EXTRA_FOLDS) != 0;
	struct err ignored;
	int rc;

	if (d->has_names && d->names_dir == l->m.dir &&
	    d->is_folded == is_folded)
		return 0;
	names_set_clear(&d->names);
	d->sent_names = 0;
	d->is_folded = is_folded;
	d->names_dir = l->m.dir;
	d->has_names = 1;
	err_clear(&ignored);
	rc = scan_dirs_names(d->cfg->scan, dir->path, dir->path_len, add_name,
			     d, &ignored);
	/* No source has the name that standard input gets. */
	if (rc == 0 && dir->path_len == 0 && d->cfg->stdin_fd >= 0)
		rc = add_name(d, d->cfg->stdin_name, 0, 0);
	d->is_unread = rc != 0;
	return rc == ERR_RESOURCE ? out_of_memory(e) : 0;
}

static void set_kept(struct send_delete *d, const char *path, size_t len)
{
	memcpy(d->kept, path, len);
	d->kept_len = len;
}

/* Whether something in the directory stays, so that it cannot be removed. */
static int has_kept(const struct send_delete *d, const char *path, size_t len)
{
	return d->kept_len > len && d->kept[len] == '/' &&
	       memcmp(d->kept, path, len) == 0;
}

/* Whether a row, with its path, may be deleted as far as the names that are
 * here and the filter tell. */
static int is_extra(const struct send_delete *d, const struct deletion_list *l,
		    const struct extra_row *row, const char *path, size_t len)
{
	/* The directory of the LIST was sent, so it is not excluded itself. */
	const size_t from = len - row->name_len;

	if (name_check(path, len))
		return 0;
	if (!(l->m.flags & EXTRA_BELOW)) {
		/* With a slash it is not a name in this directory. */
		if (d->is_unread || memchr(row->name, '/', row->name_len))
			return 0;
		/* What has a name that is here is deleted only where it is a
		 * directory that an item waits for. */
		if (names_set_has(&d->names,
				  hash_name(d, row->name, row->name_len)))
			return row->kind == ITEM_DIR &&
			       waiting_has(d->st->sender->waiting, path, len);
	}
	return !scan_dirs_excludes(d->cfg->scan, path, len, from,
				   row->kind == ITEM_DIR);
}

/* Whether no more may be chosen. */
static int is_at_limit(const struct send_delete *d)
{
	if (d->cfg->has_max_delete)
		return d->chosen >= d->cfg->max_delete;
	return d->chosen >= DELETE_MOST || d->chosen_bytes >= DELETE_MOST_BYTES;
}

/* Whether a row is chosen to be deleted, and count it. */
static int choose_row(struct send_delete *d, const struct deletion_list *l,
		      const struct extra_row *row, const struct delete_dir *dir)
{
	const struct send_config *cfg = d->cfg;
	const int is_below = (l->m.flags & EXTRA_BELOW) != 0;
	char path[NAME_PATH_MAX + 1];
	const size_t len = deletion_path(path, dir, row);

	if (len == 0 || !is_extra(d, l, row, path, len) ||
	    (is_below && row->kind == ITEM_DIR && has_kept(d, path, len))) {
		set_kept(d, path, len);
		return 0;
	}
	/* A source without names is more likely one that is not mounted than
	 * one from which everything was removed. */
	if (!is_below && d->sent_names == 0 && !cfg->has_max_delete &&
	    scan_dirs_is_root(cfg->scan, dir->path, dir->path_len)) {
		d->over_empty++;
		return 0;
	}
	if (is_at_limit(d)) {
		d->over_limit++;
		set_kept(d, path, len);
		return 0;
	}
	/* The first time that a directory is chosen, only what is in it is
	 * listed; it counts when it comes itself, after that. */
	if (is_below || row->kind != ITEM_DIR) {
		d->chosen++;
		d->chosen_bytes += len;
	}
	return 1;
}

/* Answer a LIST. */
static int choose_list(struct send_delete *d, struct deletion_list *l,
		       struct err *e)
{
	struct delete_dir dir;
	struct extra_row row;
	struct rd r;
	int rc;

	d->listed += l->m.count;
	if (d->listed > LIST_ROWS_MOST)
		return err_set(e, ERR_PROTOCOL,
			       "the receiver lists more than %d files and "
			       "directories",
			       LIST_ROWS_MOST);
	if (deletion_find_dir(&d->answers, l->m.dir, &dir))
		return deletion_malformed(e);
	rc = read_names(d, l, &dir, e);
	if (rc)
		return rc;
	rd_init(&r, l->rows, l->m.list_len);
	for (unsigned i = 0; i < l->m.count; i++) {
		if (msg_extra_get_row(&row, &r))
			return deletion_malformed(e);
		if (choose_row(d, l, &row, &dir))
			deletion_choose(l, i, &row);
	}
	deletion_put_choice(&d->answers, l, &d->st->channel.out);
	return channel_send(&d->st->channel, NULL, 0, e);
}

/* Handle the replies that have arrived, and answer the LISTs among them. */
static int answer_replies(struct send_delete *d, struct err *e)
{
	struct deletion_list *l;
	int rc = replies_take(d->st, e);

	while (rc == 0 && (l = deletion_next_list(&d->answers)))
		rc = choose_list(d, l, e);
	return rc;
}

static int wait_and_answer(struct send_delete *d, struct err *e)
{
	int rc;

	if (send_stream_is_leaving(d->st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	rc = stream_wait(d->st->channel.stream, -1, -1, e);
	return rc < 0 ? rc : answer_replies(d, e);
}

/* ---- the directories ---- */

static int send_dirs(struct send_delete *d, struct err *e)
{
	const struct msg_delete m = { .kind = DELETE_DIRS,
				      .count = (uint16_t)d->row_count,
				      .list = d->rows.data,
				      .list_len = d->rows.len };
	int rc = 0;

	if (d->row_count == 0)
		return 0;
	while (rc == 0 && d->answers.count == DELETE_AHEAD)
		rc = wait_and_answer(d, e);
	if (rc)
		return rc;
	/* before it is sent, as the answers may come while it is */
	if (deletion_add_dirs(&d->answers, &d->rows, d->dirs_sent,
			      d->row_count))
		return out_of_memory(e);
	d->dirs_sent += d->row_count;
	msg_put_delete(&d->st->channel.out, &m);
	buf_reset(&d->rows);
	d->row_count = 0;
	rc = channel_send(&d->st->channel, NULL, 0, e);
	return rc ? rc : answer_replies(d, e);
}

static int on_dir(void *ctx, const struct scan_dir *sd, struct err *e)
{
	struct send_delete *d = ctx;
	const struct delete_dir dir = { .names = sd->names.count,
					.sum = sd->names.sum,
					.path = sd->name,
					.path_len = sd->name_len };
	int rc = 0;

	if (send_stream_is_leaving(d->st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	/* The receiver's own directory is not among those that were sent; its
	 * source was held open since, so it is still the same. */
	if (sd->name_len > 0 &&
	    !scanner_has_sent_dir(d->st->sender, sd->name, sd->name_len,
				  &sd->st)) {
		d->dirs_changed++;
		return 0;
	}
	if (d->row_count == DELETE_DIRS_MAX ||
	    d->rows.len + DELETE_DIR_FIXED + sd->name_len > DELETE_BYTES_MAX)
		rc = send_dirs(d, e);
	msg_delete_put_dir(&d->rows, &dir);
	d->row_count++;
	return rc;
}

/* Warn of what stays at the receiver though it is not here. */
static void tell_kept(const struct send_delete *d)
{
	const struct sender *s = d->st->sender;
	const char *was = s->cfg->dry_run ? "would be" : "was";
	const char *were = s->cfg->dry_run ? "would not be deleted" :
					     "were not deleted";

	if (d->dirs_changed > 0)
		events_message(d->cfg->events, SESSION_WARNING,
			       "%s: nothing %s deleted in %llu director%s, "
			       "which %s made here or replaced since the scan",
			       s->peer.name, was,
			       (unsigned long long)d->dirs_changed,
			       d->dirs_changed == 1 ? "y" : "ies",
			       d->dirs_changed == 1 ? "was" : "were");
	if (d->over_empty > 0)
		events_message(d->cfg->events, SESSION_WARNING,
			       "%s: %llu or more %s, as what %s "
			       "sent is empty here; --max-delete N lets N be "
			       "deleted", s->peer.name,
			       (unsigned long long)d->over_empty, were, was);
	if (d->over_limit > 0 && !d->cfg->has_max_delete)
		events_message(d->cfg->events, SESSION_WARNING,
			       "%s: %llu or more %s, as a session deletes at "
			       "most %d, with paths of %d MiB, without "
			       "--max-delete N",
			       s->peer.name, (unsigned long long)d->over_limit,
			       were, DELETE_MOST, DELETE_MOST_BYTES >> 20);
	else if (d->over_limit > 0)
		events_message(d->cfg->events, SESSION_WARNING,
			       "%s: %llu or more %s, as "
			       "--max-delete is %llu", s->peer.name,
			       (unsigned long long)d->over_limit, were,
			       (unsigned long long)d->cfg->max_delete);
	outcome_left(s->outcome, d->over_empty + d->over_limit);
}

/* Whether anything may be deleted: not where something failed, of which the
 * user is told. */
static int may_delete(const struct send_stream *st)
{
	struct sender *s = st->sender;
	const uint64_t failed = outcome_count_failed(s->outcome);
	char files[TEXT_COUNT_MAX];

	if (failed == 0)
		return 1;
	events_message(s->cfg->events, SESSION_WARNING,
		       "%s: nothing %s deleted, as %s %s", s->peer.name,
		       s->cfg->dry_run ? "would be" : "was",
		       text_count(files, failed, "file"),
		       s->cfg->dry_run ? "would fail" : "failed");
	return 0;
}

/* Have the receiver make the symlinks: they have their verdicts only then. */
static int begin_deletion(struct send_delete *d, struct err *e)
{
	const struct msg_delete m = { .kind = DELETE_BEGIN };
	struct channel *ch = &d->st->channel;
	int rc;

	msg_put_delete(&ch->out, &m);
	rc = channel_send(ch, NULL, 0, e);
	while (rc == 0 && !d->answers.is_ready)
		rc = wait_and_answer(d, e);
	return rc;
}

static int delete_in_dirs(struct send_delete *d, struct err *e)
{
	int rc = scan_dirs(d->cfg->scan, on_dir, d, e);

	if (rc == 0)
		rc = send_dirs(d, e);
	while (rc == 0 && d->answers.count > 0)
		rc = wait_and_answer(d, e);
	if (rc == 0)
		tell_kept(d);
	return rc;
}

/* *is_allowed: nothing had failed. */
static int delete_extras(struct send_stream *st, int *is_allowed, struct err *e)
{
	struct send_delete *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return out_of_memory(e);
	d->st = st;
	d->cfg = st->sender->cfg;
	buf_init(&d->rows, DELETE_BYTES_MAX);
	deletion_init(&d->answers, st->sender);
	st->deletion = &d->answers;
	rc = begin_deletion(d, e);
	*is_allowed = rc == 0 && may_delete(st);
	if (*is_allowed)
		rc = delete_in_dirs(d, e);
	st->deletion = NULL;
	deletion_release(&d->answers);
	names_set_release(&d->names);
	buf_release(&d->rows);
	free(d);
	return rc;
}

int send_delete_run(struct send_stream *st, int *again, struct err *e)
{
	int is_allowed = may_delete(st), rc = 0;

	*again = 0;
	if (is_allowed)
		rc = delete_extras(st, &is_allowed, e);
	if (rc)
		return rc;
	/* The directories stay that have the names of what waits. */
	if (!is_allowed)
		send_delete_end(st);
	/* What is sent once more cannot wait again. */
	waiting_end(st->sender->waiting, 1);
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

static void on_failed(void *ctx, const struct queue_verdict *v)
{
	const struct listed_item plan = { LISTED_FAILED, CAUSE_IS_DIR };
	struct sender *s = ctx;

	if (s->cfg->dry_run)
		outcome_planned(s->outcome, v, &plan, s->peer.name);
	else
		outcome_verdict(s->outcome, v, s->peer.name);
}

void send_delete_end(struct send_stream *st)
{
	waiting_fail(st->sender->waiting, on_failed, st->sender);
}
