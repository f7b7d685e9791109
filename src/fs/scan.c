/*
 * The walk over the sources.  It is iterative: there is one level for each
 * directory of the current path, with its descriptor and a buffer for
 * getdents64().  (opendir() would allocate st_blksize bytes, which is up to
 * 1 MiB on some file systems, and 129 directories may be open.)
 *
 * walk.path is the path of the current item as the user would write it.  The
 * other two names of an item are the ends of it that begin where the arrows
 * point: the name that the receiver gets, and the path below the root
 * (one arrow where they are the same).
 *
 *	../x/photos  ->  ../x/photos/a/b     ../x/photos/.  ->  ../x/photos/a/b
 *	                      ^name  ^path                                  ^
 */
#include "fs/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "fs/dirs.h"
#include "fs/filter.h"
#include "fs/list.h"
#include "fs/name.h"
#include "fs/scan_priv.h"
#include "os/device.h"
#include "os/listing.h"

enum {
	LEVEL_MAX = NAME_DEPTH_MAX + 1, /* one more for a root without name */
};

#define GONE "vanished or was replaced during the scan"

struct level {
	int fd;
	size_t path_len; /* of the directory itself, in walk.path */
	struct stat st;
	struct listing *listing; /* reused by the next directory */
};

struct walk {
	const struct scan *scan;
	scan_fn fn;
	void *ctx;
	struct err *e;  /* the caller's */
	unsigned index; /* of the root */
	const struct root *root;
	dev_t root_dev; /* of the directory that was named: a root, or a
			   name of a list */
	char *path; /* see above; owned */
	size_t path_len;
	size_t path_cap;
	size_t depth;        /* levels in use */
	struct err item_err; /* of the current item */
	struct level levels[LEVEL_MAX];
	char target[NAME_PATH_MAX + 2];
};

/* Whether the errno says that an entry was removed or replaced since it was
 * found. */
static int is_vanished(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/* ---- the current path ---- */

/* Make room for len bytes and a NUL. */
static int path_reserve(struct walk *w, size_t len)
{
	size_t cap = w->path_cap;
	char *text;

	if (w->path && len < cap)
		return 0;
	while (cap <= len)
		cap = cap ? cap * 2 : 1024;
	text = realloc(w->path, cap);
	if (!text) {
		err_set(w->e, ERR_RESOURCE, "out of memory");
		return ERR_RESOURCE;
	}
	w->path = text;
	w->path_cap = cap;
	return 0;
}

static void path_cut(struct walk *w, size_t len)
{
	w->path_len = len;
	w->path[len] = '\0';
}

/* Append a component. */
static int path_push(struct walk *w, const char *component)
{
	const size_t n = strlen(component);
	size_t at = w->path_len;
	int rc = path_reserve(w, at + n + 1);

	if (rc < 0)
		return rc;
	if (at > w->root->display_len)
		w->path[at++] = '/';
	memcpy(w->path + at, component, n);
	path_cut(w, at + n);
	return 0;
}

/* ---- reporting ---- */

static int is_root_itself(const struct walk *w)
{
	return w->path_len == w->root->display_len;
}

/*
 * Fill in the item's names and hand it to the caller's function.  The root's
 * own directory is shown without its trailing slash ("photos", but "/"), which
 * is put back afterwards.
 */
static int report_item(struct walk *w, struct scan_item *item)
{
	const size_t prefix = w->root->display_len;
	const int cut = is_root_itself(w) && prefix > 1;
	int rc;

	if (cut)
		w->path[prefix - 1] = '\0';
	item->root = w->index;
	item->path = w->path + prefix;
	item->path_len = w->path_len - prefix;
	item->name = w->path + w->root->name_off;
	item->name_len = strlen(item->name);
	item->display = w->path[0] ? w->path : ".";
	rc = w->fn(w->ctx, item, w->e);
	if (cut)
		w->path[prefix - 1] = '/';
	return rc;
}

static int report_stat(struct walk *w, enum scan_kind kind,
		       const struct stat *st)
{
	struct scan_item item = { .kind = kind, .st = *st };

	return report_item(w, &item);
}

/* A root that is sent without its name is not an item of its own. */
static int report_dir(struct walk *w, const struct stat *st)
{
	if (is_root_itself(w) && w->root->name_off == w->root->display_len)
		return 0;
	return report_stat(w, SCAN_DIR, st);
}

/* Report w->item_err.  advice: NULL for none. */
static int report_item_err(struct walk *w, const char *reason,
			   const char *advice)
{
	struct scan_item item = { .kind = SCAN_ERROR,
				  .err = &w->item_err,
				  .reason = reason,
				  .advice = advice };

	return report_item(w, &item);
}

/* The current path, escaped for a message. */
static char *show_path(const struct walk *w, char shown[SHOWN_MAX])
{
	size_t n = w->path_len;

	if (n == 0)
		return text_escape(shown, SHOWN_MAX, ".", 1);
	if (is_root_itself(w) && n > 1)
		n--;
	return text_escape(shown, SHOWN_MAX, w->path, n);
}

static int report_error(struct walk *w, int code, const char *why)
{
	char shown[SHOWN_MAX];

	err_set(&w->item_err, code, "%s: %s", show_path(w, shown), why);
	return report_item_err(w, why, NULL);
}

static int report_sys_error(struct walk *w, int error)
{
	char shown[SHOWN_MAX], why[128];

	/* Not the fault of this entry: the next ones would fail as well, so end
	 * the walk. */
	if (scan_is_exhausted(error)) {
		errno = error;
		return err_sys(w->e, ERR_RESOURCE, "%s", show_path(w, shown));
	}
	show_path(w, shown);
	errno = error;
	err_sys(&w->item_err, ERR_LOCAL, "%s", shown);
	return report_item_err(w, err_reason(error, why, sizeof(why)), NULL);
}

/* As report_sys_error(), for an entry that existed a moment ago. */
static int report_vanished(struct walk *w, int error)
{
	if (!is_vanished(error))
		return report_sys_error(w, error);
	return report_error(w, ERR_CHANGED, GONE);
}

/* ---- directories ---- */

/* Whether the directory is one of those that the walk is in. */
static int is_loop(const struct walk *w, const struct stat *st)
{
	for (size_t i = 0; i < w->depth; i++) {
		if (w->levels[i].st.st_dev == st->st_dev &&
		    w->levels[i].st.st_ino == st->st_ino)
			return 1;
	}
	return 0;
}

/* Go down into an open directory.  Owns fd in any case. */
static int push_level(struct walk *w, int fd)
{
	struct level *l = &w->levels[w->depth];
	int rc = 0;

	/* name_check() has refused deeper paths before this. */
	if (w->depth == LEVEL_MAX) {
		rc = err_set(w->e, ERR_INTERNAL, "a tree that is too deep");
		goto out;
	}
	if (fstat(fd, &l->st) < 0) {
		rc = report_sys_error(w, errno);
		goto out;
	}
	/* Where symlinks are not followed, only a bind mount looks like a loop,
	 * and that is not endless. */
	if (w->scan->symlinks == SCAN_FOLLOW && is_loop(w, &l->st)) {
		rc = report_error(w, ERR_LOCAL,
				  "a symlink to a directory that contains it");
		goto out;
	}
	if (!l->listing)
		l->listing = listing_new();
	if (!l->listing) {
		rc = err_set(w->e, ERR_RESOURCE, "out of memory");
		goto out;
	}
	l->fd = fd;
	fd = -1;
	l->path_len = w->path_len;
	listing_begin(l->listing, l->fd);
	w->depth++;
out:
	io_close(&fd);
	return rc;
}

static void pop_level(struct walk *w)
{
	struct level *l = &w->levels[--w->depth];

	listing_begin(l->listing, -1);
	io_close(&l->fd);
}

/* Go down into a directory.  One that cannot be opened is an error, but is sent
 * all the same, empty. */
static int enter_dir(struct walk *w, int dir_fd, const char *leaf,
		     const struct stat *st, int follow)
{
	const int fd = scan_open_dir(dir_fd, leaf, follow);
	const int error = errno;
	int rc;

	if (fd >= 0)
		return push_level(w, fd);
	rc = report_vanished(w, error);
	if (rc || is_vanished(error))
		return rc;
	return report_dir(w, st);
}

/* ---- entries ---- */

/* Whether the directory is not entered, as another file system is mounted
 * there. */
static int is_mount_left_out(const struct walk *w, const struct stat *st)
{
	return w->scan->stays_on_file_system && st->st_dev != w->root_dev;
}

/* Whether a special file can be described to another system. */
static int is_sendable_special(const struct stat *st)
{
	uint32_t major, minor;

	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return device_split(st->st_rdev, &major, &minor) == 0;
	return S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode);
}

/* Visit what is not a symlink, or the target of one that is followed. */
static int visit_target(struct walk *w, int dir_fd, const char *leaf,
			const struct stat *st, int follow)
{
	if (S_ISREG(st->st_mode))
		return report_stat(w, SCAN_FILE, st);
	if (S_ISDIR(st->st_mode) && is_mount_left_out(w, st))
		return report_dir(w, st);
	if (S_ISDIR(st->st_mode))
		return enter_dir(w, dir_fd, leaf, st, follow);
	if (w->scan->keeps_special && is_sendable_special(st))
		return report_stat(w, SCAN_SPECIAL, st);
	if (w->scan->skips_special)
		return report_stat(w, SCAN_SKIPPED, st);
	return report_error(w, ERR_LOCAL, scan_special_name(st->st_mode));
}

static int report_bad_symlink(struct walk *w, const char *why)
{
	char shown[SHOWN_MAX], target[200];

	text_escape(target, sizeof(target), w->target, strlen(w->target));
	err_set(&w->item_err, ERR_LOCAL,
		"%s: %s (symlink to %s)", show_path(w, shown), why, target);
	return report_item_err(w, why,
			       "--symlinks follow sends its target, "
			       "--symlinks skip leaves it out, --symlinks all "
			       "sends it as it is");
}

static int visit_kept_symlink(struct walk *w, int dir_fd, const char *leaf,
			      const struct stat *st)
{
	struct scan_item item = { .kind = SCAN_SYMLINK, .st = *st };
	const struct root *r = w->root;
	const char *name = w->path + r->name_off, *why;
	/* One byte more than may be sent, so that a longer target fails the
	 * check instead of being truncated. */
	ssize_t n = readlinkat(dir_fd, leaf, w->target, sizeof(w->target) - 1);

	if (n < 0 && errno == EINVAL)
		return report_error(w, ERR_CHANGED, GONE);
	if (n < 0)
		return report_vanished(w, errno);
	w->target[n] = '\0';
	why = w->scan->symlinks == SCAN_ALL ?
		      name_check_target(w->target, (size_t)n) :
		      name_check_symlink(name, strlen(name),
					 r->name_off < r->display_len,
					 w->target, (size_t)n);
	if (why)
		return report_bad_symlink(w, why);
	item.target = w->target;
	item.target_len = (size_t)n;
	return report_item(w, &item);
}

static int visit_followed_symlink(struct walk *w, int dir_fd, const char *leaf)
{
	struct stat st;

	if (fstatat(dir_fd, leaf, &st, 0) == 0)
		return visit_target(w, dir_fd, leaf, &st, 1);
	if (errno == ENOENT)
		return report_error(w, ERR_LOCAL,
				    "a symlink whose target does not exist");
	return report_sys_error(w, errno);
}

static int visit_symlink(struct walk *w, int dir_fd, const char *leaf,
			 const struct stat *st)
{
	switch (w->scan->symlinks) {
	case SCAN_FOLLOW:
		return visit_followed_symlink(w, dir_fd, leaf);
	case SCAN_SKIP:
		return report_stat(w, SCAN_SKIPPED, st);
	case SCAN_KEEP:
	case SCAN_ALL:
	default:
		return visit_kept_symlink(w, dir_fd, leaf, st);
	}
}

/* Whether the filter leaves the entry out.  For patterns that match directories
 * only, a symlink that is followed counts as its target. */
static int is_left_out(const struct walk *w, int dir_fd, const char *leaf,
		       const struct stat *st)
{
	const char *name = w->path + w->root->name_off;
	struct stat target;
	int is_dir = S_ISDIR(st->st_mode);

	if (!w->scan->filter)
		return 0;
	if (S_ISLNK(st->st_mode) && w->scan->symlinks == SCAN_FOLLOW &&
	    fstatat(dir_fd, leaf, &target, 0) == 0)
		is_dir = S_ISDIR(target.st_mode);
	return filter_excludes(w->scan->filter, name, is_dir);
}

/* Visit the entry leaf of dir_fd, which the current path ends with already. */
static int visit_entry(struct walk *w, int dir_fd, const char *leaf)
{
	const char *name = w->path + w->root->name_off, *why;
	struct stat st;

	if (fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return report_vanished(w, errno);
	/* The filter first: it can exclude what cannot be sent anyway. */
	if (is_left_out(w, dir_fd, leaf, &st))
		return report_stat(w, SCAN_SKIPPED, &st);
	why = name_check(name, strlen(name));
	if (why)
		return report_error(w, ERR_LOCAL, why);
	if (S_ISLNK(st.st_mode))
		return visit_symlink(w, dir_fd, leaf, &st);
	return visit_target(w, dir_fd, leaf, &st, 0);
}

/* Leave the innermost directory, at its end or because of an error. */
static int finish_dir(struct walk *w, int error)
{
	const struct level *l = &w->levels[w->depth - 1];
	int rc = error ? report_vanished(w, error) : 0;

	/* After an error too: what was read of it has been reported. */
	if (!rc)
		rc = report_dir(w, &l->st);
	pop_level(w);
	return rc;
}

static int walk_levels(struct walk *w)
{
	int rc = 0;

	while (w->depth > 0 && !rc) {
		struct level *l = &w->levels[w->depth - 1];
		const struct listing_entry *entry;
		int error;

		/* Drop what the last entry appended. */
		path_cut(w, l->path_len);
		entry = listing_next(l->listing, &error);
		if (!entry) {
			rc = finish_dir(w, error);
			continue;
		}
		rc = path_push(w, entry->name);
		if (!rc)
			rc = visit_entry(w, l->fd, entry->name);
	}
	while (w->depth > 0)
		pop_level(w);
	return rc;
}

static int walk_file(struct walk *w)
{
	const struct root *r = w->root;
	struct stat st;
	int rc = path_push(w, r->leaf);

	if (rc < 0)
		return rc;
	if (fstatat(r->fd, r->leaf, &st, r->follow ? 0 : AT_SYMLINK_NOFOLLOW))
		return report_vanished(w, errno);
	if (!S_ISREG(st.st_mode))
		return report_error(w, ERR_CHANGED, "is no longer a file");
	return report_stat(w, SCAN_FILE, &st);
}

/* ---- lists of names ---- */

/* Visit a name from a list, which the current path ends with already.  is_deep:
 * a directory with its content. */
static int visit_list_name(struct walk *w, struct dirs *dirs, const char *name,
			   size_t len, int is_deep)
{
	int follow = w->scan->symlinks == SCAN_FOLLOW, dir, rc;
	const char *leaf, *why = name_check(name, len);
	struct stat st;
	struct err e;

	if (why)
		return report_error(w, ERR_LOCAL, why);
	dir = dirs_parent(dirs, name, len, &leaf, &e);
	if (dir == ERR_RESOURCE) {
		*w->e = e;
		return dir;
	}
	if (dir < 0)
		return report_sys_error(w, e.sys_errno);
	if (fstatat(dir, leaf, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return report_sys_error(w, errno);
	if (S_ISDIR(st.st_mode) && !is_deep)
		return report_stat(w, is_left_out(w, dir, leaf, &st) ?
				   SCAN_SKIPPED : SCAN_DIR, &st);
	w->root_dev = st.st_dev;
	rc = visit_entry(w, dir, leaf);
	return rc ? rc : walk_levels(w);
}

/* Walk a name as the list has it: "./a/b", "a/b/", ".", "". */
static int walk_list_name(struct walk *w, struct dirs *dirs, char *name)
{
	size_t len;
	int rc, is_deep;

	while (name[0] == '.' && name[1] == '/') {
		name += 2;
		name += strspn(name, "/");
	}
	len = strlen(name);
	is_deep = len > 1 && name[len - 1] == '/';
	while (len > 1 && name[len - 1] == '/')
		name[--len] = '\0';
	/* "find ." prints "." too, which stands for the root, sent without a
	 * name. */
	if (len == 0 || strcmp(name, ".") == 0)
		return 0;
	path_cut(w, w->root->display_len);
	rc = path_push(w, name);
	return rc ? rc : visit_list_name(w, dirs, name, len, is_deep);
}

/* Report what is no item. */
static int report_list(struct walk *w, enum scan_kind kind)
{
	struct scan_item item = { .kind = kind };

	path_cut(w, w->root->display_len);
	return report_item(w, &item);
}

static int walk_list(struct walk *w)
{
	const struct root *r = w->root;
	struct dirs *dirs = dirs_new(
		r->fd, w->scan->symlinks == SCAN_FOLLOW ? DIRS_FOLLOW : 0, NULL,
		NULL);
	struct list *list = list_new(r->list_fd, r->list_end);
	char *name;
	int rc = 0;

	if (!dirs || !list)
		rc = err_set(w->e, ERR_RESOURCE, "out of memory");
	else if (r->list_start >= 0 &&
		 lseek(r->list_fd, r->list_start, SEEK_SET) < 0)
		rc = err_sys(w->e, ERR_LOCAL, "cannot read the list of names");
	while (rc == 0) {
		enum list_result result = list_next(list, &name, w->e);

		if (result == LIST_END)
			break;
		if (result == LIST_FAILED)
			rc = ERR_LOCAL;
		else if (result == LIST_NAME)
			rc = walk_list_name(w, dirs, name);
		else
			rc = report_list(w, SCAN_WAITING);
	}
	if (rc == 0 && !list_is_file(list))
		rc = report_list(w, SCAN_LIST_END);
	list_free(list);
	dirs_free(dirs);
	return rc;
}

static int walk_root(struct walk *w)
{
	const struct root *r = w->root;
	struct stat st;
	int rc = path_reserve(w, r->display_len);

	if (rc < 0)
		return rc;
	memcpy(w->path, r->display, r->display_len);
	path_cut(w, r->display_len);
	if (r->leaf)
		return walk_file(w);
	if (r->list_fd >= 0)
		return walk_list(w);
	if (fstat(r->fd, &st) < 0)
		return report_sys_error(w, errno);
	w->root_dev = st.st_dev;
	/* Opened again: reading moves the offset of the open file description,
	 * and other threads use r->fd. */
	rc = enter_dir(w, r->fd, ".", &st, 0);
	return rc ? rc : walk_levels(w);
}

/* Sources that were refused when they were added. */
static int report_bad(const struct scan *s, scan_fn fn, void *ctx,
		      struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < s->bad_count && !rc; i++) {
		const struct bad_source *bad = &s->bad[i];
		const char *name = bad->path;
		size_t len = strlen(name);
		char *copy;
		struct scan_item item = {
			.kind = SCAN_ERROR,
			.path = "",
			.err = &bad->err,
			.display = bad->path,
		};

		while (len > 1 && name[len - 1] == '/')
			len--;
		copy = strndup(name, len);
		if (!copy)
			return err_set(e, ERR_RESOURCE, "out of memory");
		item.name = name_last(copy);
		item.name_len = strlen(item.name);
		rc = fn(ctx, &item, e);
		free(copy);
	}
	return rc;
}

int scan_run(struct scan *s, scan_fn fn, void *ctx, struct err *e)
{
	struct walk *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = report_bad(s, fn, ctx, e);
	w->scan = s;
	w->fn = fn;
	w->ctx = ctx;
	w->e = e;
	for (unsigned i = 0; i < s->count && !rc; i++) {
		w->index = i;
		w->root = &s->roots[i];
		rc = walk_root(w);
	}
	for (size_t i = 0; i < LEVEL_MAX; i++)
		listing_free(w->levels[i].listing);
	free(w->path);
	free(w);
	return rc;
}
