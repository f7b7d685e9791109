/*
 * A search tree of paths (tsearch(3)), and a list of them, since POSIX has no
 * walk over a tree that takes an argument.
 */
#include "receiver/unlocked.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fs/dirs.h"
#include "fs/name.h"
#include "fs/unlock.h"
#include "receiver/dir_opener.h"

enum {
	/* Of paths and what is kept with each. */
	BYTES_MAX = 16 << 20,
	OPENED_BYTES = 128, /* about what one takes with its node */
};

struct opened {
	struct opened *next, **link; /* link: what points here */
	struct unlock was;
	size_t depth, len;
	char path[]; /* len bytes */
};

struct unlocked {
	struct dir_opener *opener; /* set once; borrowed, or NULL */
	struct attr_helper *attrs;
	/* guarded by lock */
	pthread_mutex_t lock;
	void *tree; /* of struct opened */
	struct opened *first;
	size_t count, bytes;
};

struct unlocked *unlocked_new(struct dir_opener *opener,
			      struct attr_helper *attrs)
{
	struct unlocked *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->opener = opener;
	u->attrs = attrs;
	pthread_mutex_init(&u->lock, NULL);
	return u;
}

struct attr_helper *unlocked_attrs(const struct unlocked *u)
{
	return u ? u->attrs : NULL;
}

static int compare(const void *a, const void *b)
{
	const struct opened *x = a, *y = b;
	const int rc = memcmp(x->path, y->path,
			      x->len < y->len ? x->len : y->len);

	return rc ? rc : (x->len > y->len) - (x->len < y->len);
}

void unlocked_free(struct unlocked *u)
{
	if (!u)
		return;
	while (u->tree) {
		struct opened *en = *(struct opened **)u->tree;

		tdelete(en, &u->tree, compare);
		free(en);
	}
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static struct opened *opened_new(const char *path, size_t len)
{
	struct opened *en = malloc(sizeof(*en) + len);

	if (!en)
		return NULL;
	memcpy(en->path, path, len);
	en->len = len;
	en->depth = 1;
	for (size_t i = 0; i < len; i++)
		en->depth += path[i] == '/';
	return en;
}

/* Locked. */
static void list_add(struct unlocked *u, struct opened *en)
{
	en->next = u->first;
	en->link = &u->first;
	if (en->next)
		en->next->link = &en->next;
	u->first = en;
	u->bytes += en->len + OPENED_BYTES;
	u->count++;
}

/* Locked. */
static void list_remove(struct unlocked *u, struct opened *en)
{
	*en->link = en->next;
	if (en->next)
		en->next->link = en->link;
	u->bytes -= en->len + OPENED_BYTES;
	u->count--;
}

/* Takes the entry.  Returns as unlock_dir().  Locked. */
static int unlock_and_note(struct unlocked *u, int fd, struct opened *en)
{
	struct opened *const *found;
	int rc;

	/* Noted first, as what cannot be noted must not be unlocked. */
	found = u->bytes + en->len + OPENED_BYTES > BYTES_MAX ? NULL :
			tsearch(en, &u->tree, compare);
	if (!found) {
		free(en);
		return -1;
	}
	rc = fd >= 0 ? unlock_dir(fd, u->attrs, &en->was) :
		       dir_opener_unlock(u->opener, en->path, en->len, &en->was);
	if (*found != en) {
		/* It was locked again meanwhile, by another process. */
		if (rc > 0)
			(*found)->was = en->was;
		free(en);
	} else if (rc > 0) {
		list_add(u, en);
	} else {
		tdelete(en, &u->tree, compare);
		free(en);
	}
	return rc;
}

int unlocked_open(struct unlocked *u, int fd, const char *path, size_t len)
{
	struct opened *en;
	int rc;

	if (!u || (fd < 0 && !u->opener) || len == 0)
		return 0;
	en = opened_new(path, len);
	if (!en)
		return 0;
	pthread_mutex_lock(&u->lock);
	rc = unlock_and_note(u, fd, en);
	pthread_mutex_unlock(&u->lock);
	return rc >= 0;
}

int unlocked_open_parent(struct unlocked *u, int fd, const char *path,
			 size_t len)
{
	const char *slash = mem_last(path, '/', len);

	return slash ? unlocked_open(u, fd, path, (size_t)(slash - path)) : 0;
}

static int on_locked(void *ctx, int fd, const char *path, size_t len)
{
	return unlocked_open(ctx, fd, path, len);
}

void unlocked_serve(struct unlocked *u, struct dirs *d)
{
	dirs_set_on_locked(d, on_locked, u);
}

/* Locked. */
static void forget(struct unlocked *u, struct opened *en)
{
	tdelete(en, &u->tree, compare);
	list_remove(u, en);
	free(en);
}

void unlocked_forget(struct unlocked *u, const char *path, size_t len)
{
	struct opened *key, *const *found;

	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	if (u->count > 0 && (key = opened_new(path, len))) {
		found = tfind(key, &u->tree, compare);
		if (found)
			forget(u, *found);
		free(key);
	}
	pthread_mutex_unlock(&u->lock);
}

/* ---- restoring ---- */

struct list {
	struct opened **entries;
	size_t count;
};

static int by_depth(const void *a, const void *b)
{
	const struct opened *const *x = a, *const *y = b;

	return ((*x)->depth < (*y)->depth) - ((*x)->depth > (*y)->depth);
}

/* Returns 0 or an errno. */
static int restore_one(const struct unlocked *u, const struct opened *en,
		       struct dirs *walk)
{
	struct err e;
	int fd;

	err_clear(&e);
	fd = dirs_enter(walk, en->path, en->len, &e);
	/* It was removed or replaced. */
	if (fd < 0 && (e.sys_errno == ENOENT || e.sys_errno == ENOTDIR ||
		       e.sys_errno == ELOOP))
		return 0;
	if (fd < 0)
		return e.sys_errno ? e.sys_errno : EIO;
	return unlock_restore(fd, u->attrs, &en->was) < 0 ? errno : 0;
}

size_t unlocked_restore(struct unlocked *u, size_t depth, struct dirs *walk,
			unlocked_trouble trouble, void *ctx)
{
	struct list l = { .entries = NULL };

	if (!u)
		return 0;
	pthread_mutex_lock(&u->lock);
	if (u->count > 0)
		l.entries = calloc(u->count, sizeof(struct opened *));
	for (struct opened *en = u->first; l.entries && en; en = en->next) {
		if (en->depth >= depth)
			l.entries[l.count++] = en;
	}
	if (l.count > 0)
		qsort(l.entries, l.count, sizeof(struct opened *), by_depth);
	for (size_t i = 0; i < l.count; i++) {
		struct opened *en = l.entries[i];
		const int error = restore_one(u, en, walk);

		if (error)
			trouble(ctx, en->path, en->len, error);
		forget(u, en);
	}
	pthread_mutex_unlock(&u->lock);
	free(l.entries);
	return l.count;
}
