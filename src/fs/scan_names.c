/*
 * Whether sources of a scan would get the same name at the receiver.
 */
#include "fs/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "fs/filter.h"
#include "fs/name.h"
#include "fs/scan_priv.h"

/* A source that arrives under a name of its own. */
struct named {
	const char *name; /* not terminated */
	size_t len;
	const struct root *root; /* NULL: standard input */
};

/* Two directories whose content is sent without their names. */
struct pair {
	const struct scan *scan;
	const struct root *a, *b;
	char path[NAME_PATH_MAX + 1]; /* below both */
	size_t len;
};

/* ---- messages ---- */

/* What the user gave, or what is at path below it, escaped. */
static void show(char dst[SHOWN_MAX / 2], const struct root *r,
		 const char *path)
{
	char text[2 * NAME_PATH_MAX];
	size_t n;

	if (!r) {
		snprintf(dst, SHOWN_MAX / 2, "standard input");
		return;
	}
	n = strlen(r->display);
	if (!r->leaf && *path == '\0' && n > 1)
		n--; /* the slash */
	snprintf(text, sizeof(text), "%.*s%s%s", (int)n, r->display,
		 r->leaf ? r->leaf : "", path);
	text_escape(dst, SHOWN_MAX / 2, text, strlen(text));
}

static int refuse(const struct root *a, const char *below_a,
		  const struct root *b, const char *below_b, const char *name,
		  size_t len, struct err *e)
{
	char one[SHOWN_MAX / 2], two[SHOWN_MAX / 2], as[SHOWN_MAX / 2];

	show(one, a, below_a);
	show(two, b, below_b);
	text_escape(as, sizeof(as), name, len);
	return err_set(e, ERR_USAGE,
		       "%s and %s would both arrive as %s: rename one, or send "
		       "them into different directories", one, two, as);
}

/* ---- what would be sent ---- */

/* Whether the entry leaf of dir would be sent, as path; *is_dir: as a directory
 * that is not reached by a symlink. */
static int is_sent(const struct scan *s, int dir, const char *leaf,
		   const char *path, int *is_dir)
{
	struct stat st;
	int is_link;

	*is_dir = 0;
	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	is_link = S_ISLNK(st.st_mode);
	if (is_link && s->symlinks == SCAN_SKIP)
		return 0;
	if (is_link && s->symlinks == SCAN_FOLLOW && fstatat(dir, leaf, &st, 0))
		return 0;
	if (name_check(path, strlen(path)) ||
	    (s->filter && filter_excludes(s->filter, path,
					  S_ISDIR(st.st_mode))))
		return 0;
	*is_dir = S_ISDIR(st.st_mode) && !is_link;
	return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
	       S_ISLNK(st.st_mode);
}

/* ---- two contents ---- */

static int compare_dirs(struct pair *p, int a, int b, struct err *e);

/* A directory's device; 0 where it is of no interest. */
static dev_t device_of(const struct scan *s, int dir)
{
	struct stat st;

	return s->stays_on_file_system && fstat(dir, &st) == 0 ? st.st_dev : 0;
}

/* p->path ends with leaf, an entry of a. */
static int compare_entry(struct pair *p, int a, int b, const char *leaf,
			 struct err *e)
{
	int a_is_dir, b_is_dir, sub_a, sub_b, rc = 0;

	if (!is_sent(p->scan, a, leaf, p->path, &a_is_dir) ||
	    !is_sent(p->scan, b, leaf, p->path, &b_is_dir))
		return 0;
	/* Two directories become one; what is in them may not. */
	if (!a_is_dir || !b_is_dir)
		return refuse(p->a, p->path, p->b, p->path, p->path, p->len, e);
	sub_a = scan_open_dir(a, leaf, 0);
	sub_b = scan_open_dir(b, leaf, 0);
	/* A mount point may be sent, but not what is in it. */
	if (sub_a >= 0 && sub_b >= 0 &&
	    device_of(p->scan, sub_a) == device_of(p->scan, a) &&
	    device_of(p->scan, sub_b) == device_of(p->scan, b))
		rc = compare_dirs(p, sub_a, sub_b, e);
	io_close(&sub_a);
	io_close(&sub_b);
	return rc;
}

/* What cannot be read here is reported by the scan, not now. */
static int compare_dirs(struct pair *p, int a, int b, struct err *e)
{
	const size_t len = p->len;
	/* opened again: a directory has one offset for all its descriptors */
	const int fd = scan_open_dir(a, ".", 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int rc = 0;

	if (!dir && fd >= 0)
		close(fd);
	while (rc == 0 && dir && (entry = readdir(dir))) {
		const size_t n = strlen(entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 ||
		    len + n + 2 > sizeof(p->path))
			continue;
		if (len > 0)
			p->path[len] = '/';
		p->len = len + (len > 0) + n;
		memcpy(p->path + p->len - n, entry->d_name, n + 1);
		rc = compare_entry(p, a, b, entry->d_name, e);
	}
	p->len = len;
	if (dir)
		closedir(dir);
	return rc;
}

/* ---- all sources ---- */

static int compare_names(const struct named *x, const struct named *y)
{
	const size_t n = x->len < y->len ? x->len : y->len;
	const int c = memcmp(x->name, y->name, n);

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* By name, then as they were given. */
static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	const int c = compare_names(x, y);

	return c ? c : (x->root > y->root) - (x->root < y->root);
}

/* Whether its content is sent without its name. */
static int is_content(const struct root *r)
{
	return !r->leaf && r->name_off == r->display_len;
}

static int check_named(struct named *v, size_t count, struct err *e)
{
	qsort(v, count, sizeof(*v), by_name);
	for (size_t i = 1; i < count; i++) {
		if (compare_names(&v[i - 1], &v[i]) == 0)
			return refuse(v[i - 1].root, "", v[i].root, "",
				      v[i].name, v[i].len, e);
	}
	return 0;
}

/* The content of r against sources with names. */
static int check_content(const struct scan *s, const struct root *r,
			 const struct named *v, size_t count, struct err *e)
{
	char name[NAME_COMPONENT_MAX + 1];
	int is_dir;

	for (size_t i = 0; i < count; i++) {
		if (v[i].len > NAME_COMPONENT_MAX)
			continue;
		memcpy(name, v[i].name, v[i].len);
		name[v[i].len] = '\0';
		if (is_sent(s, r->fd, name, name, &is_dir))
			return refuse(v[i].root, "", r, name, name, v[i].len,
				      e);
	}
	return 0;
}

static size_t list_named(const struct scan *s, const char *stdin_name,
			 struct named *v)
{
	size_t count = 0;

	if (stdin_name)
		v[count++] = (struct named){ stdin_name, strlen(stdin_name),
					     NULL };
	for (unsigned i = 0; i < s->count; i++) {
		const struct root *r = &s->roots[i];

		if (r->leaf)
			v[count++] = (struct named){ r->leaf, strlen(r->leaf),
						     r };
		else if (!is_content(r))
			v[count++] = (struct named){
				r->display + r->name_off,
				r->display_len - r->name_off - 1, r
			};
	}
	return count;
}

int scan_names_check(const struct scan *s, const char *stdin_name,
		     struct err *e)
{
	struct named *v = calloc((size_t)s->count + 1, sizeof(*v));
	struct pair *p = calloc(1, sizeof(*p));
	size_t count;
	int rc;

	if (!v || !p) {
		free(v);
		free(p);
		return err_set(e, ERR_RESOURCE, "out of memory");
	}
	count = list_named(s, stdin_name, v);
	rc = check_named(v, count, e);
	p->scan = s;
	for (unsigned i = 0; rc == 0 && i < s->count; i++) {
		p->b = &s->roots[i];
		if (!is_content(p->b) || p->b->list_fd >= 0)
			continue;
		rc = check_content(s, p->b, v, count, e);
		for (unsigned j = 0; rc == 0 && j < i; j++) {
			p->a = &s->roots[j];
			if (is_content(p->a) && p->a->list_fd < 0)
				rc = compare_dirs(p, p->a->fd, p->b->fd, e);
		}
	}
	free(v);
	free(p);
	return rc;
}
