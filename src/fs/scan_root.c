/*
 * The roots of a scan: sources of the command line, checked and opened.
 */
#include "fs/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/name.h"
#include "fs/scan_priv.h"
#include "os/path_fd.h"

struct scan *scan_new(enum scan_symlinks symlinks)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (s)
		s->symlinks = symlinks;
	return s;
}

static void release_root(struct root *r)
{
	if (r->owned)
		io_close(&r->fd);
	free(r->display);
	free(r->leaf);
}

void scan_set_filter(struct scan *s, const struct filter *filter)
{
	s->filter = filter;
}

void scan_stay_on_file_system(struct scan *s)
{
	s->stays_on_file_system = 1;
}

void scan_set_symlinks(struct scan *s, enum scan_symlinks symlinks)
{
	s->symlinks = symlinks;
}

void scan_skip_special(struct scan *s)
{
	s->skips_special = 1;
}

void scan_keep_special(struct scan *s)
{
	s->keeps_special = 1;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++)
		release_root(&s->roots[i]);
	for (unsigned i = 0; i < s->bad_count; i++)
		free(s->bad[i].path);
	free(s->bad);
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

int scan_root_open_target(const struct scan *s, unsigned root)
{
	return path_fd_open(s->roots[root].fd, s->roots[root].leaf, 0);
}

const char *scan_root_display(const struct scan *s, unsigned root)
{
	return s->roots[root].display;
}

int scan_is_single_file(const struct scan *s)
{
	return s->count == 1 && s->bad_count == 0 && s->roots[0].leaf;
}

int scan_open_dir(int dir_fd, const char *leaf, int follow)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, fd;

	if (!follow)
		flags |= O_NOFOLLOW;
	do {
		fd = openat(dir_fd, leaf, flags);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

int scan_is_exhausted(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

const char *scan_special_name(mode_t mode)
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

/* ---- adding a root ---- */

/* For a path where a system call failed, with errno. */
static int add_failed(const char *path, struct err *e)
{
	const int saved = errno;
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), path, strlen(path));
	errno = saved;
	return err_sys(e, scan_is_exhausted(saved) ? ERR_RESOURCE : ERR_LOCAL,
		       "%s", shown);
}

/* For a path that is not allowed. */
static int add_refused(int code, const char *path, const char *why,
		       struct err *e)
{
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), path, strlen(path));
	return err_set(e, code, "%s: %s", shown, why);
}

/* A copy of the first len bytes, and a slash after them where slash is set. */
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

/* path[base..len) is the last component: the name of a directory that is sent
 * with it, or "." or "" for one whose content is sent without a name. */
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

/* The last file that was added, if it is in the same directory, else NULL: the
 * two share a descriptor, so that a thousand files given one by one do not take
 * a thousand. */
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
		/* Reading a file in a directory takes search permission
		 * only. */
		r->fd = path_fd_open(AT_FDCWD, base ? r->display : ".",
				     O_DIRECTORY);
		r->owned = r->fd >= 0;
		if (r->fd < 0)
			return -1;
	}
	if (fstatat(r->fd, r->leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	r->follow = S_ISLNK(st.st_mode);
	/* Fail before connecting, not in the middle of the transfer. */
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
	roots = mem_resize(s->roots, cap, sizeof(*roots));
	if (!roots)
		return -1;
	s->roots = roots;
	s->cap = cap;
	return 0;
}

/* Check that the last component may be sent.  Returns NULL or why it may
 * not. */
static const char *check_base(const char *path, size_t base, size_t len,
			      int is_dir)
{
	if (is_dir && (len == base || (len - base == 1 && path[base] == '.')))
		return NULL;
	return name_check(path + base, len - base);
}

int scan_add_bad(struct scan *s, const char *path, const struct err *why,
		 struct err *e)
{
	struct bad_source *bad = mem_resize(s->bad, s->bad_count + 1,
					    sizeof(*bad));
	char *copy = strdup(path);

	if (bad)
		s->bad = bad;
	if (!bad || !copy) {
		free(copy);
		return err_set(e, ERR_RESOURCE, "out of memory");
	}
	bad[s->bad_count].path = copy;
	bad[s->bad_count++].err = *why;
	return 0;
}

int scan_add_list(struct scan *s, const char *dir, int fd, char end,
		  struct err *e)
{
	struct root r = { .fd = -1, .list_fd = fd, .list_end = end,
			  .list_start = lseek(fd, 0, SEEK_CUR) };
	size_t len = strcmp(dir, ".") == 0 ? 0 : strlen(dir);
	char *path = malloc(len + 3);
	int rc = -1;

	/* "DIR/.": what is in DIR, without its name */
	if (path) {
		memcpy(path, dir, len);
		if (len > 0)
			path[len++] = '/';
		memcpy(path + len, ".", 2);
		rc = fill_dir_root(&r, path, len, len + 1);
	}
	if (rc == 0 && reserve_root(s) < 0) {
		errno = ENOMEM;
		rc = -1;
	}
	if (rc == 0)
		s->roots[s->count++] = r;
	else
		rc = add_failed(dir, e);
	free(path);
	if (rc)
		release_root(&r);
	return rc;
}

int scan_add(struct scan *s, const char *path, struct err *e)
{
	size_t len = strlen(path), base;
	struct root r = { .fd = -1, .list_fd = -1 };
	struct stat st;
	const char *why;
	int rc;

	while (len > 0 && path[len - 1] == '/')
		len--;
	base = len;
	while (base > 0 && path[base - 1] != '/')
		base--;
	if (path[0] == '\0')
		return err_set(e, ERR_USAGE, "the PATH is empty");
	if (len - base == 2 && memcmp(path + base, "..", 2) == 0)
		return add_refused(ERR_USAGE, path,
				   "has no name to be sent under; \"../.\" "
				   "sends its contents", e);
	if (stat(path, &st) < 0)
		return add_failed(path, e);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return add_refused(ERR_LOCAL, path,
				   scan_special_name(st.st_mode), e);
	why = check_base(path, base, len, S_ISDIR(st.st_mode));
	if (why)
		return add_refused(ERR_LOCAL, path, why, e);
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
