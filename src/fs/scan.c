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
#include "fs/name.h"

enum {
	LEVEL_MAX = NAME_DEPTH_MAX + 1, /* with a root that has no name */
	ENTRIES_SIZE = 32768,
	SHOWN_MAX = 400, /* of an escaped path in an error's text */
};

#define GONE "vanished or was replaced while it was looked at"

struct root {
	int fd;
	int owned;     /* 0: the descriptor is an earlier root's */
	int follow;    /* a file named by a symlink */
	char *display; /* in front of the paths below it; owned */
	size_t display_len;
	size_t name_off; /* where names start in display */
	char *leaf;      /* the one file; NULL for a directory; owned */
};

struct scan {
	enum scan_links links;
	struct root *roots;
	unsigned count;
	unsigned cap;
};

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

struct scan *scan_new(enum scan_links links)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (s)
		s->links = links;
	return s;
}

static void release_root(struct root *r)
{
	if (r->owned)
		io_close(&r->fd);
	free(r->display);
	free(r->leaf);
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++)
		release_root(&s->roots[i]);
	free(s->roots);
	free(s);
}

unsigned scan_root_count(const struct scan *s)
{
	return s->count;
}

int scan_root_fd(const struct scan *s, unsigned root)
{
	return s->roots[root].fd;
}

int scan_root_follow(const struct scan *s, unsigned root)
{
	return s->roots[root].follow;
}

const char *scan_root_display(const struct scan *s, unsigned root)
{
	return s->roots[root].display;
}

int scan_is_single_file(const struct scan *s)
{
	return s->count == 1 && s->roots[0].leaf;
}

static int is_exhausted(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Whether errno says that what was there a moment ago is not any more. */
static int is_vanished(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

static const char *special_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return "a FIFO, which cannot be sent";
	case S_IFSOCK:
		return "a socket, which cannot be sent";
	case S_IFCHR:
	case S_IFBLK:
		return "a device, which cannot be sent";
	default:
		return "neither a file nor a directory";
	}
}

/* Adding a source */

static int add_failed(const char *path, struct err *e)
{
	const int saved = errno;
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), path, strlen(path));
	errno = saved;
	return err_sys(e, is_exhausted(saved) ? ERR_RESOURCE : ERR_LOCAL, "%s",
		       shown);
}

static int add_refused(int code, const char *path, const char *why,
		       struct err *e)
{
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), path, strlen(path));
	return err_set(e, code, "%s: %s", shown, why);
}

static size_t without_slashes(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] == '/')
		len--;
	return len;
}

/* A copy of the first len bytes with a slash behind where slash is set. */
static char *copy_text(const char *from, size_t len, int slash)
{
	char *to = malloc(len + 2);

	if (!to)
		return NULL;
	memcpy(to, from, len);
	if (slash)
		to[len++] = '/';
	to[len] = '\0';
	return to;
}

/* path[base..len) is the last component: a directory that is sent with its
 * name, or "." or "" whose content is. */
static int fill_dir_root(struct root *r, const char *path, size_t base,
			 size_t len)
{
	const int named = len > base && !(len - base == 1 && path[base] == '.');

	r->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->fd < 0)
		return -1;
	r->owned = 1;
	if (!named && len == base) /* "/", "//" */
		r->display = copy_text(path, 0, 1);
	else
		r->display = copy_text(path, named ? len : base, named);
	if (!r->display) {
		errno = ENOMEM;
		return -1;
	}
	r->display_len = strlen(r->display);
	r->name_off = named ? base : r->display_len;
	return 0;
}

/* The root before, where it is of a file in the same directory: a thousand
 * files named one by one need not hold a thousand descriptors. */
static const struct root *find_sibling(const struct scan *s,
				       const struct root *r)
{
	for (unsigned i = s->count; i > 0; i--) {
		const struct root *other = &s->roots[i - 1];

		if (!other->leaf)
			continue;
		return strcmp(other->display, r->display) == 0 ? other : NULL;
	}
	return NULL;
}

static int fill_file_root(const struct scan *s, struct root *r,
			  const char *path, size_t base, size_t len)
{
	const struct root *sibling;
	struct stat st;

	r->display = copy_text(path, base, 0);
	r->leaf = copy_text(path + base, len - base, 0);
	if (!r->display || !r->leaf) {
		errno = ENOMEM;
		return -1;
	}
	r->display_len = base;
	r->name_off = base;
	sibling = find_sibling(s, r);
	if (sibling) {
		r->fd = sibling->fd;
	} else {
		/* O_PATH: it need not be readable for its file to be sent */
		r->fd = open(base ? r->display : ".",
			     O_PATH | O_DIRECTORY | O_CLOEXEC);
		r->owned = r->fd >= 0;
		if (r->fd < 0)
			return -1;
	}
	if (fstatat(r->fd, r->leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	r->follow = S_ISLNK(st.st_mode);
	return faccessat(r->fd, r->leaf, R_OK, AT_EACCESS);
}

static int reserve_root(struct scan *s)
{
	const unsigned cap = s->cap ? s->cap * 2 : 8;
	struct root *roots;

	if (s->count < s->cap)
		return 0;
	if (cap <= s->cap)
		return -1;
	roots = reallocarray(s->roots, cap, sizeof(*roots));
	if (!roots)
		return -1;
	s->roots = roots;
	s->cap = cap;
	return 0;
}

/* Whether the last component may be sent: NULL or why not. */
static const char *check_base(const char *path, size_t base, size_t len,
			      int is_dir)
{
	if (is_dir && (len == base || (len - base == 1 && path[base] == '.')))
		return NULL;
	if (len - base == 2 && memcmp(path + base, "..", 2) == 0)
		return "has no name of its own to send; \"../.\" sends what "
		       "is in it";
	return name_check(path + base, len - base);
}

int scan_add(struct scan *s, const char *path, struct err *e)
{
	const size_t len = without_slashes(path, strlen(path));
	struct root r = { .fd = -1 };
	size_t base = len;
	struct stat st;
	const char *why;
	int rc;

	while (base > 0 && path[base - 1] != '/')
		base--;
	if (path[0] == '\0')
		return err_set(e, ERR_USAGE, "an empty path cannot be sent");
	if (stat(path, &st) < 0)
		return add_failed(path, e);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return add_refused(ERR_LOCAL, path, special_name(st.st_mode),
				   e);
	why = check_base(path, base, len, S_ISDIR(st.st_mode));
	if (why)
		return add_refused(ERR_USAGE, path, why, e);
	if (reserve_root(s) < 0)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = S_ISDIR(st.st_mode) ? fill_dir_root(&r, path, base, len)
				 : fill_file_root(s, &r, path, base, len);
	if (rc < 0) {
		rc = add_failed(path, e);
		release_root(&r);
		return rc;
	}
	s->roots[s->count++] = r;
	return 0;
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

	if (is_exhausted(error)) {
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
	return trouble(w, ERR_LOCAL, special_name(st->st_mode));
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

/* What is called leaf in dir_fd, and is at the end of the text already. */
static int visit(struct walk *w, int dir_fd, const char *leaf)
{
	const char *name = w->text + w->root->name_off;
	const char *why = name_check(name, strlen(name));
	struct stat st;

	if (why)
		return trouble(w, ERR_LOCAL, why);
	if (fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return trouble_gone(w, errno);
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
