/*
 * A table of files, and a list of names that wait for one of them.
 */
#include "sender/links.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	FILES_MAX = 1 << 18,
	NAMES_MAX = 32 << 20, /* bytes of the files' first names */
	KEPT_MAX = 4 << 20,   /* bytes of names that are kept */
	SLOTS_MIN = 256,
};

enum file_state { FILE_IS_SENT, FILE_IS_THERE, FILE_IS_GONE };

struct file {
	dev_t dev;
	ino_t ino;
	size_t name_at; /* in names, terminated */
	enum file_state state;
};

struct kept {
	struct kept *next;
	uint32_t number;
	unsigned root;
	size_t name_len, path_off;
	struct stat st;
	char name[];
};

struct links {
	pthread_mutex_t lock;
	pthread_cond_t settled;
	/* guarded by lock */
	struct file *files; /* number n is files[n - 1] */
	size_t count, cap;
	uint32_t *slots; /* numbers, by hash; 0: free */
	size_t slot_count; /* a power of 2, at least twice count */
	struct buf names;
	struct kept *first, **end;
	size_t kept, kept_bytes;
	int has_settled, is_closed;
};

struct links *links_new(void)
{
	struct links *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->settled, NULL);
	buf_init(&l->names, NAMES_MAX);
	l->end = &l->first;
	return l;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	while (l->first) {
		struct kept *next = l->first->next;

		free(l->first);
		l->first = next;
	}
	free(l->files);
	free(l->slots);
	buf_release(&l->names);
	pthread_cond_destroy(&l->settled);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- the table.  Locked ---- */

/* The slot of a file, or the free one where it belongs. */
static uint32_t *slot_of(const struct links *l, dev_t dev, ino_t ino)
{
	const uint64_t h = ((uint64_t)ino ^ (uint64_t)dev << 32) *
			   UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(h >> 32) & (l->slot_count - 1);

	while (l->slots[i] && (l->files[l->slots[i] - 1].ino != ino ||
			       l->files[l->slots[i] - 1].dev != dev))
		i = (i + 1) & (l->slot_count - 1);
	return &l->slots[i];
}

static int grow(struct links *l)
{
	const size_t cap = l->cap ? 2 * l->cap : SLOTS_MIN / 2;
	struct file *files = mem_resize(l->files, cap, sizeof(*files));
	uint32_t *slots;

	if (!files)
		return -1;
	l->files = files;
	slots = calloc(2 * cap, sizeof(*slots));
	if (!slots)
		return -1;
	free(l->slots);
	l->slots = slots;
	l->slot_count = 2 * cap;
	l->cap = cap;
	for (size_t i = 0; i < l->count; i++)
		*slot_of(l, files[i].dev, files[i].ino) = (uint32_t)i + 1;
	return 0;
}

static int put_name(struct links *l, const char *name, size_t len, size_t *at)
{
	*at = l->names.len;
	if (NAMES_MAX - l->names.len <= len)
		return -1;
	buf_put(&l->names, name, len);
	buf_put_u8(&l->names, 0);
	if (!l->names.failed)
		return 0;
	l->names.failed = 0;
	l->names.len = *at;
	return -1;
}

/* Returns the number, or 0 where there is no room. */
static uint32_t add_file(struct links *l, const struct links_name *n)
{
	struct file f = { n->st->st_dev, n->st->st_ino, 0, FILE_IS_SENT };

	if (l->count == FILES_MAX || (l->count == l->cap && grow(l) < 0) ||
	    put_name(l, n->name, n->name_len, &f.name_at) < 0)
		return 0;
	l->files[l->count++] = f;
	*slot_of(l, f.dev, f.ino) = (uint32_t)l->count;
	return (uint32_t)l->count;
}

/* Another name takes the place of the first, which the receiver did not get. */
static int rename_file(struct links *l, struct file *f,
		       const struct links_name *n)
{
	size_t at;

	if (put_name(l, n->name, n->name_len, &at) < 0)
		return -1;
	f->name_at = at;
	f->state = FILE_IS_SENT;
	return 0;
}

static int keep(struct links *l, const struct links_name *n, uint32_t number)
{
	struct kept *k = malloc(sizeof(*k) + n->name_len + 1);

	if (!k)
		return -1;
	*k = (struct kept){ .number = number,
			    .root = n->root,
			    .name_len = n->name_len,
			    .path_off = n->path_off,
			    .st = *n->st };
	memcpy(k->name, n->name, n->name_len + 1);
	*l->end = k;
	l->end = &k->next;
	l->kept++;
	l->kept_bytes += sizeof(*k) + n->name_len;
	return 0;
}

static void copy_name(const struct links *l, const struct file *f,
		      struct buf *to)
{
	const char *name = (const char *)l->names.data + f->name_at;

	buf_reset(to);
	buf_put(to, name, strlen(name) + 1);
}

/* ---- for all ---- */

enum links_state links_find(struct links *l, const struct links_name *n,
			    uint32_t *number, struct buf *first)
{
	enum links_state state = LINKS_FULL;
	uint32_t *slot;
	struct file *f;

	*number = 0;
	pthread_mutex_lock(&l->lock);
	slot = l->slot_count ? slot_of(l, n->st->st_dev, n->st->st_ino) : NULL;
	f = slot && *slot ? &l->files[*slot - 1] : NULL;
	if (!f) {
		*number = add_file(l, n);
		state = *number ? LINKS_FIRST : LINKS_FULL;
	} else if (f->state == FILE_IS_GONE && rename_file(l, f, n) == 0) {
		*number = *slot;
		state = LINKS_FIRST;
	} else if (f->state == FILE_IS_THERE) {
		copy_name(l, f, first);
		state = first->failed ? LINKS_FULL : LINKS_THERE;
	} else if (f->state == FILE_IS_SENT && keep(l, n, *slot) == 0) {
		state = LINKS_LATER;
	}
	pthread_mutex_unlock(&l->lock);
	return state;
}

void links_settle(struct links *l, uint32_t number, const struct stat *st,
		  int is_there)
{
	struct file *f;

	if (number == 0)
		return;
	pthread_mutex_lock(&l->lock);
	f = &l->files[number - 1];
	/* Another file may have taken the name since the scan. */
	is_there = is_there && f->dev == st->st_dev && f->ino == st->st_ino;
	f->state = is_there ? FILE_IS_THERE : FILE_IS_GONE;
	l->has_settled = 1;
	pthread_cond_broadcast(&l->settled);
	pthread_mutex_unlock(&l->lock);
}

int links_next(struct links *l, struct links_name *n, struct stat *st,
	       struct buf *name, size_t *left)
{
	struct kept **at, *k;

	pthread_mutex_lock(&l->lock);
	at = &l->first;
	while (*at && l->files[(*at)->number - 1].state == FILE_IS_SENT)
		at = &(*at)->next;
	k = *at;
	if (k) {
		*at = k->next;
		if (!*at)
			l->end = at;
		l->kept--;
		l->kept_bytes -= sizeof(*k) + k->name_len;
	} else {
		l->has_settled = 0;
	}
	*left = l->kept;
	pthread_mutex_unlock(&l->lock);
	if (!k)
		return 0;
	buf_reset(name);
	buf_put(name, k->name, k->name_len + 1);
	*st = k->st;
	*n = (struct links_name){ (const char *)name->data, k->name_len,
				  k->path_off, k->root, st };
	free(k);
	return !name->failed;
}

int links_is_full(struct links *l)
{
	int is_full;

	pthread_mutex_lock(&l->lock);
	is_full = l->kept_bytes >= KEPT_MAX;
	pthread_mutex_unlock(&l->lock);
	return is_full;
}

int links_await(struct links *l)
{
	int closed;

	pthread_mutex_lock(&l->lock);
	while (!l->has_settled && !l->is_closed)
		pthread_cond_wait(&l->settled, &l->lock);
	closed = l->is_closed;
	pthread_mutex_unlock(&l->lock);
	return closed ? -1 : 0;
}

void links_close(struct links *l)
{
	pthread_mutex_lock(&l->lock);
	l->is_closed = 1;
	pthread_cond_broadcast(&l->settled);
	pthread_mutex_unlock(&l->lock);
}
