/*
 * Directory metadata, applied at the end.
 */
#include "receiver/dir_meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/dirs.h"

enum {
	DIR_META_MEMORY = 4 << 20,
	RECORD_MAX = 2 + NAME_PATH_MAX + FILE_META_MAX,
	OWNER = 0700,
};

struct record {
	const char *path;
	size_t len;
	struct file_meta meta;
};

struct pass {
	struct dirs *dirs;
	int is_second;
	int has_locked; /* some directory needs the second pass */
	dir_meta_trouble trouble;
	void *ctx;
};

void dir_meta_init(struct dir_meta *l, int root_fd)
{
	memset(l, 0, sizeof(*l));
	l->root_fd = root_fd;
	l->spill_fd = -1;
	buf_init(&l->mem, DIR_META_MEMORY);
}

void dir_meta_release(struct dir_meta *l)
{
	buf_release(&l->mem);
	io_close(&l->spill_fd);
}

static int spill(struct dir_meta *l, struct err *e)
{
	if (l->spill_fd < 0) {
		struct part_names names = { 0 };
		struct part p;
		int rc = part_create_hidden(&p, l->root_fd, 0600, 0, e);

		if (rc == ERR_AGAIN) {
			rc = part_create(&p, &names, l->root_fd, e);
			unlinkat(l->root_fd, p.name, 0);
		}
		if (rc)
			return rc;
		l->spill_fd = p.fd;
	}
	if (io_write(l->spill_fd, l->mem.data, l->mem.len))
		return err_sys(e, ERR_LOCAL, "writing a temporary file");
	buf_reset(&l->mem);
	return 0;
}

int dir_meta_add(struct dir_meta *l, const char *path, size_t len,
	     const struct file_meta *meta, struct err *e)
{
	if (l->mem.len + RECORD_MAX > DIR_META_MEMORY) {
		int rc = spill(l, e);

		if (rc)
			return rc;
	}
	buf_put_u16(&l->mem, (uint16_t)len);
	buf_put(&l->mem, path, len);
	file_meta_put(&l->mem, meta, FILE_META_EXTENDED);
	if (l->mem.failed)
		return err_set(e, ERR_RESOURCE, "out of memory");
	l->count++;
	return 0;
}

static void get_record(struct rd *r, struct record *rec)
{
	rec->len = rd_u16(r);
	rec->path = (const char *)rd_bytes(r, rec->len);
	file_meta_get(r, &rec->meta, FILE_META_EXTENDED);
}

static void apply_one(struct pass *p, const struct record *rec)
{
	struct file_meta meta = rec->meta;
	int locked = (meta.mode & OWNER) != OWNER, fd;
	struct err e;

	if (p->is_second && !locked)
		return;
	if (!p->is_second && locked) {
		meta.mode |= OWNER;
		p->has_locked = 1;
	}
	err_clear(&e);
	fd = dirs_enter(p->dirs, rec->path, rec->len, &e);
	if (fd < 0 || part_set_dir_meta(fd, &meta, &e))
		p->trouble(p->ctx, rec->path, rec->len, e.sys_errno);
}

/* All whole records in the n bytes at p; returns how many bytes they take. */
static size_t apply_block(struct pass *ps, const uint8_t *p, size_t n)
{
	struct rd r;
	size_t used = 0;

	rd_init(&r, p, n);
	for (;;) {
		struct record rec;

		get_record(&r, &rec);
		if (r.failed)
			return used;
		apply_one(ps, &rec);
		used = n - r.left;
	}
}

static int apply_spilled(struct dir_meta *l, struct pass *ps, struct err *e)
{
	enum { BLOCK = 1 << 20 };
	uint8_t *block = malloc(BLOCK);
	uint64_t off = 0;
	ssize_t n = 0;

	if (!block)
		return err_set(e, ERR_RESOURCE, "out of memory");
	while ((n = io_pread(l->spill_fd, block, BLOCK, off)) > 0) {
		size_t used = apply_block(ps, block, (size_t)n);

		if (used == 0)
			break;
		off += used;
	}
	free(block);
	if (n < 0)
		return err_sys(e, ERR_LOCAL, "reading a temporary file");
	return 0;
}

static int run_pass(struct dir_meta *l, struct pass *ps, struct err *e)
{
	int rc = 0;

	ps->dirs = dirs_new(l->root_fd, 0, NULL, NULL);
	if (!ps->dirs)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (l->spill_fd >= 0)
		rc = apply_spilled(l, ps, e);
	if (rc == 0)
		apply_block(ps, l->mem.data, l->mem.len);
	dirs_free(ps->dirs);
	return rc;
}

int dir_meta_apply(struct dir_meta *l, dir_meta_trouble trouble, void *ctx, struct err *e)
{
	struct pass ps = { .trouble = trouble, .ctx = ctx };
	int rc;

	if (l->count == 0)
		return 0;
	rc = run_pass(l, &ps, e);
	if (rc == 0 && ps.has_locked) {
		ps.is_second = 1;
		rc = run_pass(l, &ps, e);
	}
	return rc;
}
