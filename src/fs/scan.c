/*
 * The walk over the sources: iterative, one level for each directory of the
 * current path, each with its descriptor and one buffer of getdents64() (a
 * DIR would allocate by st_blksize, which is up to a MiB on some file
 * systems, and 129 may be open).
 *
 * There is one text for the thing at hand, from which the three names of an
 * item are cut: the display is all of it, the name and the path below the
 * root are its tails.
 *
 *	photos -> ../x/photos/a/b	photos/. -> ../x/photos/a/b
 *	               ^name  ^path                            ^name and path
 */
#include "fs/scan.h"

#include <dirent.h>
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

enum {
	LEVEL_MAX = NAME_DEPTH_MAX + 1, /* with a root that has no name */
	ENTRIES_SIZE = 32768,
};

#define GONE "vanished or was replaced while it was looked at"

struct level {
	int fd;
	size_t text_len; /* of this directory's own text */
	struct stat st;
	char *entries; /* ENTRIES_SIZE bytes, kept for the next time */
	size_t pos;
	size_t end;
};

struct walk {
	const struct scan *scan;
	scan_fn fn;
	void *ctx;
	struct err *e;  /* the caller's */
	unsigned index; /* of the root */
	const struct root *root;
	char *text;
	size_t text_len;
	size_t text_cap;
	size_t depth;
	struct err trouble;
	struct level levels[LEVEL_MAX];
	char target[NAME_PATH_MAX + 2];
};

/* Whether errno says that what was there a moment ago is not any more. */
static int is_vanished(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/* The text of the thing at hand */

static int text_reserve(struct walk *w, size_t len)
{
	size_t cap = w->text_cap;
	char *text;

	if (w->text && len < cap)
		return 0;
	while (cap <= len)
		cap = cap ? cap * 2 : 1024;
	text = realloc(w->text, cap);
	if (!text) {
		err_set(w->e, ERR_RESOURCE, "out of memory");
		return ERR_RESOURCE;
	}
	w->text = text;
	w->text_cap = cap;
	return 0;
}

static void text_cut(struct walk *w, size_t len)
{
	w->text_len = len;
	w->text[len] = '\0';
}

/* Put one more component behind. */
static int text_push(struct walk *w, const char *component)
{
	const size_t n = strlen(component);
	size_t at = w->text_len;
	int rc = text_reserve(w, at + n + 1);

	if (rc < 0)
		return rc;
	if (at > w->root->display_len)
		w->text[at++] = '/';
	memcpy(w->text + at, component, n);
	text_cut(w, at + n);
	return 0;
}

/* Telling what was found */

static int is_root_itself(const struct walk *w)
{
	return w->text_len == w->root->display_len;
}

/*
 * Cut the item's names from the text.  For the root's own directory the slash
 * behind it is left out meanwhile ("photos", but "/").
 */
static int report(struct walk *w, struct scan_item *item)
{
	const size_t prefix = w->root->display_len;
	const int cut = is_root_itself(w) && prefix > 1;
	int rc;

	if (cut)
		w->text[prefix - 1] = '\0';
	item->root = w->index;
	item->path = w->text + prefix;
	item->path_len = w->text_len - prefix;
	item->name = w->text + w->root->name_off;
	item->name_len = strlen(item->name);
	item->display = w->text[0] ? w->text : ".";
	rc = w->fn(w->ctx, item, w->e);
	if (cut)
		w->text[prefix - 1] = '/';
	return rc;
}

static int report_stat(struct walk *w, enum scan_kind kind,
		       const struct stat *st)
{
	struct scan_item item = { .kind = kind, .st = *st };

	return report(w, &item);
}

/* A root without a name of its own is nothing that arrives. */
static int report_dir(struct walk *w, const struct stat *st)
{
	if (is_root_itself(w) && w->root->name_off == w->root->display_len)
		return 0;
	return report_stat(w, SCAN_DIR, st);
}

static int report_trouble(struct walk *w)
{
	struct scan_item item = { .kind = SCAN_TROUBLE, .err = &w->trouble };

	return report(w, &item);
}

static char *show(const struct walk *w, char shown[SHOWN_MAX])
{
	size_t n = w->text_len;

	if (n == 0)
		return text_escape(shown, SHOWN_MAX, ".", 1);
	if (is_root_itself(w) && n > 1)
		n--;
	return text_escape(shown, SHOWN_MAX, w->text, n);
}

static int trouble(struct walk *w, int code, const char *why)
{
	char shown[SHOWN_MAX];

	err_set(&w->trouble, code, "%s: %s", show(w, shown), why);
	return report_trouble(w);
}

static int trouble_sys(struct walk *w, int error)
{
	char shown[SHOWN_MAX];

	if (scan_is_exhausted(error)) {
		errno = error;
		return err_sys(w->e, ERR_RESOURCE, "%s", show(w, shown));
	}
	show(w, shown);
	errno = error;
	err_sys(&w->trouble, ERR_LOCAL, "%s", shown);
	return report_trouble(w);
}

/* As trouble_sys(), for what was there a moment ago. */
static int trouble_gone(struct walk *w, int error)
{
	if (!is_vanished(error))
		return trouble_sys(w, error);
	return trouble(w, ERR_CHANGED, GONE);
}

/* Directories */

static int in_loop(const struct walk *w, const struct stat *st)
{
	for (size_t i = 0; i < w->depth; i++) {
		if (w->levels[i].st.st_dev == st->st_dev &&
		    w->levels[i].st.st_ino == st->st_ino)
			return 1;
	}
	return 0;
}

/* Go down into an open directory, which is taken over in any case. */
static int push_level(struct walk *w, int fd)
{
	struct level *l = &w->levels[w->depth];
	int rc = 0;

	if (w->depth == LEVEL_MAX) {
		rc = err_set(w->e, ERR_INTERNAL, "a tree that is too deep");
		goto out;
	}
	if (fstat(fd, &l->st) < 0) {
		rc = trouble_sys(w, errno);
		goto out;
	}
	/* Without links followed, what looks like a loop is a bind mount. */
	if (w->scan->links == SCAN_FOLLOW && in_loop(w, &l->st)) {
		rc = trouble(w, ERR_LOCAL,
			     "a link to a directory that it lies in");
		goto out;
	}
	if (!l->entries)
		l->entries = malloc(ENTRIES_SIZE);
	if (!l->entries) {
		rc = err_set(w->e, ERR_RESOURCE, "out of memory");
		goto out;
	}
	l->fd = fd;
	fd = -1;
	l->text_len = w->text_len;
	l->pos = 0;
	l->end = 0;
	w->depth++;
out:
	io_close(&fd);
	return rc;
}

static void pop_level(struct walk *w)
{
	io_close(&w->levels[--w->depth].fd);
}

static int open_dir(int dir_fd, const char *leaf, int follow)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, fd;

	if (!follow)
		flags |= O_NOFOLLOW;
	do {
		fd = openat(dir_fd, leaf, flags);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

/* Go down; a directory that cannot be read still arrives, empty. */
static int enter_dir(struct walk *w, int dir_fd, const char *leaf,
		     const struct stat *st, int follow)
{
	const int fd = open_dir(dir_fd, leaf, follow);
	const int error = errno;
	int rc;

	if (fd >= 0)
		return push_level(w, fd);
	rc = trouble_gone(w, error);
	if (rc || is_vanished(error))
		return rc;
	return report_dir(w, st);
}

/* Entries */

static int visit_target(struct walk *w, int dir_fd, const char *leaf,
			const struct stat *st, int follow)
{
	if (S_ISREG(st->st_mode))
		return report_stat(w, SCAN_FILE, st);
	if (S_ISDIR(st->st_mode))
		return enter_dir(w, dir_fd, leaf, st, follow);
	return trouble(w, ERR_LOCAL, scan_special_name(st->st_mode));
}

static int refuse_link(struct walk *w, const char *why)
{
	char shown[SHOWN_MAX], target[200];

	text_escape(target, sizeof(target), w->target, strlen(w->target));
	err_set(&w->trouble, ERR_LOCAL,
		"%s: %s (a symlink to %s); --symlinks follow sends what it "
		"leads to, --symlinks skip leaves it out",
		show(w, shown), why, target);
	return report_trouble(w);
}

static int keep_link(struct walk *w, int dir_fd, const char *leaf,
		     const struct stat *st)
{
	struct scan_item item = { .kind = SCAN_LINK, .st = *st };
	const struct root *r = w->root;
	const char *name = w->text + r->name_off, *why;
	/* one more than may be sent, so that a longer one is seen */
	ssize_t n = readlinkat(dir_fd, leaf, w->target, sizeof(w->target) - 1);

	if (n < 0 && errno == EINVAL)
		return trouble(w, ERR_CHANGED, GONE);
	if (n < 0)
		return trouble_gone(w, errno);
	w->target[n] = '\0';
	why = name_check_link(name, strlen(name), r->name_off < r->display_len,
			      w->target, (size_t)n);
	if (why)
		return refuse_link(w, why);
	item.target = w->target;
	item.target_len = (size_t)n;
	return report(w, &item);
}

static int follow_link(struct walk *w, int dir_fd, const char *leaf)
{
	struct stat st;

	if (fstatat(dir_fd, leaf, &st, 0) == 0)
		return visit_target(w, dir_fd, leaf, &st, 1);
	if (errno == ENOENT)
		return trouble(w, ERR_LOCAL, "a symlink that leads nowhere");
	return trouble_sys(w, errno);
}

static int visit_link(struct walk *w, int dir_fd, const char *leaf,
		      const struct stat *st)
{
	switch (w->scan->links) {
	case SCAN_FOLLOW:
		return follow_link(w, dir_fd, leaf);
	case SCAN_SKIP:
		return report_stat(w, SCAN_SKIPPED, st);
	case SCAN_KEEP:
	default:
		return keep_link(w, dir_fd, leaf, st);
	}
}

/* Whether the filter leaves it out.  A link that is followed counts as what
 * it leads to. */
static int is_left_out(const struct walk *w, int dir_fd, const char *leaf,
		       const struct stat *st)
{
	const char *name = w->text + w->root->name_off;
	struct stat target;
	int is_dir = S_ISDIR(st->st_mode);

	if (!w->scan->filter)
		return 0;
	if (S_ISLNK(st->st_mode) && w->scan->links == SCAN_FOLLOW &&
	    fstatat(dir_fd, leaf, &target, 0) == 0)
		is_dir = S_ISDIR(target.st_mode);
	return filter_excludes(w->scan->filter, name, is_dir);
}

/* What is called leaf in dir_fd, and is at the end of the text already. */
static int visit(struct walk *w, int dir_fd, const char *leaf)
{
	const char *name = w->text + w->root->name_off, *why;
	struct stat st;

	if (fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return trouble_gone(w, errno);
	if (is_left_out(w, dir_fd, leaf, &st))
		return report_stat(w, SCAN_SKIPPED, &st);
	why = name_check(name, strlen(name));
	if (why)
		return trouble(w, ERR_LOCAL, why);
	if (S_ISLNK(st.st_mode))
		return visit_link(w, dir_fd, leaf, &st);
	return visit_target(w, dir_fd, leaf, &st, 0);
}

static int is_dot_or_dotdot(const char *name)
{
	return name[0] == '.' &&
	       (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* The next name in a directory; NULL at its end with *error 0, or errno. */
static const char *next_entry(struct level *l, int *error)
{
	*error = 0;
	for (;;) {
		const struct dirent64 *entry;
		ssize_t n;

		if (l->pos < l->end) {
			entry = (const void *)(l->entries + l->pos);
			l->pos += entry->d_reclen;
			if (is_dot_or_dotdot(entry->d_name))
				continue;
			return entry->d_name;
		}
		n = getdents64(l->fd, l->entries, ENTRIES_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*error = n < 0 ? errno : 0;
			return NULL;
		}
		l->pos = 0;
		l->end = (size_t)n;
	}
}

/* The innermost directory is done, or cannot be read further. */
static int finish_dir(struct walk *w, int error)
{
	const struct level *l = &w->levels[w->depth - 1];
	int rc = error ? trouble_gone(w, error) : 0;

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
		const char *leaf;
		int error;

		text_cut(w, l->text_len);
		leaf = next_entry(l, &error);
		if (!leaf) {
			rc = finish_dir(w, error);
			continue;
		}
		rc = text_push(w, leaf);
		if (!rc)
			rc = visit(w, l->fd, leaf);
	}
	while (w->depth > 0)
		pop_level(w);
	return rc;
}

static int walk_file(struct walk *w)
{
	const struct root *r = w->root;
	struct stat st;
	int rc = text_push(w, r->leaf);

	if (rc < 0)
		return rc;
	if (fstatat(r->fd, r->leaf, &st, r->follow ? 0 : AT_SYMLINK_NOFOLLOW))
		return trouble_gone(w, errno);
	if (!S_ISREG(st.st_mode))
		return trouble(w, ERR_CHANGED, "is not a file any more");
	return report_stat(w, SCAN_FILE, &st);
}

/* Lists of names */

/* The thing that a list names, below the root and at the end of the text.
 * deep: a directory with all that is in it. */
static int visit_listed(struct walk *w, struct dirs *dirs, const char *name,
			size_t len, int deep)
{
	int follow = w->scan->links == SCAN_FOLLOW, dir, rc;
	const char *leaf, *why = name_check(name, len);
	struct stat st;
	struct err e;

	if (why)
		return trouble(w, ERR_LOCAL, why);
	dir = dirs_parent(dirs, name, len, &leaf, &e);
	if (dir == ERR_RESOURCE) {
		*w->e = e;
		return dir;
	}
	if (dir < 0)
		return trouble_sys(w, e.sys_errno);
	if (fstatat(dir, leaf, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return trouble_sys(w, errno);
	if (S_ISDIR(st.st_mode) && !deep)
		return report_stat(w, is_left_out(w, dir, leaf, &st) ?
				   SCAN_SKIPPED : SCAN_DIR, &st);
	rc = visit(w, dir, leaf);
	return rc ? rc : walk_levels(w);
}

/* One entry as it stands in the list: "./a/b", "a/b/", ".", "". */
static int walk_entry(struct walk *w, struct dirs *dirs, char *name)
{
	size_t len;
	int rc, deep;

	while (name[0] == '.' && name[1] == '/') {
		name += 2;
		name += strspn(name, "/");
	}
	len = strlen(name);
	deep = len > 1 && name[len - 1] == '/';
	while (len > 1 && name[len - 1] == '/')
		name[--len] = '\0';
	/* "find ." tells of the top as well, which arrives without a name */
	if (len == 0 || strcmp(name, ".") == 0)
		return 0;
	text_cut(w, w->root->display_len);
	rc = text_push(w, name);
	return rc ? rc : visit_listed(w, dirs, name, len, deep);
}

static int report_waiting(struct walk *w)
{
	struct scan_item item = { .kind = SCAN_WAITING };

	text_cut(w, w->root->display_len);
	return report(w, &item);
}

static int walk_list(struct walk *w)
{
	const struct root *r = w->root;
	struct dirs *dirs = dirs_new(r->fd, w->scan->links == SCAN_FOLLOW ?
				     DIRS_FOLLOW : 0, NULL, NULL);
	struct list *list = list_new(r->list_fd, r->list_end);
	char *name;
	int rc = 0;

	if (!dirs || !list)
		rc = err_set(w->e, ERR_RESOURCE, "out of memory");
	else if (r->list_start >= 0 &&
		 lseek(r->list_fd, r->list_start, SEEK_SET) < 0)
		rc = err_sys(w->e, ERR_LOCAL, "reading the list of names");
	while (rc == 0) {
		enum list_got got = list_next(list, &name, w->e);

		if (got == LIST_END)
			break;
		if (got == LIST_FAILED)
			rc = ERR_LOCAL;
		else if (got == LIST_NAME)
			rc = walk_entry(w, dirs, name);
		else
			rc = report_waiting(w);
	}
	list_free(list);
	dirs_free(dirs);
	return rc;
}

static int walk_root(struct walk *w)
{
	const struct root *r = w->root;
	struct stat st;
	int rc = text_reserve(w, r->display_len);

	if (rc < 0)
		return rc;
	memcpy(w->text, r->display, r->display_len);
	text_cut(w, r->display_len);
	if (r->leaf)
		return walk_file(w);
	if (r->list_fd >= 0)
		return walk_list(w);
	if (fstat(r->fd, &st) < 0)
		return trouble_sys(w, errno);
	/* a description of our own: reading moves its offset */
	rc = enter_dir(w, r->fd, ".", &st, 0);
	return rc ? rc : walk_levels(w);
}

int scan_run(struct scan *s, scan_fn fn, void *ctx, struct err *e)
{
	struct walk *w = calloc(1, sizeof(*w));
	int rc = 0;

	if (!w)
		return err_set(e, ERR_RESOURCE, "out of memory");
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
		free(w->levels[i].entries);
	free(w->text);
	free(w);
	return rc;
}
