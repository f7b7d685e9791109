/*
 * A walk with one level for each open directory, as in fs/scan.c.
 */
#include "receiver/extras.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/name.h"
#include "os/listing.h"
#include "os/times.h"
#include "receiver/unlocked.h"
#include "wire/msg.h"

struct level {
	int fd;
	size_t len; /* of extras.name */
	uint64_t dev;
	int is_kept; /* with something that is left alone in it */
	struct listing *listing; /* reused by the next directory */
};

struct extras {
	struct extras_config cfg;
	int is_tree;
	size_t depth, most;
	struct level levels[NAME_DEPTH_MAX];
	/* of a tree: the path of the directory that leaf is in, with a slash,
	 * or empty; then the name of the row */
	char path[NAME_PATH_MAX + NAME_COMPONENT_MAX + 2];
	size_t start; /* where the name begins */
	/* a row that is given next, without a level */
	int has_row;
	struct extras_row row;
};

struct extras *extras_new(const struct extras_config *cfg)
{
	struct extras *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->cfg = *cfg;
	x->most = cfg->depth < NAME_DEPTH_MAX ? cfg->depth : NAME_DEPTH_MAX;
	return x;
}

static void pop_level(struct extras *x)
{
	struct level *l = &x->levels[--x->depth];

	listing_begin(l->listing, -1);
	io_close(&l->fd);
}

void extras_free(struct extras *x)
{
	if (!x)
		return;
	while (x->depth > 0)
		pop_level(x);
	for (size_t i = 0; i < NAME_DEPTH_MAX; i++)
		listing_free(x->levels[i].listing);
	free(x);
}

static int is_since(const struct timespec *t, const struct timespec *began)
{
	return t->tv_sec > began->tv_sec ||
	       (t->tv_sec == began->tv_sec && t->tv_nsec >= began->tv_nsec);
}

int extras_is_young(const struct timespec *began, int dir, const char *leaf,
		    uint32_t *mode)
{
	struct timespec t;
	struct stat st;

	if (times_of_entry(dir, leaf, &t, mode) == 0)
		return is_since(&t, began);
	/* A directory changes with each entry that is removed. */
	if (!*mode || S_ISDIR(*mode) ||
	    fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return is_since(&st.st_ctim, began) &&
	       (st.st_nlink == 1 || is_since(&st.st_mtim, began));
}

/* ---- names that are left alone ---- */

/* Whether the name has " (N)" in it, as place_name() makes it. */
static int is_numbered(const char *name)
{
	for (const char *p = strstr(name, " ("); p; p = strstr(p + 1, " (")) {
		const char *q = p + 2;

		while (isdigit((unsigned char)*q))
			q++;
		if (q > p + 2 && *q == ')')
			return 1;
	}
	return 0;
}

static int is_kept(const struct extras *x, const char *name)
{
	const size_t n = strlen(name);

	/* The sender could not name it. */
	if (name_is_like_own(name, n))
		return 1;
	if (x->cfg.existing == CONFLICT_BACKUP)
		return name[n - 1] == '~';
	return x->cfg.existing == CONFLICT_RENAME && is_numbered(name);
}

/* ---- entries ---- */

/* The next entry that is not left alone; *skips: set to 1 where one was.  NULL
 * at the end, or with *error set. */
static const struct listing_entry *next_entry(const struct extras *x,
					      struct listing *l, int *skips,
					      int *error)
{
	const struct listing_entry *entry = listing_next(l, error);

	while (entry && is_kept(x, entry->name)) {
		*skips = 1;
		entry = listing_next(l, error);
	}
	return entry;
}

static int is_dir(int fd, const struct listing_entry *entry)
{
	return listing_kind_of(fd, entry) == LISTING_DIR;
}

static int open_dir(int dir, const char *leaf)
{
	return openat(dir, leaf,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Take over fd as the innermost directory.  Returns 0, or -1 with errno. */
static int push_level(struct extras *x, int fd, size_t len)
{
	struct level *l = &x->levels[x->depth];
	struct stat st;

	if (fstat(fd, &st) < 0) {
		io_close(&fd);
		return -1;
	}
	if (!l->listing)
		l->listing = listing_new();
	if (!l->listing) {
		io_close(&fd);
		errno = ENOMEM;
		return -1;
	}
	l->fd = fd;
	l->len = len;
	l->dev = (uint64_t)st.st_dev;
	l->is_kept = 0;
	listing_begin(l->listing, fd);
	x->depth++;
	return 0;
}

/* Whether the name has a letter of ASCII. */
static int has_letter(const char *name)
{
	while (*name && !((*name >= 'a' && *name <= 'z') ||
			  (*name >= 'A' && *name <= 'Z')))
		name++;
	return *name != '\0';
}

int extras_sum(const struct extras *x, int dir, struct names_sum *sum,
	       char lettered[NAME_COMPONENT_MAX + 1], struct err *e)
{
	struct listing *l = listing_new();
	int fd = open_dir(dir, "."), skips, rc = 0;
	int error = fd < 0 ? errno : l ? 0 : ENOMEM;
	const struct listing_entry *entry;

	*sum = (struct names_sum){ 0 };
	lettered[0] = '\0';
	if (l)
		listing_begin(l, fd);
	while (!error && (entry = next_entry(x, l, &skips, &error))) {
		const size_t len = strlen(entry->name);

		names_sum_add(sum, entry->name, len, is_dir(fd, entry));
		if (!lettered[0] && len <= NAME_COMPONENT_MAX &&
		    has_letter(entry->name))
			memcpy(lettered, entry->name, len + 1);
	}
	listing_free(l);
	io_close(&fd);
	errno = error;
	if (error)
		rc = err_sys(e, ERR_LOCAL, "cannot list a directory");
	return rc;
}

/* ---- listing ---- */

int extras_begin(struct extras *x, int dir, struct err *e)
{
	const int fd = open_dir(dir, ".");

	x->is_tree = 0;
	x->start = 0;
	if (fd < 0 || push_level(x, fd, 0) < 0)
		return err_sys(e, ERR_LOCAL, "cannot list a directory");
	return 0;
}

/* The row is the path up to len. */
static void set_row(const struct extras *x, struct extras_row *row, size_t len,
		    int directory, unsigned cause)
{
	*row = (struct extras_row){ x->path + x->start, len - x->start,
				    directory, cause };
}

/*
 * Go down into a directory of a tree, whose path is x->path up to len.  Returns
 * whether it did; if not, the row is that of the directory itself, with why it
 * stays, or as an empty one where it cannot be opened: then removing it tells.
 */
static int descend(struct extras *x, int dir, const char *leaf, size_t len,
		   const uint64_t *dev, struct extras_row *row)
{
	struct stat st;
	uint32_t mode;
	unsigned cause = 0;

	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		cause = wire_cause_of_errno(errno);
	else if (dev && (uint64_t)st.st_dev != *dev)
		cause = CAUSE_BUSY; /* another file system is mounted there */
	else if (extras_is_young(&x->cfg.began, dir, leaf, &mode))
		cause = CAUSE_CHANGED;
	else if (x->depth == x->most)
		cause = CAUSE_RESOURCE;
	if (!cause) {
		int fd = open_dir(dir, leaf);

		if (fd < 0 && errno == EACCES &&
		    unlocked_open(x->cfg.unlocked, -1, x->path, len))
			fd = open_dir(dir, leaf);
		if (fd >= 0 && push_level(x, fd, len) == 0)
			return 1;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			cause = CAUSE_RESOURCE;
	}
	set_row(x, row, len, 1, cause);
	return 0;
}

void extras_begin_tree(struct extras *x, int dir, const char *leaf,
		       const char *path, size_t path_len)
{
	struct stat st;
	uint64_t dev = 0;

	memcpy(x->path, path, path_len);
	x->is_tree = 1;
	x->start = path_len - strlen(leaf);
	if (fstat(dir, &st) == 0)
		dev = (uint64_t)st.st_dev;
	x->has_row = !descend(x, dir, leaf, path_len, &dev, &x->row);
}

int extras_next(struct extras *x, struct extras_row *row)
{
	if (x->has_row) {
		x->has_row = 0;
		*row = x->row;
		return 1;
	}
	while (x->depth > 0) {
		struct level *l = &x->levels[x->depth - 1];
		const struct listing_entry *entry;
		size_t n, len;
		int error, directory;

		entry = next_entry(x, l->listing, &l->is_kept, &error);
		if (!entry) {
			len = l->len;
			pop_level(x);
			if (!x->is_tree)
				return 0;
			/* Neither is a directory empty that this one is in. */
			if (l->is_kept && x->depth > 0)
				x->levels[x->depth - 1].is_kept = 1;
			set_row(x, row, len, 1, l->is_kept ? CAUSE_EXISTS : 0);
			return 1;
		}
		n = strlen(entry->name);
		len = l->len + (l->len > 0) + n;
		/* No item can have had such a path. */
		if (len > NAME_PATH_MAX) {
			l->is_kept = 1;
			continue;
		}
		if (l->len > 0)
			x->path[l->len] = '/';
		memcpy(x->path + len - n, entry->name, n);
		directory = is_dir(l->fd, entry);
		if (directory && x->is_tree) {
			if (descend(x, l->fd, entry->name, len, &l->dev, row))
				continue;
			return 1;
		}
		set_row(x, row, len, directory, 0);
		return 1;
	}
	return 0;
}
