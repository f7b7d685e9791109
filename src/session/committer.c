/*
 * The committer: few flushes for many files, and none reported before.
 */
#include "session/committer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "chunk/tree.h"
#include "fs/dirs.h"

enum {
	GROUP_ENTRIES = 8192,
	GROUP_BYTES = 256 << 20,
	GROUP_MS = 2000,
	/* A sender may have 32768 items without a verdict (plan.c). */
	PENDING_MAX = 65536,
	PENDING_FILE_MODE = 64, /* they keep their descriptors */
	NEW_DIRS_MAX = 1 << 20, /* bytes of paths */
};

struct held_dir {
	atomic_uint refs;
	int fd;
	int same_fs; /* as the root: one syncfs() serves both */
};

struct committer {
	struct committer_config cfg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, room;
	/* guarded by lock */
	struct commit *first, **end;
	unsigned pending;    /* added and not reported */
	unsigned queued;     /* of them, in the list */
	uint64_t queued_bytes;
	uint64_t oldest_ms;
	struct buf new_dirs; /* u16 length | path, ... */
	int is_flushing, is_finishing, is_stopping;
	atomic_int is_mixed; /* files on several file systems were seen */
};

struct held_dir *held_dir_new(int fd, uint64_t root_dev)
{
	struct held_dir *d = calloc(1, sizeof(*d));
	struct stat st;

	if (!d)
		return NULL;
	atomic_init(&d->refs, 1);
	d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (d->fd < 0 || fstat(d->fd, &st)) {
		held_dir_unref(d);
		return NULL;
	}
	d->same_fs = (uint64_t)st.st_dev == root_dev;
	return d;
}

struct held_dir *held_dir_ref(struct held_dir *d)
{
	atomic_fetch_add(&d->refs, 1);
	return d;
}

void held_dir_unref(struct held_dir *d)
{
	int saved = errno;

	if (d && atomic_fetch_sub(&d->refs, 1) == 1) {
		io_close(&d->fd);
		free(d);
	}
	errno = saved;
}

int held_dir_fd(const struct held_dir *d)
{
	return d->fd;
}

struct commit *commit_new(const char *name, size_t name_len)
{
	struct commit *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->part.fd = -1;
	c->name = malloc(name_len + 1);
	if (!c->name) {
		free(c);
		return NULL;
	}
	memcpy(c->name, name, name_len);
	c->name[name_len] = '\0';
	c->name_len = name_len;
	return c;
}

void commit_free(struct commit *c)
{
	if (!c)
		return;
	io_close(&c->part.fd);
	held_dir_unref(c->dir);
	free(c->name);
	free(c);
}

static const char *last_component(const struct commit *c)
{
	const char *slash = strrchr(c->name, '/');

	return slash ? slash + 1 : c->name;
}

/* ---- a name that is taken ---- */

/* Whether the file at fd has the entry's digest.  Returns 1, 0, or -1 when it
 * cannot be read. */
static int has_digest(int fd, const struct commit *c,
		      const struct digest_ops *ops)
{
	uint8_t *leaf = malloc(TREE_LEAF), sum[DIGEST_MAX];
	struct tree *tree = tree_new(ops, c->size);
	uint64_t leaves = tree_leaf_count(c->size);
	int rc = -1;

	for (uint64_t i = 0; leaf && tree && i < leaves; i++) {
		size_t n = tree_leaf_size(c->size, i);

		if (io_pread(fd, leaf, n, i * TREE_LEAF) != (ssize_t)n)
			goto out;
		ops->sum(leaf, n, sum);
		if (tree_put(tree, i, sum))
			goto out;
	}
	if (leaf && tree && tree_final(tree, sum) == 0)
		rc = memcmp(sum, c->digest, ops->size) == 0;
out:
	free(leaf);
	tree_free(tree);
	return rc;
}

static enum file_status name_taken(const struct committer *m,
				   const struct commit *c, unsigned *cause)
{
	struct stat st;
	struct err e;
	int same = 0;
	int fd = part_open_existing(c->dir->fd, last_component(c), &st, &e);

	if (fd >= 0 && (uint64_t)st.st_size == c->size)
		same = has_digest(fd, c, m->cfg.digest);
	io_close(&fd);
	if (same == 1)
		return STATUS_UNCHANGED;
	if (m->cfg.existing == EXISTING_SKIP)
		return STATUS_SKIPPED;
	*cause = CAUSE_EXISTS;
	return STATUS_FAILED;
}

static enum file_status rename_one(const struct committer *m, struct commit *c,
				   unsigned *cause)
{
	enum file_status status = STATUS_FAILED;
	struct err e;

	err_clear(&e);
	if (part_rename(&c->part, c->dir->fd, last_component(c),
			m->cfg.existing == EXISTING_REPLACE, &e) == 0)
		return STATUS_COMMITTED;
	if (e.sys_errno == EEXIST)
		status = name_taken(m, c, cause);
	else
		*cause = wire_cause_of_errno(e.sys_errno);
	part_discard(&c->part, c->dir->fd);
	return status;
}

static void report(struct committer *m, struct commit *c,
		   enum file_status status, unsigned cause)
{
	m->cfg.result(m->cfg.ctx, c, status, cause);
	commit_free(c);
}

/* ---- groups ---- */

/* An entry of a group on its way; cause set: it failed. */
struct result {
	struct commit *c;
	enum file_status status;
	unsigned cause;
};

static void fail_one(struct result *r, unsigned cause)
{
	part_discard(&r->c->part, r->c->dir->fd);
	r->status = STATUS_FAILED;
	r->cause = cause;
}

/* Make the data of all durable. */
static void sync_data(struct committer *m, struct result *r, unsigned n,
		      int whole_fs)
{
	struct err e;
	int failed = whole_fs && syncfs(m->cfg.root_fd) != 0;
	int cause = failed ? (int)wire_cause_of_errno(errno) : 0;

	for (unsigned i = 0; i < n; i++) {
		struct commit *c = r[i].c;

		err_clear(&e);
		if (whole_fs && c->dir->same_fs) {
			if (failed)
				fail_one(&r[i], (unsigned)cause);
		} else if (c->part.fd >= 0 && part_sync(&c->part, &e)) {
			fail_one(&r[i], wire_cause_of_errno(e.sys_errno));
		}
		if (r[i].status != STATUS_FAILED &&
		    part_close(&c->part, &e))
			fail_one(&r[i], wire_cause_of_errno(e.sys_errno));
	}
}

/* Nothing is flushed, but what close() has to say is heard. */
static void close_data(struct result *r, unsigned n)
{
	struct err e;

	for (unsigned i = 0; i < n; i++) {
		if (part_close(&r[i].c->part, &e))
			fail_one(&r[i], wire_cause_of_errno(e.sys_errno));
	}
}

static void rename_all(struct committer *m, struct result *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (r[i].status != STATUS_FAILED)
			r[i].status = rename_one(m, r[i].c, &r[i].cause);
	}
}

/* Take the list of new directories out of the lock. */
static struct buf take_new_dirs(struct committer *m)
{
	struct buf taken;

	pthread_mutex_lock(&m->lock);
	taken = m->new_dirs;
	buf_init(&m->new_dirs, NEW_DIRS_MAX);
	pthread_mutex_unlock(&m->lock);
	return taken;
}

/* Flush the directory that a new one was made in. */
static int sync_parent(struct dirs *walk, const char *path, size_t len,
		       struct err *e)
{
	const char *leaf;
	int fd = dirs_parent(walk, path, len, &leaf, e);

	/* What somebody took away again needs no flushing. */
	if (fd < 0 && (e->sys_errno == ENOENT || e->sys_errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return fd;
	if (fsync(fd))
		return err_sys(e, ERR_LOCAL, "flushing a directory");
	return 0;
}

static int sync_new_dirs(struct committer *m, struct buf *list, struct err *e)
{
	struct dirs *walk;
	struct rd r;
	int rc = 0;

	if (list->failed) {
		if (syncfs(m->cfg.root_fd))
			return err_sys(e, ERR_LOCAL,
				       "flushing the file system");
		return 0;
	}
	if (list->len == 0)
		return 0;
	walk = dirs_new(m->cfg.root_fd, 0, NULL, NULL);
	if (!walk)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rd_init(&r, list->data, list->len);
	while (rc == 0 && r.left > 0) {
		size_t len = rd_u16(&r);
		const uint8_t *path = rd_bytes(&r, len);

		if (path)
			rc = sync_parent(walk, (const char *)path, len, e);
	}
	dirs_free(walk);
	return rc;
}

int committer_sync_dirs(struct committer *m, int all, struct err *e)
{
	struct buf list;
	int rc = 0;

	if (m->cfg.sync == SYNC_NONE)
		return 0;
	list = take_new_dirs(m);
	if (all && syncfs(m->cfg.root_fd))
		rc = err_sys(e, ERR_LOCAL, "flushing the file system");
	/* Below a mount point syncfs() of the root does not reach. */
	if (rc == 0 && (!all || atomic_load(&m->is_mixed)))
		rc = sync_new_dirs(m, &list, e);
	buf_release(&list);
	return rc;
}

/* Flush the directories that files were renamed in. */
static void sync_dirs(struct committer *m, struct result *r, unsigned n,
		      int whole_fs)
{
	struct held_dir *last = NULL;
	struct err e;
	int rc, last_rc = 0;

	err_clear(&e);
	rc = committer_sync_dirs(m, whole_fs, &e);
	for (unsigned i = 0; i < n; i++) {
		struct held_dir *d = r[i].c->dir;
		int covered = whole_fs && d->same_fs;

		if (r[i].status == STATUS_FAILED)
			continue;
		if (!covered && d != last) {
			last_rc = fsync(d->fd) ? errno : 0;
			last = d;
		}
		if (rc || (!covered && last_rc)) {
			r[i].status = STATUS_FAILED;
			r[i].cause = wire_cause_of_errno(rc ? e.sys_errno :
							      last_rc);
		}
	}
}

static void note_fs(struct committer *m, const struct held_dir *d)
{
	if (!d->same_fs)
		atomic_store(&m->is_mixed, 1);
}

static void commit_group(struct committer *m, struct commit *list, unsigned n)
{
	struct result *r = calloc(n, sizeof(*r));
	struct commit *c = list;
	int whole_fs = 0;

	for (unsigned i = 0; c; i++) {
		struct commit *next = c->next;

		if (!r) {
			part_discard(&c->part, c->dir->fd);
			report(m, c, STATUS_FAILED, CAUSE_RESOURCE);
		} else {
			r[i].c = c;
			whole_fs |= c->part.fd < 0;
			if (m->cfg.sync != SYNC_NONE)
				note_fs(m, c->dir);
		}
		c = next;
	}
	if (r && m->cfg.sync != SYNC_NONE)
		sync_data(m, r, n, whole_fs);
	else if (r)
		close_data(r, n);
	if (r)
		rename_all(m, r, n);
	if (r && m->cfg.sync != SYNC_NONE)
		sync_dirs(m, r, n, whole_fs);
	for (unsigned i = 0; r && i < n; i++)
		report(m, r[i].c, r[i].status, r[i].cause);
	free(r);
	if (m->cfg.sync == SYNC_NONE)
		return;
	/* Before the sender hears of it and may say that it is through. */
	pthread_mutex_lock(&m->lock);
	m->pending -= n;
	pthread_cond_broadcast(&m->room);
	pthread_mutex_unlock(&m->lock);
	m->cfg.group_done(m->cfg.ctx);
}

/* Whether the group that is gathering is to be closed.  Locked. */
static int group_is_due(const struct committer *m)
{
	if (m->queued == 0)
		return 0;
	return m->is_flushing || m->is_finishing || m->is_stopping ||
	       m->cfg.sync == SYNC_FILE || m->queued >= GROUP_ENTRIES ||
	       m->queued_bytes >= GROUP_BYTES ||
	       clock_ms() - m->oldest_ms >= GROUP_MS;
}

static struct commit *take_group(struct committer *m, unsigned *n)
{
	struct commit *list = m->first, **end = &m->first;

	*n = 0;
	while (*end && *n < (m->cfg.sync == SYNC_FILE ? 1 : GROUP_ENTRIES)) {
		m->queued_bytes -= (*end)->size;
		end = &(*end)->next;
		++*n;
	}
	m->first = *end;
	*end = NULL;
	if (!m->first) {
		m->end = &m->first;
		m->is_flushing = 0;
	}
	m->queued -= *n;
	return list;
}

static void wait_for_work(struct committer *m)
{
	struct timespec until;

	if (m->queued == 0) {
		pthread_cond_wait(&m->work, &m->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 100 * 1000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&m->work, &m->lock, &until);
}

static void *committer_main(void *arg)
{
	struct committer *m = arg;

	pthread_mutex_lock(&m->lock);
	for (;;) {
		if (group_is_due(m)) {
			unsigned n;
			struct commit *list = take_group(m, &n);

			pthread_mutex_unlock(&m->lock);
			commit_group(m, list, n);
			pthread_mutex_lock(&m->lock);
		} else if (m->queued == 0 && m->is_finishing) {
			m->is_finishing = 0;
			pthread_mutex_unlock(&m->lock);
			m->cfg.finish(m->cfg.ctx);
			pthread_mutex_lock(&m->lock);
		} else if (m->queued == 0 && m->is_stopping) {
			break;
		} else {
			wait_for_work(m);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

struct committer *committer_start(const struct committer_config *cfg)
{
	struct committer *m = calloc(1, sizeof(*m));
	pthread_condattr_t attr;

	if (!m)
		return NULL;
	m->cfg = *cfg;
	m->end = &m->first;
	buf_init(&m->new_dirs, NEW_DIRS_MAX);
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->work, &attr);
	pthread_cond_init(&m->room, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&m->thread, NULL, committer_main, m)) {
		pthread_cond_destroy(&m->work);
		pthread_cond_destroy(&m->room);
		pthread_mutex_destroy(&m->lock);
		free(m);
		return NULL;
	}
	return m;
}

void committer_stop(struct committer *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	m->is_stopping = 1;
	pthread_cond_signal(&m->work);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->thread, NULL);
	pthread_cond_destroy(&m->work);
	pthread_cond_destroy(&m->room);
	pthread_mutex_destroy(&m->lock);
	buf_release(&m->new_dirs);
	free(m);
}

void committer_add(struct committer *m, struct commit *entry)
{
	unsigned max = m->cfg.sync == SYNC_FILE ? PENDING_FILE_MODE :
						  PENDING_MAX;

	if (m->cfg.sync == SYNC_NONE) {
		commit_group(m, entry, 1);
		return;
	}
	pthread_mutex_lock(&m->lock);
	while (m->pending >= max)
		pthread_cond_wait(&m->room, &m->lock);
	if (m->queued == 0)
		m->oldest_ms = clock_ms();
	entry->next = NULL;
	*m->end = entry;
	m->end = &entry->next;
	m->pending++;
	m->queued++;
	m->queued_bytes += entry->size;
	if (m->queued == 1 || group_is_due(m))
		pthread_cond_signal(&m->work);
	pthread_mutex_unlock(&m->lock);
}

int committer_keeps_fd(struct committer *m)
{
	int keeps;

	if (m->cfg.sync != SYNC_BATCH)
		return m->cfg.sync == SYNC_FILE;
	pthread_mutex_lock(&m->lock);
	keeps = m->queued < m->cfg.few;
	pthread_mutex_unlock(&m->lock);
	return keeps;
}

void committer_dir_made(void *ctx, const char *path, size_t len)
{
	struct committer *m = ctx;

	if (m->cfg.sync == SYNC_NONE)
		return;
	pthread_mutex_lock(&m->lock);
	/* When they are too many, `failed` says: flush everything. */
	buf_put_u16(&m->new_dirs, (uint16_t)len);
	buf_put(&m->new_dirs, path, len);
	pthread_mutex_unlock(&m->lock);
}

void committer_flush(struct committer *m)
{
	pthread_mutex_lock(&m->lock);
	if (m->queued > 0)
		m->is_flushing = 1;
	pthread_cond_signal(&m->work);
	pthread_mutex_unlock(&m->lock);
}

void committer_finish(struct committer *m)
{
	pthread_mutex_lock(&m->lock);
	m->is_finishing = 1;
	pthread_cond_signal(&m->work);
	pthread_mutex_unlock(&m->lock);
}

unsigned committer_pending(struct committer *m)
{
	unsigned n;

	pthread_mutex_lock(&m->lock);
	n = m->pending;
	pthread_mutex_unlock(&m->lock);
	return n;
}
