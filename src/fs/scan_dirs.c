/*
 * A walk like that of scan.c, over directories only: one level for each
 * directory of the current path.  The kinds of entries come with their names,
 * where the system tells them.
 */
#include "fs/scan_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/dirs.h"
#include "fs/filter.h"
#include "fs/name.h"
#include "fs/scan_priv.h"
#include "os/listing.h"

enum { LEVEL_MAX = NAME_DEPTH_MAX + 1 };

struct level {
	int fd;
	size_t len; /* of walk.path */
	struct stat st;
	struct names_sum names;
	struct listing *listing; /* reused by the next directory */
};

struct walk {
	const struct scan *scan;
	dev_t root_dev;
	int is_shared; /* several roots may have the same directory */
	size_t depth;
	struct level levels[LEVEL_MAX];
	char path[NAME_PATH_MAX + NAME_COMPONENT_MAX + 2]; /* the receiver's */
};

static int is_content(const struct root *r)
{
	return !r->leaf && r->list_fd < 0 && r->name_off == r->display_len;
}

/* The name of a directory that is sent with it; its length. */
static const char *root_name(const struct root *r, size_t *len)
{
	*len = r->display_len - r->name_off - 1; /* without the slash */
	return r->display + r->name_off;
}

/* ---- entries ---- */

/* The kind of an entry, or of a symlink's target where symlinks are
 * followed. */
static enum listing_kind kind_of(const struct scan *s, int fd,
				 const struct listing_entry *entry)
{
	const enum listing_kind kind = listing_kind_of(fd, entry);
	struct stat st;

	if (kind != LISTING_SYMLINK || s->symlinks != SCAN_FOLLOW ||
	    fstatat(fd, entry->name, &st, 0) < 0)
		return kind;
	return S_ISDIR(st.st_mode) ? LISTING_DIR :
	       S_ISREG(st.st_mode) ? LISTING_FILE :
				     LISTING_SPECIAL;
}

/* Whether the scan leaves out an entry of this kind, whose path at the receiver
 * is path. */
static int is_left_out(const struct scan *s, const char *path,
		       enum listing_kind kind)
{
	if (kind == LISTING_SYMLINK && s->symlinks == SCAN_SKIP)
		return 1;
	if (s->skips_special && kind != LISTING_FILE && kind != LISTING_DIR &&
	    kind != LISTING_SYMLINK && kind != LISTING_UNKNOWN)
		return 1;
	return s->filter && filter_excludes(s->filter, path, kind == LISTING_DIR);
}

/* ---- the walk ---- */

static int is_loop(const struct walk *w, const struct stat *st)
{
	for (size_t i = 0; i < w->depth; i++) {
		if (w->levels[i].st.st_dev == st->st_dev &&
		    w->levels[i].st.st_ino == st->st_ino)
			return 1;
	}
	return 0;
}

/* Go down into the directory leaf of dir_fd, if it is one whose content is
 * sent; its path is w->path, len bytes. */
static int push_level(struct walk *w, int dir_fd, const char *leaf, size_t len,
		      struct err *e)
{
	const int follow = w->scan->symlinks == SCAN_FOLLOW;
	struct level *l = &w->levels[w->depth];
	struct stat st;
	int fd;

	if (w->depth == LEVEL_MAX)
		return 0;
	fd = scan_open_dir(dir_fd, leaf, follow);
	if (fd < 0 && scan_is_exhausted(errno))
		return err_sys(e, ERR_RESOURCE, "cannot open a directory");
	if (fd < 0 || fstat(fd, &st) < 0 || (follow && is_loop(w, &st)) ||
	    (w->depth > 0 && w->scan->stays_on_file_system &&
	     st.st_dev != w->root_dev)) {
		io_close(&fd);
		return 0;
	}
	if (!l->listing)
		l->listing = listing_new();
	if (!l->listing) {
		io_close(&fd);
		return err_set(e, ERR_RESOURCE, "out of memory");
	}
	if (w->depth == 0)
		w->root_dev = st.st_dev;
	l->fd = fd;
	l->len = len;
	l->st = st;
	l->names = (struct names_sum){ 0 };
	listing_begin(l->listing, fd);
	w->depth++;
	return 0;
}

static void pop_level(struct walk *w)
{
	struct level *l = &w->levels[--w->depth];

	listing_begin(l->listing, -1);
	io_close(&l->fd);
}

/* Count an entry of the innermost directory, and go down into it. */
static int visit(struct walk *w, const struct listing_entry *entry,
		 struct err *e)
{
	struct level *l = &w->levels[w->depth - 1];
	const size_t n = strlen(entry->name);
	const size_t start = l->len + (l->len > 0), len = start + n;
	const enum listing_kind kind = kind_of(w->scan, l->fd, entry);

	/* What is longer is an error of the scan, which deletes nothing. */
	if (len > NAME_PATH_MAX)
		return 0;
	if (start > 0)
		w->path[start - 1] = '/';
	memcpy(w->path + start, entry->name, n + 1);
	if (is_left_out(w->scan, w->path, kind))
		return 0;
	names_sum_add(&l->names, entry->name, n, kind == LISTING_DIR);
	if (kind != LISTING_DIR || name_check(w->path, len))
		return 0;
	return push_level(w, l->fd, entry->name, len, e);
}

static int report(struct walk *w, scan_dirs_fn fn, void *ctx, struct err *e)
{
	const struct level *l = &w->levels[w->depth - 1];
	struct scan_dir d = { .name = w->path,
			      .name_len = l->len,
			      .st = l->st,
			      .names = l->names };

	w->path[l->len] = '\0';
	if (w->is_shared)
		d.names = (struct names_sum){ UINT64_MAX, UINT64_MAX };
	return fn(ctx, &d, e);
}

static int walk_root(struct walk *w, const struct root *r, scan_dirs_fn fn,
		     void *ctx, struct err *e)
{
	size_t len = 0;
	int rc;

	if (!is_content(r)) {
		const char *name = root_name(r, &len);

		memcpy(w->path, name, len);
	}
	w->path[len] = '\0';
	rc = push_level(w, r->fd, ".", len, e);
	while (rc == 0 && w->depth > 0) {
		struct level *l = &w->levels[w->depth - 1];
		const struct listing_entry *entry;
		int error;

		entry = listing_next(l->listing, &error);
		if (entry) {
			rc = visit(w, entry, e);
			continue;
		}
		if (!error)
			rc = report(w, fn, ctx, e);
		pop_level(w);
	}
	while (w->depth > 0)
		pop_level(w);
	return rc;
}

int scan_dirs(const struct scan *s, scan_dirs_fn fn, void *ctx, struct err *e)
{
	struct walk *w = calloc(1, sizeof(*w));
	int rc = 0;

	if (!w)
		return err_set(e, ERR_RESOURCE, "out of memory");
	w->scan = s;
	for (unsigned i = 0; i < s->count; i++)
		w->is_shared |= s->count > 1 && is_content(&s->roots[i]);
	for (unsigned i = 0; i < s->count && rc == 0; i++) {
		if (!s->roots[i].leaf && s->roots[i].list_fd < 0)
			rc = walk_root(w, &s->roots[i], fn, ctx, e);
	}
	for (size_t i = 0; i < LEVEL_MAX; i++)
		listing_free(w->levels[i].listing);
	free(w);
	return rc;
}

/* ---- the names of one directory ---- */

struct names_list {
	const struct scan *scan;
	scan_dirs_name_fn fn;
	void *ctx;
	char path[NAME_PATH_MAX + NAME_COMPONENT_MAX + 2];
	size_t len;
};

static int list_entry(struct names_list *l, const char *name,
		      enum listing_kind kind)
{
	const size_t start = l->len + (l->len > 0), n = strlen(name);

	if (start > 0)
		l->path[start - 1] = '/';
	memcpy(l->path + start, name, n + 1);
	return l->fn(l->ctx, name, kind == LISTING_DIR,
		     is_left_out(l->scan, l->path, kind));
}

/* List the directory dir, whose descriptor is borrowed. */
static int list_dir(struct names_list *l, int dir, struct err *e)
{
	/* opened again: a directory has one offset for all its descriptors */
	int fd = scan_open_dir(dir, ".", 0), error = fd < 0 ? errno : 0, rc = 0;
	struct listing *listing = listing_new();
	const struct listing_entry *entry;

	if (!listing)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	else
		listing_begin(listing, fd);
	while (rc == 0 && fd >= 0 && (entry = listing_next(listing, &error)))
		rc = list_entry(l, entry->name, kind_of(l->scan, fd, entry));
	if (rc == 0 && error) {
		errno = error;
		rc = err_sys(e, ERR_LOCAL, "cannot list a directory");
	}
	listing_free(listing);
	io_close(&fd);
	return rc;
}

/* List the directory path (len bytes) below the root, if there is one. */
static int list_below(struct names_list *l, const struct root *r, const char *path,
		      size_t len, struct err *e)
{
	struct dirs *dirs = dirs_new(
		r->fd, l->scan->symlinks == SCAN_FOLLOW ? DIRS_FOLLOW : 0, NULL,
		NULL);
	struct err de;
	int fd, rc = 0;

	if (!dirs)
		return err_set(e, ERR_RESOURCE, "out of memory");
	err_clear(&de);
	fd = dirs_enter(dirs, path, len, &de);
	if (fd >= 0) {
		rc = list_dir(l, fd, e);
	} else if (de.sys_errno != ENOENT && de.sys_errno != ENOTDIR &&
		   de.sys_errno != ELOOP) {
		*e = de;
		rc = de.code;
	}
	dirs_free(dirs);
	return rc;
}

/* Whether path is name, or lies below it; *below: what follows. */
static int is_at(const char *path, size_t len, const char *name, size_t name_len,
		 size_t *below)
{
	*below = len > name_len ? name_len + 1 : name_len;
	return len >= name_len && memcmp(path, name, name_len) == 0 &&
	       (len == name_len || path[name_len] == '/');
}

static int list_root(struct names_list *l, const struct root *r, const char *path,
		     size_t len, struct err *e)
{
	char name[NAME_COMPONENT_MAX + 1];
	const char *own;
	size_t n, below;

	if (is_content(r))
		return list_below(l, r, path, len, e);
	if (r->leaf)
		return len == 0 ? list_entry(l, r->leaf, LISTING_FILE) : 0;
	own = root_name(r, &n);
	if (len == 0 && n < sizeof(name)) {
		memcpy(name, own, n);
		name[n] = '\0';
		return list_entry(l, name, LISTING_DIR);
	}
	if (!is_at(path, len, own, n, &below))
		return 0;
	return list_below(l, r, path + below, len - below, e);
}

int scan_dirs_names(const struct scan *s, const char *path, size_t len,
		    scan_dirs_name_fn fn, void *ctx, struct err *e)
{
	struct names_list *l;
	int rc = 0;

	if (len > NAME_PATH_MAX)
		return err_set(e, ERR_INTERNAL, "a path that was not checked");
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(e, ERR_RESOURCE, "out of memory");
	l->scan = s;
	l->fn = fn;
	l->ctx = ctx;
	memcpy(l->path, path, len);
	l->len = len;
	for (unsigned i = 0; i < s->count && rc == 0; i++) {
		if (s->roots[i].list_fd < 0)
			rc = list_root(l, &s->roots[i], path, len, e);
	}
	free(l);
	return rc;
}

/* ---- the roots ---- */

int scan_dirs_is_root(const struct scan *s, const char *path, size_t len)
{
	if (len == 0)
		return 1;
	for (unsigned i = 0; i < s->count; i++) {
		const struct root *r = &s->roots[i];
		const char *name;
		size_t n;

		if (r->leaf || r->list_fd >= 0 || is_content(r))
			continue;
		name = root_name(r, &n);
		if (n == len && memcmp(name, path, n) == 0)
			return 1;
	}
	return 0;
}

unsigned scan_dirs_count(const struct scan *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->count; i++)
		n += !s->roots[i].leaf && s->roots[i].list_fd < 0;
	return n;
}

int scan_dirs_has_list(const struct scan *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->roots[i].list_fd >= 0)
			return 1;
	}
	return 0;
}

int scan_dirs_excludes(const struct scan *s, const char *path, size_t len,
		       size_t from, int is_dir)
{
	char prefix[NAME_PATH_MAX + 1];

	if (!s->filter || len > NAME_PATH_MAX)
		return 0;
	memcpy(prefix, path, len);
	for (size_t i = from; i <= len; i++) {
		if (i < len && path[i] != '/')
			continue;
		prefix[i] = '\0';
		if (filter_excludes(s->filter, prefix, i < len || is_dir))
			return 1;
		prefix[i] = '/';
	}
	return 0;
}
