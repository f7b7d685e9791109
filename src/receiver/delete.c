/*
 * What is to be done is found in this order: trees of directories that the
 * sender has chosen, the rest of a directory that is being listed, the next
 * directory of a DIRS, the next DIRS.  It stops while EXTRA_AHEAD lists wait
 * for a CHOICE.
 */
#include "receiver/delete.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/names.h"
#include "fs/dirs.h"
#include "fs/name.h"
#include "fs/trial.h"
#include "fs/why.h"
#include "os/casefold.h"
#include "receiver/asked.h"
#include "receiver/committer.h"
#include "receiver/dry_run.h"
#include "receiver/extras.h"
#include "receiver/file_table.h"
#include "receiver/input.h"
#include "receiver/placed.h"
#include "receiver/results.h"
#include "receiver/symlinks.h"
#include "receiver/unlocked.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "wire/msg.h"

enum {
	DIRS_HELD = 16, /* by the walk that deletes */
};

/* A DIRS.  The paths in it are borrowed by what follows from it. */
struct frame_dirs {
	uint8_t *list; /* NULL: free */
	struct rd rest; /* directories that were not compared yet */
	unsigned left;
	uint32_t next; /* the number of the next one */
};

/* A directory of a DIRS. */
struct place {
	const struct frame_dirs *frame;
	uint32_t number;
	const char *path;
	size_t len;
};

/* A LIST without CHOICE, in the order in which they were sent. */
struct list {
	struct list *next;
	struct place at;
	uint8_t flags; /* enum extra_flags */
	unsigned count;
	uint16_t *causes; /* of each row: why it stays, or 0 */
	size_t len;
	uint8_t rows[];
};

/* A directory that was chosen, to be listed with all that is below it. */
struct tree {
	struct tree *next;
	struct place at;
	size_t len;
	char name[];
};

struct deletion {
	struct transfer *t; /* borrowed, */
	struct channel *channel; /* and so are these: of the first stream */
	struct cpu_meter *cpu;
	int is_dry;
	/* with is_dry: directories that were chosen, and what would stay of
	 * what was chosen last */
	struct names_set gone;
	char left[NAME_PATH_MAX + 1];
	size_t left_len;
	int has_deleted;
	struct timespec began;
	struct dirs *dirs;
	/* DIRS without DONE, in a ring; the first `at` of them are compared,
	 * the next one perhaps in part */
	struct frame_dirs frames[DELETE_AHEAD];
	unsigned first, count, at;
	uint32_t dirs_seen;
	struct list *lists, **lists_end;
	unsigned list_count;
	struct tree *trees, **trees_end;
	/* what is being listed */
	struct extras *top, *below;
	int has_top, has_tree;
	struct place top_at, tree_at;
	uint8_t top_flags;
	/* the LIST that is being filled */
	struct place at_list;
	uint8_t flags;
	unsigned row_count;
	struct buf rows;
	uint16_t causes[EXTRA_ROWS_MAX];
	struct dry_run_fs fs;
	/* of which the folding of names is known */
	uint64_t dev;
	int folds;
};

/* ---- making and freeing ---- */

static void free_lists(struct deletion *d)
{
	while (d->lists) {
		struct list *l = d->lists;

		d->lists = l->next;
		free(l->causes);
		free(l);
	}
	while (d->trees) {
		struct tree *t = d->trees;

		d->trees = t->next;
		free(t);
	}
}

void delete_free(struct deletion *d)
{
	if (!d)
		return;
	free_lists(d);
	for (size_t i = 0; i < DELETE_AHEAD; i++)
		free(d->frames[i].list);
	extras_free(d->top);
	extras_free(d->below);
	dirs_free(d->dirs);
	buf_release(&d->rows);
	names_set_release(&d->gone);
	free(d);
}

int delete_would_remove(const struct deletion *d, const char *path, size_t len)
{
	return names_set_has(&d->gone, names_hash(path, len));
}

int delete_has_deleted(const struct deletion *d)
{
	return d && d->has_deleted;
}

static struct deletion *new_deletion(struct worker *w)
{
	const int is_dry = transfer_is_dry_run(w->transfer);
	const struct extras_config cfg = {
		.existing = w->transfer->existing,
		.began = w->transfer->began,
		/* In a dry run a directory that keeps us out is not read. */
		.unlocked = is_dry ? NULL : w->transfer->unlocked,
		.depth = w->transfer->walk_dirs,
	};
	struct deletion *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->t = w->transfer;
	d->channel = w->channel;
	d->cpu = &w->cpu;
	d->is_dry = is_dry;
	d->began = cfg.began;
	d->lists_end = &d->lists;
	d->trees_end = &d->trees;
	buf_init(&d->rows, EXTRA_BYTES_MAX);
	d->dirs = dirs_new(w->transfer->root_fd, 0, NULL, NULL);
	d->top = extras_new(&cfg);
	d->below = extras_new(&cfg);
	if (!d->dirs || !d->top || !d->below) {
		delete_free(d);
		return NULL;
	}
	dirs_set_held(d->dirs, cfg.depth < DIRS_HELD ? cfg.depth : DIRS_HELD);
	if (!is_dry)
		unlocked_serve(cfg.unlocked, d->dirs);
	return d;
}

static int out_of_memory(struct err *e)
{
	return err_set(e, ERR_RESOURCE, "out of memory");
}

/* ---- what is sent ---- */

static int send_extra(struct deletion *d, const struct msg_extra *m,
		      struct err *e)
{
	msg_put_extra(&d->channel->out, m);
	return channel_send(d->channel, NULL, 0, e);
}

/* Send the LIST that is being filled, if there is one. */
static int send_list(struct deletion *d, struct err *e)
{
	const struct msg_extra m = {
		.kind = EXTRA_LIST,
		.flags = d->flags,
		.count = (uint16_t)d->row_count,
		.dir = d->at_list.number,
		.list = d->rows.data,
		.list_len = d->rows.len,
	};
	const size_t causes = d->row_count * sizeof(*d->causes);
	struct list *l;

	if (d->row_count == 0)
		return 0;
	l = malloc(sizeof(*l) + d->rows.len);
	if (!l || d->rows.failed) {
		free(l);
		return out_of_memory(e);
	}
	*l = (struct list){ .at = d->at_list,
			    .flags = d->flags,
			    .count = d->row_count,
			    .causes = malloc(causes),
			    .len = d->rows.len };
	memcpy(l->rows, d->rows.data, d->rows.len);
	if (!l->causes) {
		free(l);
		return out_of_memory(e);
	}
	memcpy(l->causes, d->causes, causes);
	*d->lists_end = l;
	d->lists_end = &l->next;
	d->list_count++;
	buf_reset(&d->rows);
	d->row_count = 0;
	return send_extra(d, &m, e);
}

/* Add a row to the LIST, after what was filled for another directory. */
static int add_row(struct deletion *d, const struct place *at, uint8_t flags,
		   const struct extras_row *row, struct err *e)
{
	const struct extra_row wire = {
		.kind = row->is_dir ? ITEM_DIR : ITEM_FILE,
		.name = row->name,
		.name_len = row->name_len,
	};
	int rc = 0;

	if (d->row_count > 0 &&
	    (d->at_list.number != at->number || d->flags != flags ||
	     d->row_count == EXTRA_ROWS_MAX ||
	     d->rows.len + EXTRA_ROW_FIXED + row->name_len > EXTRA_BYTES_MAX))
		rc = send_list(d, e);
	d->at_list = *at;
	d->flags = flags;
	d->causes[d->row_count++] = (uint16_t)row->cause;
	msg_extra_put_row(&d->rows, &wire);
	return rc;
}

static int send_unread(struct deletion *d, const struct place *at, int err_no,
		       struct err *e)
{
	uint8_t cause[2];
	const struct msg_extra m = { .kind = EXTRA_UNREAD,
				     .count = 1,
				     .dir = at->number,
				     .list = cause,
				     .list_len = sizeof(cause) };

	be_put16(cause, (uint16_t)wire_cause_of_errno(err_no));
	results_not_deleted(d->t->results, at->path, at->len,
			    wire_cause_of_errno(err_no));
	return send_extra(d, &m, e);
}

/* Whether something of this DIRS is not over. */
static int is_under_way(const struct deletion *d, const struct frame_dirs *f)
{
	if (f->left > 0 || (d->has_top && d->top_at.frame == f) ||
	    (d->has_tree && d->tree_at.frame == f) ||
	    (d->row_count > 0 && d->at_list.frame == f))
		return 1;
	for (const struct list *l = d->lists; l; l = l->next) {
		if (l->at.frame == f)
			return 1;
	}
	for (const struct tree *t = d->trees; t; t = t->next) {
		if (t->at.frame == f)
			return 1;
	}
	return 0;
}

/* Say of which DIRS everything is over. */
static int send_done(struct deletion *d, struct err *e)
{
	const struct msg_extra m = { .kind = EXTRA_DONE };
	int rc = 0;

	while (rc == 0 && d->count > 0 &&
	       !is_under_way(d, &d->frames[d->first])) {
		free(d->frames[d->first].list);
		d->frames[d->first].list = NULL;
		d->first = (d->first + 1) % DELETE_AHEAD;
		d->count--;
		d->at -= d->at > 0;
		rc = send_extra(d, &m, e);
	}
	return rc;
}

/* ---- comparing and listing ---- */

/* Whether names that differ in case or accents are one name in this directory:
 * what the sender sent under one may be stored under another.  lettered: one
 * that is there and has a letter, or empty. */
static int folds(struct deletion *d, int fd, const char *lettered)
{
	struct stat st;

	if (casefold_is_set(fd))
		return 1;
	/* It is tried by making files. */
	if (d->is_dry)
		return dry_run_folds(fd, lettered);
	if (fstat(fd, &st) < 0)
		return 1;
	if (d->dev != (uint64_t)st.st_dev || d->folds < 0) {
		d->dev = (uint64_t)st.st_dev;
		d->folds = trial_folding(fd);
	}
	return d->folds != 0; /* also where it cannot be tried */
}

/* Compare the next directory of a DIRS with the sender's, and begin to list it
 * if it differs. */
static int compare_next(struct deletion *d, struct frame_dirs *f, struct err *e)
{
	struct place at = { .frame = f, .number = f->next++ };
	struct delete_dir want;
	struct names_sum have;
	char lettered[NAME_COMPONENT_MAX + 1];
	struct err fe;
	int fd;

	f->left--;
	/* It was checked. */
	if (msg_delete_get_dir(&want, &f->rest))
		return input_malformed("DELETE", e);
	at.path = want.path;
	at.len = want.path_len;
	err_clear(&fe);
	fd = dirs_enter(d->dirs, at.path, at.len, &fe);
	if (fd >= 0 && extras_sum(d->top, fd, &have, lettered, &fe) == 0) {
		if (have.count == 0 ||
		    (have.count == want.names && have.sum == want.sum))
			return 0;
		d->top_flags = folds(d, fd, lettered) ? EXTRA_FOLDS : 0;
		d->has_top = extras_begin(d->top, fd, &fe) == 0;
		d->top_at = at;
		if (d->has_top)
			return 0;
	}
	/* A directory that is not here: there is nothing to delete in it. */
	if (fe.sys_errno == ENOENT || fe.sys_errno == ENOTDIR ||
	    fe.sys_errno == ELOOP)
		return 0;
	return send_unread(d, &at, fe.sys_errno, e);
}

/* The path of name in the directory at; returns its length, 0 where it is too
 * long. */
static size_t join(char path[NAME_PATH_MAX + 1], const struct place *at,
		   const char *name, size_t len)
{
	const size_t start = at->len + (at->len > 0);

	if (start + len > NAME_PATH_MAX)
		return 0;
	memcpy(path, at->path, at->len);
	if (at->len > 0)
		path[at->len] = '/';
	memcpy(path + start, name, len);
	path[start + len] = '\0';
	return start + len;
}

/* Begin to list the first of the trees. */
static void begin_tree(struct deletion *d)
{
	struct tree *t = d->trees;
	char path[NAME_PATH_MAX + 1];
	const size_t len = join(path, &t->at, t->name, t->len);
	const char *leaf;
	struct err fe;
	int dir = -1;

	d->trees = t->next;
	if (!d->trees)
		d->trees_end = &d->trees;
	err_clear(&fe);
	if (len > 0)
		dir = dirs_parent(d->dirs, path, len, &leaf, &fe);
	/* Where it is gone, there is nothing to delete. */
	if (dir >= 0) {
		extras_begin_tree(d->below, dir, leaf, path, len);
		d->has_tree = 1;
		d->tree_at = t->at;
	}
	free(t);
}

/* One row of what is being listed. */
static int list_next(struct deletion *d, struct err *e)
{
	struct extras_row row;
	int rc = 0;

	if (d->has_tree) {
		if (extras_next(d->below, &row))
			rc = add_row(d, &d->tree_at, EXTRA_BELOW, &row, e);
		else
			d->has_tree = 0;
	} else if (extras_next(d->top, &row)) {
		rc = add_row(d, &d->top_at, d->top_flags, &row, e);
	} else {
		d->has_top = 0;
	}
	return rc;
}

/* Go on until lists have to be chosen from, or there is nothing to do. */
static int go_on(struct deletion *d, struct err *e)
{
	int rc = 0;

	while (rc == 0 && d->list_count < EXTRA_AHEAD) {
		struct frame_dirs *f =
			&d->frames[(d->first + d->at) % DELETE_AHEAD];

		if (!d->has_tree && d->trees)
			begin_tree(d);
		else if (d->has_tree || d->has_top)
			rc = list_next(d, e);
		else if (d->at == d->count)
			break;
		else if (f->left > 0)
			rc = compare_next(d, f, e);
		else
			d->at++;
		cpu_share_check(d->cpu);
		if (rc == 0)
			rc = channel_ping_if_due(d->channel, 1, e);
	}
	/* Nothing is left to be added to it. */
	if (rc == 0 && d->list_count < EXTRA_AHEAD)
		rc = send_list(d, e);
	return rc ? rc : send_done(d, e);
}

/* ---- deleting ---- */

/* Remove what is at path.  Returns 0, or why it stays (enum wire_cause). */
static unsigned remove_path(struct deletion *d, const char *path, size_t len,
			    int is_dir)
{
	const int flags = is_dir ? AT_REMOVEDIR : 0;
	const char *leaf;
	uint32_t mode = 0;
	struct err fe;
	int dir, rc;

	err_clear(&fe);
	dir = dirs_parent(d->dirs, path, len, &leaf, &fe);
	if (dir < 0)
		return wire_cause_of_errno(fe.sys_errno);
	/* A directory of this session's time has something in it, or had: only
	 * its being empty counts. */
	if (!is_dir && extras_is_young(&d->began, dir, leaf, &mode))
		return CAUSE_CHANGED;
	if (d->is_dry) {
		rc = dry_run_denied(dir, &d->fs);
		return rc ? wire_cause_of_errno(rc) : CAUSE_NONE;
	}
	rc = unlinkat(dir, leaf, flags);
	if (rc < 0 && errno == EACCES &&
	    unlocked_open_parent(d->t->unlocked, dir, path, len))
		rc = unlinkat(dir, leaf, flags);
	if (rc < 0)
		return wire_cause_of_errno(why_errno(dir, leaf, errno));
	if (is_dir)
		unlocked_forget(d->t->unlocked, path, len);
	d->has_deleted = 1;
	return CAUSE_NONE;
}

/* In a dry run: whether the directory path would not be empty.  What is in it
 * was chosen, or not, just before. */
static int holds_left(const struct deletion *d, const char *path, size_t len)
{
	return d->left_len > len && d->left[len] == '/' &&
	       memcmp(d->left, path, len) == 0;
}

/* Delete a row that was chosen.  Returns why it stays, or 0. */
static unsigned delete_row(struct deletion *d, const struct list *l,
			   const struct extra_row *row, unsigned cause)
{
	struct results *results = d->t->results;
	const int is_dir = row->kind == ITEM_DIR;
	char path[NAME_PATH_MAX + 1];
	const size_t len = join(path, &l->at, row->name, row->name_len);

	if (len == 0)
		return CAUSE_NAME_TOO_LONG;
	if (!cause && is_dir && holds_left(d, path, len))
		cause = CAUSE_EXISTS;
	if (!cause)
		cause = remove_path(d, path, len, is_dir);
	if (cause && d->is_dry) {
		memcpy(d->left, path, len);
		d->left_len = len;
	}
	/* Of what was chosen, the topmost. */
	if (!cause && d->is_dry && is_dir && !memchr(row->name, '/', row->name_len))
		(void)names_set_add(&d->gone, names_hash(path, len));
	if (!cause)
		results_deleted(results, path, len, is_dir, d->is_dry);
	/* What is gone need not be deleted. */
	else if (cause != CAUSE_VANISHED)
		results_not_deleted(results, path, len, cause);
	return cause;
}

static int add_tree(struct deletion *d, const struct list *l,
		    const struct extra_row *row)
{
	struct tree *t = malloc(sizeof(*t) + row->name_len);

	if (!t)
		return -1;
	*t = (struct tree){ .at = l->at, .len = row->name_len };
	memcpy(t->name, row->name, row->name_len);
	*d->trees_end = t;
	d->trees_end = &t->next;
	return 0;
}

/* Delete what was chosen of the list, and append the result to causes. */
static int delete_chosen(struct deletion *d, const struct list *l,
			 const uint8_t *bits, struct buf *causes, struct err *e)
{
	const int is_below = (l->flags & EXTRA_BELOW) != 0;
	struct extra_row row;
	struct rd r;
	int rc = 0;

	rd_init(&r, l->rows, l->len);
	for (unsigned i = 0; rc == 0 && i < l->count; i++) {
		if (msg_extra_get_row(&row, &r))
			return err_set(e, ERR_INTERNAL, "a list is damaged");
		if (!(bits[i / 8] >> (i % 8) & 1))
			continue;
		if (row.kind == ITEM_DIR && !is_below)
			rc = add_tree(d, l, &row) ? out_of_memory(e) : 0;
		else
			buf_put_u16(causes, (uint16_t)delete_row(
						    d, l, &row, l->causes[i]));
		cpu_share_check(d->cpu);
		if (rc == 0)
			rc = channel_ping_if_due(d->channel, 1, e);
	}
	return rc == 0 && causes->failed ? out_of_memory(e) : rc;
}

static int take_choice(struct deletion *d, const struct msg_delete *m,
		       struct err *e)
{
	struct list *l = d->lists;
	struct msg_extra result = { .kind = EXTRA_RESULT };
	struct buf causes;
	int rc;

	if (!l || m->count != l->count)
		return input_malformed("DELETE", e);
	buf_init(&causes, 2 * EXTRA_ROWS_MAX);
	d->lists = l->next;
	if (!d->lists)
		d->lists_end = &d->lists;
	d->list_count--;
	rc = delete_chosen(d, l, m->list, &causes, e);
	result.count = (uint16_t)(causes.len / 2);
	result.list = causes.data;
	result.list_len = causes.len;
	if (rc == 0)
		rc = send_extra(d, &result, e);
	buf_release(&causes);
	free(l->causes);
	free(l);
	return rc;
}

/* ---- what has the name of a directory ---- */

/* Whether nothing but a directory has the name: another stream may have removed
 * what had it, and made the directory. */
static int is_out_of_way(int dir_fd, const char *leaf, struct stat *there)
{
	return fstatat(dir_fd, leaf, there, AT_SYMLINK_NOFOLLOW) < 0 ?
		       errno == ENOENT : S_ISDIR(there->st_mode);
}

static int on_blocked(void *ctx, int dir_fd, const char *leaf,
		      const char *path, size_t len)
{
	struct transfer *t = ctx;
	const struct placed_name name = { dir_fd, leaf, path, len };
	struct stat there;
	char *rival;

	/* on failure the kind stays 0 */
	there.st_mode = 0;
	if (is_out_of_way(dir_fd, leaf, &there))
		return 1;
	if (!there.st_mode)
		return 0;
	/* A file of this session, where the file system folds names. */
	rival = placed_rival(t->placed, &name, &there, 0);
	if (rival) {
		free(rival);
		return 0;
	}
	return unlinkat(dir_fd, leaf, 0) == 0 ||
	       (errno == EACCES &&
		unlocked_open_parent(t->unlocked, dir_fd, path, len) &&
		unlinkat(dir_fd, leaf, 0) == 0) ||
	       is_out_of_way(dir_fd, leaf, &there);
}

int delete_gives_way(const struct transfer *t)
{
	return t->features & REQUEST_DELETE && t->existing == CONFLICT_REPLACE;
}

void delete_serve(struct transfer *t, struct dirs *d)
{
	if (delete_gives_way(t))
		dirs_set_on_blocked(d, on_blocked, t);
}

/* ---- frames ---- */

/* Every item has its verdict: make the symlinks, and say so. */
static int take_begin(struct worker *w, struct err *e)
{
	const struct msg_extra ready = { .kind = EXTRA_READY };
	struct transfer *t = w->transfer;
	int rc;

	if (t->deletion || file_table_count(t->files) > 0 ||
	    committer_pending(t->committer) > 0)
		return err_set(e, ERR_PROTOCOL,
			       "the sender wants to delete too early");
	rc = symlinks_make(t->symlinks, w->channel, e);
	if (rc)
		return rc;
	t->deletion = new_deletion(w);
	if (!t->deletion)
		return out_of_memory(e);
	results_push(t->results);
	/* The verdicts on the symlinks come first. */
	(void)results_take_frames(t->results, 1, 0, &w->channel->out);
	/* The sender sends what waits for a directory to go once more. */
	results_forget_waiting(t->results);
	return send_extra(t->deletion, &ready, e);
}

/* Returns NULL, or why the directory is not allowed. */
static const char *check_dir(const struct transfer *t,
			     const struct delete_dir *dir)
{
	const char *why = NULL;

	if (dir->path_len > 0)
		why = name_check(dir->path, dir->path_len);
	if (!why && !asked_has(t->asked, dir->path, dir->path_len))
		why = "it was not asked for";
	return why;
}

static int take_dirs(struct deletion *d, const struct msg_delete *m,
		     struct err *e)
{
	struct frame_dirs *f;
	struct delete_dir dir;
	struct rd r;

	if (d->count == DELETE_AHEAD || d->dirs_seen > UINT32_MAX - m->count)
		return input_malformed("DELETE", e);
	rd_init(&r, m->list, m->list_len);
	for (unsigned i = 0; i < m->count; i++) {
		const char *why = msg_delete_get_dir(&dir, &r) ?
					  "it is cut" :
					  check_dir(d->t, &dir);

		if (why)
			return err_set(e, ERR_PROTOCOL,
				       "the sender wants to delete in a "
				       "directory that is not allowed: %s",
				       why);
	}
	f = &d->frames[(d->first + d->count) % DELETE_AHEAD];
	f->list = malloc(m->list_len);
	if (!f->list)
		return out_of_memory(e);
	memcpy(f->list, m->list, m->list_len);
	rd_init(&f->rest, f->list, m->list_len);
	f->left = m->count;
	f->next = d->dirs_seen;
	d->dirs_seen += m->count;
	d->count++;
	return 0;
}

int recv_delete(struct worker *w, uint32_t len, struct err *e)
{
	struct msg_delete m;
	int rc = input_fields(w->input, w->wire, len, e);

	if (rc)
		return rc;
	if (!w->input->is_first || msg_get_delete(&m, w->wire, len))
		return input_malformed("DELETE", e);
	if (m.kind == DELETE_BEGIN)
		return take_begin(w, e);
	if (!w->transfer->deletion)
		return err_set(e, ERR_PROTOCOL,
			       "the sender wants to delete too early");
	rc = m.kind == DELETE_DIRS ? take_dirs(w->transfer->deletion, &m, e) :
				     take_choice(w->transfer->deletion, &m, e);
	return rc ? rc : go_on(w->transfer->deletion, e);
}
