/*
 * Directory metadata: records, in memory or spilled to a file.
 */
#include "receiver/dir_meta.h"

#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "fs/dirs.h"
#include "fs/why.h"
#include "os/identity.h"
#include "receiver/made.h"
#include "receiver/quota.h"
#include "receiver/unlocked.h"

enum {
	DIR_META_MEMORY = 4 << 20,
	IS_MADE = 1 << 15,
	RECORD_MAX = 2 + NAME_PATH_MAX + FILE_META_MAX,
	OWNER = 0700,
	/* Locked directories at this depth and below are treated alike: each
	 * depth costs a pass over all records, and a sender chooses both. */
	DEPTH_MAX = 64,
};

struct dir_meta {
	/* set once; borrowed */
	int root_fd;
	struct made *made;
	struct unlocked *unlocked;
	struct quota *quota;
	int replaces;
	unsigned walk_dirs; /* held open */
	const struct preserve *preserve; /* or NULL */
	/* guarded by lock */
	pthread_mutex_t lock;
	struct buf mem; /* records: u16 length, and IS_MADE | path |
			   metadata in the form FILE_META_EXTENDED */
	int spill_fd;   /* or -1 */
	int count;
};

struct record {
	const char *path;
	size_t len;
	int is_made;
	struct file_meta meta;
};

/* The first pass sets the metadata of all directories, but leaves those that
 * are to be locked (without a permission for their owner) unlocked.  Then a
 * pass for each depth that has such directories, from the deepest up, locks
 * them; before it, those that were unlocked below that depth are locked
 * again. */
struct pass {
	const struct dir_meta *d;
	struct dirs *dirs;
	int depth; /* of the directories that are locked; 0: the first pass */
	int next;  /* of the next pass; 0: none */
	dir_meta_trouble trouble;
	void *ctx;
};

struct dir_meta *dir_meta_new(int root_fd, struct made *made,
			      struct unlocked *unlocked, struct quota *quota,
			      int replaces)
{
	struct dir_meta *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->root_fd = root_fd;
	d->made = made;
	d->unlocked = unlocked;
	d->quota = quota;
	d->replaces = replaces;
	d->spill_fd = -1;
	pthread_mutex_init(&d->lock, NULL);
	buf_init(&d->mem, DIR_META_MEMORY);
	d->walk_dirs = DIRS_HELD_MOST;
	return d;
}

void dir_meta_set_held(struct dir_meta *d, unsigned walk_dirs)
{
	d->walk_dirs = walk_dirs;
}

void dir_meta_set_preserve(struct dir_meta *d, const struct preserve *how)
{
	d->preserve = how;
}

void dir_meta_free(struct dir_meta *d)
{
	if (!d)
		return;
	buf_release(&d->mem);
	io_close(&d->spill_fd);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* Move the records in memory to the temporary file.  Returns as
 * dir_meta_add().  Locked. */
static int spill_records(struct dir_meta *d, struct verdict *v, struct err *e)
{
	if (quota_take(d->quota, 0, d->mem.len, v))
		return 1;
	if (d->spill_fd < 0) {
		struct part_names names = { 0 };
		struct part p;
		int rc = part_create_hidden(&p, d->root_fd, 0600, 0, e);

		/* No hidden files here: a named one, unlinked at once. */
		if (rc == ERR_AGAIN) {
			rc = part_create(&p, &names, d->root_fd, e);
			unlinkat(d->root_fd, p.name, 0);
		}
		if (rc)
			return rc;
		d->spill_fd = p.fd;
	}
	if (io_write(d->spill_fd, d->mem.data, d->mem.len))
		return err_sys(e, ERR_LOCAL, "cannot write a temporary file");
	buf_reset(&d->mem);
	return 0;
}

int dir_meta_add(struct dir_meta *d, const char *path, size_t len,
		 const struct file_meta *meta, int is_made, struct verdict *v,
		 struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&d->lock);
	if (d->mem.len + RECORD_MAX > DIR_META_MEMORY)
		rc = spill_records(d, v, e);
	if (rc == 0) {
		buf_put_u16(&d->mem, (uint16_t)(len | (is_made ? IS_MADE : 0)));
		buf_put(&d->mem, path, len);
		file_meta_put(&d->mem, meta, FILE_META_EXTENDED);
		if (d->mem.failed)
			rc = err_set(e, ERR_RESOURCE, "out of memory");
		else if (d->count < INT_MAX)
			d->count++;
	}
	pthread_mutex_unlock(&d->lock);
	return rc;
}

/* How deep a directory lies: 1 in the root, at most DEPTH_MAX. */
static int depth_of(const struct record *rec)
{
	int depth = 1;

	for (size_t i = 0; i < rec->len && depth < DEPTH_MAX; i++)
		depth += rec->path[i] == '/';
	return depth;
}

/* Whether this directory is the sender's to change.  Another may have been
 * made in its place since it was named; where not all can be remembered, what
 * was found then has to do. */
static int is_ours(const struct dir_meta *d, const struct record *rec,
		   const struct identity *id)
{
	return d->replaces || made_has(d->made, rec->path, rec->len, id) ||
	       (rec->is_made && made_is_incomplete(d->made));
}

static void apply_one(struct pass *p, const struct record *rec)
{
	struct file_meta meta = rec->meta;
	const int depth = (meta.mode & OWNER) == OWNER ? 0 : depth_of(rec);
	struct identity id;
	unsigned lost;
	struct stat st;
	struct err e;
	int fd;

	if (depth > p->next && (p->depth == 0 || depth < p->depth))
		p->next = depth;
	if (p->depth > 0 && depth != p->depth)
		return;
	if (p->depth == 0 && depth > 0)
		meta.mode |= OWNER;
	err_clear(&e);
	fd = dirs_enter(p->dirs, rec->path, rec->len, &e);
	if (fd >= 0 && identity_of(fd, &id, &st) < 0) {
		err_sys(&e, ERR_LOCAL, "stat");
		fd = -1;
	}
	if (fd >= 0 && !is_ours(p->d, rec, &id))
		return;
	if (p->depth == 0)
		unlocked_forget(p->d->unlocked, rec->path, rec->len);
	lost = fd < 0 ? FILE_META_BASIC_KINDS :
			part_set_dir_meta(fd, &st, &meta, p->d->preserve,
					  unlocked_attrs(p->d->unlocked), &e);
	/* One that is to be locked is told of once, when all of it was set. */
	if (lost && (p->depth > 0 || depth == 0))
		p->trouble(p->ctx, rec->path, rec->len, lost,
			   fd < 0 ? e.sys_errno :
				    why_errno(fd, ".", e.sys_errno));
}

/* Apply all whole records in the n bytes at p.  Returns how many bytes they
 * take. */
static size_t apply_block(struct pass *ps, const uint8_t *p, size_t n)
{
	struct rd r;
	size_t used = 0;

	rd_init(&r, p, n);
	for (;;) {
		struct record rec;

		rec.len = rd_u16(&r);
		rec.is_made = (rec.len & IS_MADE) != 0;
		rec.len &= ~(size_t)IS_MADE;
		rec.path = (const char *)rd_bytes(&r, rec.len);
		file_meta_get(&r, &rec.meta, FILE_META_EXTENDED);
		if (r.failed)
			return used;
		apply_one(ps, &rec);
		used = n - r.left;
	}
}

static int apply_spilled(struct dir_meta *d, struct pass *ps, struct err *e)
{
	enum { BLOCK = 1 << 20 };
	uint8_t *block = malloc(BLOCK);
	uint64_t off = 0;
	ssize_t n = 0;

	if (!block)
		return err_set(e, ERR_RESOURCE, "out of memory");
	while ((n = io_pread(d->spill_fd, block, BLOCK, off)) > 0) {
		size_t used = apply_block(ps, block, (size_t)n);

		/* Not one whole record is left: the file was damaged. */
		if (used == 0)
			break;
		off += used;
	}
	free(block);
	if (n < 0)
		return err_sys(e, ERR_LOCAL, "cannot read a temporary file");
	return 0;
}

/* The mode of an unlocked directory could not be restored. */
static void on_trouble(void *ctx, const char *path, size_t len, int err_no)
{
	const struct pass *ps = ctx;

	ps->trouble(ps->ctx, path, len, FILE_META_MODE, err_no);
}

/* Returns how many there were at this depth and below. */
static int restore(struct dir_meta *d, struct pass *ps, size_t depth)
{
	struct dirs *walk = dirs_new(d->root_fd, 0, NULL, NULL);
	size_t n = 0;

	if (walk)
		dirs_set_held(walk, d->walk_dirs);
	if (walk)
		n = unlocked_restore(d->unlocked, depth, walk, on_trouble, ps);
	dirs_free(walk);
	return (int)n;
}

static int run_pass(struct dir_meta *d, struct pass *ps, struct err *e)
{
	int rc = 0;

	/* Not those at the same depth: which of them get metadata is seen only
	 * when they are opened. */
	if (ps->depth > 0)
		(void)restore(d, ps, (size_t)ps->depth + 1);
	ps->dirs = dirs_new(d->root_fd, 0, NULL, NULL);
	if (!ps->dirs)
		return err_set(e, ERR_RESOURCE, "out of memory");
	dirs_set_held(ps->dirs, d->walk_dirs);
	if (d->spill_fd >= 0)
		rc = apply_spilled(d, ps, e);
	if (rc == 0)
		apply_block(ps, d->mem.data, d->mem.len);
	dirs_free(ps->dirs);
	return rc;
}

int dir_meta_apply(struct dir_meta *d, dir_meta_trouble trouble, void *ctx,
		   struct err *e)
{
	struct pass ps = { .d = d, .trouble = trouble, .ctx = ctx };
	int rc = 0, restored;

	do {
		ps.depth = ps.next;
		ps.next = 0;
		if (d->count > 0)
			rc = run_pass(d, &ps, e);
	} while (rc == 0 && ps.next > 0);
	restored = restore(d, &ps, 1);
	if (rc)
		return rc;
	return d->count > 0 ? d->count : restored;
}

void dir_meta_restore(struct dir_meta *d, dir_meta_trouble trouble, void *ctx)
{
	struct pass ps = { .d = d, .trouble = trouble, .ctx = ctx };

	(void)restore(d, &ps, 1);
}
