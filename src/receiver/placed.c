/*
 * A table of paths by a key that is the same for all spellings that a file
 * system may take for one.  Not by inode: on FUSE a file may have another one
 * under each spelling.
 */
#include "receiver/placed.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fnv.h"
#include "base/io.h"
#include "base/names.h"
#include "fs/trial.h"
#include "os/casefold.h"

enum {
	SLOTS_MIN = 64,
	/* About 64 MiB with paths of 100 bytes.  From there on each file that
	 * is there already counts as one of this session. */
	PATHS_MAX = 1 << 19,
	DIRS = 256,   /* whose folding is remembered; a power of 2 */
	DEVICES = 16, /* the same, of file systems */
};

enum folding { FOLDS_UNKNOWN, FOLDS_NOT, FOLDS_ALL, FOLDS_HERE };

/* What is known of a directory: FOLDS_ALL where the file system folds all
 * names, FOLDS_HERE where the directory has the attribute.  Only then its inode
 * tells it from others. */
struct dir {
	uint64_t key; /* of its path; 0: the slot is free */
	enum folding folding;
	uint64_t dev, ino; /* with FOLDS_HERE, else 0 */
};

struct device {
	uint64_t dev;
	int folds;
};

struct slot {
	uint64_t key;
	char *path;        /* NULL: free */
	uint64_t dev, ino; /* of struct dir */
	int is_listed;     /* by this spelling; 0: not looked for yet, or not */
};

struct part_id {
	uint64_t tag, dir_key, dir;
};

struct placed {
	int replaces; /* set once */
	struct timespec began;
	/* guarded by lock */
	pthread_mutex_t lock;
	struct dir dirs[DIRS];
	struct device devices[DEVICES];
	size_t device_count;
	struct slot *slots;
	size_t size, count; /* size: a power of 2, at least twice count */
	int is_full;
	struct part_id *parts; /* in use */
	size_t part_count, part_room;
};

struct placed *placed_new(int replaces, const struct timespec *began)
{
	struct placed *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->replaces = replaces;
	p->began = *began;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void placed_free(struct placed *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->size; i++)
		free(p->slots[i].path);
	free(p->slots);
	free(p->parts);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- which directories fold ---- */

static size_t dir_len(const struct placed_name *name)
{
	return name->path_len - strlen(name->leaf);
}

/* Whether the file system of dir_fd folds all names; 0 where that is not
 * known. */
static int device_folds(struct placed *p, uint64_t dev, int dir_fd)
{
	int folds;

	for (size_t i = 0; i < p->device_count; i++) {
		if (p->devices[i].dev == dev)
			return p->devices[i].folds;
	}
	folds = trial_folding(dir_fd);
	if (folds >= 0 && p->device_count < DEVICES)
		p->devices[p->device_count++] = (struct device){ dev, folds };
	return folds > 0;
}

/* What is known of the name's directory; what is not remembered of it is found
 * out now, but by a trial only where may_try, else it is FOLDS_UNKNOWN.
 * Locked. */
static struct dir dir_of(struct placed *p, const struct placed_name *name,
			 int may_try)
{
	/* Not 0, which is a free slot. */
	const uint64_t key = fnv_bytes(FNV_START, name->path, dir_len(name)) | 1;
	struct dir *d = &p->dirs[key / 2 & (DIRS - 1)];
	struct stat st;

	if (d->key == key && (d->folding != FOLDS_UNKNOWN || !may_try))
		return *d;
	*d = (struct dir){ .key = key, .folding = FOLDS_NOT };
	if (fstat(name->dir_fd, &st) < 0)
		return *d;
	if (casefold_is_set(name->dir_fd)) {
		d->folding = FOLDS_HERE;
		d->dev = (uint64_t)st.st_dev;
		d->ino = (uint64_t)st.st_ino;
	} else if (!may_try) {
		d->folding = FOLDS_UNKNOWN;
	} else if (device_folds(p, (uint64_t)st.st_dev, name->dir_fd)) {
		d->folding = FOLDS_ALL;
	}
	return *d;
}

static int has_noted(const struct placed *p)
{
	return p->count > 0 || p->is_full;
}

int placed_lock(struct placed *p, const struct placed_name *name)
{
	if (!p || !p->replaces)
		return 0;
	pthread_mutex_lock(&p->lock);
	/* The first one is noted in any case: a session of one file needs no
	 * trial, which costs much compared with it. */
	if (dir_of(p, name, has_noted(p)).folding != FOLDS_NOT)
		return 1;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

void placed_unlock(struct placed *p)
{
	pthread_mutex_unlock(&p->lock);
}

/* ---- the table ---- */

/* The first slot from i on that has this key, or the free one after them. */
static size_t next_slot(const struct slot *slots, size_t size, uint64_t key,
			size_t i)
{
	while (slots[i & (size - 1)].path && slots[i & (size - 1)].key != key)
		i++;
	return i & (size - 1);
}

static int grow(struct placed *p)
{
	const size_t size = p->size ? 2 * p->size : SLOTS_MIN;
	struct slot *slots = p->count < PATHS_MAX ?
				     calloc(size, sizeof(*slots)) : NULL;

	if (!slots)
		return -1;
	for (size_t i = 0; i < p->size; i++) {
		size_t at = (size_t)p->slots[i].key;

		if (!p->slots[i].path)
			continue;
		while (slots[at & (size - 1)].path)
			at++;
		slots[at & (size - 1)] = p->slots[i];
	}
	free(p->slots);
	p->slots = slots;
	p->size = size;
	return 0;
}

void placed_note(struct placed *p, const struct placed_name *name)
{
	const uint64_t key = names_folded(name->path, name->path_len);
	const struct dir dir = dir_of(p, name, 0);
	char *path = strndup(name->path, name->path_len);
	size_t i;

	if (!path || (2 * (p->count + 1) > p->size && grow(p) < 0)) {
		free(path);
		p->is_full = 1;
		return;
	}
	i = next_slot(p->slots, p->size, key, (size_t)key);
	while (p->slots[i].path) {
		if (strcmp(p->slots[i].path, path) == 0) {
			free(path);
			return;
		}
		i = next_slot(p->slots, p->size, key, i + 1);
	}
	p->slots[i] = (struct slot){ key, path, dir.dev, dir.ino, 0 };
	p->count++;
}

/* ---- rivals ---- */

/* Find the leaf as it is spelled in its directory: itself if it is there, else
 * the one with the inode of there.  "" where neither is listed. */
static void find_stored(const struct placed_name *name,
			const struct stat *there, char stored[NAME_MAX + 1])
{
	int fd = openat(name->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;

	stored[0] = '\0';
	while (d && (de = readdir(d))) {
		const int is_it = strcmp(de->d_name, name->leaf) == 0;

		if (is_it || de->d_ino == there->st_ino)
			memcpy(stored, de->d_name, strlen(de->d_name) + 1);
		if (is_it)
			break;
	}
	if (d)
		closedir(d);
	else
		io_close(&fd);
}

static char *stored_path(const struct placed_name *name, const char *stored)
{
	const size_t n = dir_len(name), size = strlen(stored) + 1;
	char *path = malloc(n + size);

	if (path) {
		memcpy(path, name->path, n);
		memcpy(path + n, stored, size);
	}
	return path;
}

/* Whether the path of s, in the directory of name, is listed there as it is
 * spelled.  Otherwise it took the place of another spelling, which the entry
 * still has. */
static int is_listed(struct slot *s, const struct placed_name *name)
{
	const struct placed_name own = { name->dir_fd, s->path + dir_len(name),
					 s->path, strlen(s->path) };
	const struct stat none = { 0 };
	char stored[NAME_MAX + 1];

	if (!s->is_listed) {
		find_stored(&own, &none, stored);
		s->is_listed = strcmp(stored, own.leaf) == 0;
	}
	return s->is_listed;
}

/* One that was noted under another spelling.  Others have its key as well: then
 * the directory lists both as they are. */
static char *find_noted(struct placed *p, const struct placed_name *name,
			const struct stat *there)
{
	const uint64_t key = names_folded(name->path, name->path_len);
	const struct dir dir = dir_of(p, name, 0);
	const size_t n = dir_len(name);
	char stored[NAME_MAX + 1];
	size_t i;

	if (p->size == 0)
		return NULL;
	find_stored(name, there, stored);
	i = next_slot(p->slots, p->size, key, (size_t)key);
	for (; p->slots[i].path;
	     i = next_slot(p->slots, p->size, key, i + 1)) {
		const char *path = p->slots[i].path;
		const int same_dir = strlen(path) > n &&
				     memcmp(path, name->path, n) == 0 &&
				     !strchr(path + n, '/');

		if (same_dir && strcmp(stored, name->leaf) == 0 &&
		    is_listed(&p->slots[i], name))
			continue; /* two entries */
		if (p->slots[i].dev != dir.dev || p->slots[i].ino != dir.ino)
			continue; /* not this directory */
		if (strlen(path) != name->path_len ||
		    memcmp(path, name->path, name->path_len) != 0)
			return strdup(path);
	}
	return p->is_full ? stored_path(name, stored) : NULL;
}

char *placed_note_same(struct placed *p, const struct placed_name *name)
{
	char *rival = NULL;
	struct stat there;

	if (!placed_lock(p, name))
		return NULL;
	if (fstatat(name->dir_fd, name->leaf, &there, AT_SYMLINK_NOFOLLOW) == 0)
		rival = find_noted(p, name, &there);
	if (!rival)
		placed_note(p, name);
	placed_unlock(p);
	return rival;
}

/* Whether it was put there, or changed, since the session began. */
static int is_young(const struct placed *p, const struct stat *there)
{
	const struct timespec *t = &there->st_ctim, *began = &p->began;

	return t->tv_sec > began->tv_sec ||
	       (t->tv_sec == began->tv_sec && t->tv_nsec >= began->tv_nsec);
}

char *placed_rival(struct placed *p, const struct placed_name *name,
		   const struct stat *there, int is_locked)
{
	char stored[NAME_MAX + 1], *path = NULL;

	if (!p)
		return NULL;
	if (!is_locked)
		pthread_mutex_lock(&p->lock);
	if (p->replaces) {
		if (has_noted(p) && dir_of(p, name, 1).folding != FOLDS_NOT)
			path = find_noted(p, name, there);
	} else if (is_young(p, there) &&
		   dir_of(p, name, 1).folding != FOLDS_NOT) {
		find_stored(name, there, stored);
		path = stored_path(name, stored[0] ? stored : name->leaf);
	}
	if (!is_locked)
		pthread_mutex_unlock(&p->lock);
	return path;
}

/* ---- parts ---- */

static struct part_id part_id_of(const struct placed_name *name, uint64_t tag)
{
	const size_t n = dir_len(name);
	const struct part_id id = { tag, names_folded(name->path, n),
				    fnv_bytes(FNV_START, name->path, n) };

	return id;
}

/* Whether an item has this part through another spelling of the directory:
 * where only some directories fold, the lock on the part tells. */
static int is_shared(struct placed *p, const struct part_id *id,
		     const struct placed_name *name)
{
	for (size_t i = 0; i < p->part_count; i++) {
		const struct part_id *o = &p->parts[i];

		if (o->tag == id->tag && o->dir_key == id->dir_key &&
		    o->dir != id->dir)
			return dir_of(p, name, 1).folding == FOLDS_ALL;
	}
	return 0;
}

int placed_take_part(struct placed *p, const struct placed_name *name,
		     uint64_t tag)
{
	const struct part_id id = part_id_of(name, tag);
	struct part_id *parts;
	int rc = -1;

	pthread_mutex_lock(&p->lock);
	if (is_shared(p, &id, name))
		goto out;
	if (p->part_count == p->part_room) {
		const size_t room = p->part_room ? 2 * p->part_room : 64;

		parts = realloc(p->parts, room * sizeof(*parts));
		if (!parts)
			goto out;
		p->parts = parts;
		p->part_room = room;
	}
	p->parts[p->part_count++] = id;
	rc = 0;
out:
	pthread_mutex_unlock(&p->lock);
	return rc;
}

void placed_drop_part(struct placed *p, const struct placed_name *name,
		      uint64_t tag)
{
	const struct part_id id = part_id_of(name, tag);

	pthread_mutex_lock(&p->lock);
	for (size_t i = p->part_count; i > 0; i--) {
		if (p->parts[i - 1].tag != id.tag ||
		    p->parts[i - 1].dir != id.dir)
			continue;
		p->parts[i - 1] = p->parts[--p->part_count];
		break;
	}
	pthread_mutex_unlock(&p->lock);
}
