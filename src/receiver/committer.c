/*
 * The committer: few flushes for many files, and none reported before.
 */
#include "receiver/committer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "chunk/tree.h"
#include "fs/dirs.h"
#include "fs/journal.h"
#include "fs/name.h"
#include "os/flush.h"
#include "receiver/commit.h"
#include "receiver/held_dir.h"

enum {
	GROUP_ENTRIES = 8192,
	GROUP_BYTES = 256 << 20,
	GROUP_MS = 2000,
	LOOK_MS = 100, /* how often a group's age is looked at */
	/* Up to so many files are flushed each by itself. */
	FEW = 16,
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
	int is_flushing, is_finishing, is_stopping;
	/* its thread's */
	struct dirs *walk; /* for the directories above an entry's */
};

/* ---- a name that is taken ---- */

/* Whether the file at fd has the entry's digest.  Returns 1, 0, or -1 when it
 * cannot be read. */
static int has_digest(int fd, const struct commit *c,
		      const struct digest_ops *ops)
{
	uint8_t *leaf = malloc(c->size < TREE_LEAF ? c->size + 1 : TREE_LEAF);
	uint8_t sum[DIGEST_MAX];
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

struct sameness {
	const struct commit *c;
	const struct digest_ops *digest;
};

static int is_same(const void *ctx, int dir_fd, const char *name)
{
	const struct sameness *s = ctx;
	struct stat st;
	struct err e;
	int same = 0;
	int fd = part_open_existing(dir_fd, name, &st, &e);

	if (fd >= 0 && (uint64_t)st.st_size == s->c->size)
		same = has_digest(fd, s->c, s->digest) == 1;
	io_close(&fd);
	return same;
}

static enum file_status rename_one(const struct committer *m, struct commit *c,
				   unsigned *cause)
{
	const struct sameness same = { c, m->cfg.digest };
	const struct place_request a = {
		.what = { .part = &c->part },
		.dir_fd = held_dir_fd(c->dir),
		.leaf = name_last(c->name),
		.meta = &c->meta,
		.is_same = is_same,
		.ctx = &same,
	};
	struct place_result placed;
	/* Before the part loses the name that both are found by; as little is
	 * lost as possible where the process dies in between. */
	int stays = c->journal && journal_remove(held_dir_fd(c->dir), c->tag) < 0;

	conflict_place(&a, m->cfg.existing, &placed);
	*cause = placed.cause;
	/* It has its name, whether or not there is memory to tell it. */
	if (placed.renamed[0])
		c->renamed = strdup(placed.renamed);
	if (placed.status != STATUS_COMMITTED)
		commit_discard(c);
	else if (stays)
		(void)journal_remove(held_dir_fd(c->dir), c->tag);
	return placed.status;
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
	commit_discard(r->c);
	r->status = STATUS_FAILED;
	r->cause = cause;
}

/* Make the data of all durable. */
static void sync_data(struct committer *m, struct result *r, unsigned n,
		      int whole_fs)
{
	struct err e;
	int failed = whole_fs && flush_filesystem(m->cfg.root_fd) != 0;
	int cause = failed ? (int)wire_cause_of_errno(errno) : 0;

	for (unsigned i = 0; i < n; i++) {
		err_clear(&e);
		if (whole_fs && held_dir_is_root_fs(r[i].c->dir)) {
			if (failed)
				fail_one(&r[i], (unsigned)cause);
		} else if (part_sync(&r[i].c->part, &e)) {
			fail_one(&r[i], wire_cause_of_errno(e.sys_errno));
		}
	}
}

/* What close() has to say is heard before it counts. */
static void close_all(struct result *r, unsigned n)
{
	struct err e;

	for (unsigned i = 0; i < n; i++) {
		err_clear(&e);
		if (r[i].status != STATUS_FAILED &&
		    part_close(&r[i].c->part, &e)) {
			r[i].status = STATUS_FAILED;
			r[i].cause = wire_cause_of_errno(e.sys_errno);
		}
	}
}

/* Nothing is flushed, but a late error of a named part is heard before it gets
 * its final name (NFS has some; it has no hidden parts). */
static void settle_data(struct result *r, unsigned n)
{
	struct err e;

	for (unsigned i = 0; i < n; i++) {
		err_clear(&e);
		if (r[i].c->part.name[0] && part_check_close(&r[i].c->part, &e))
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

/* Flush the directories above the one of an entry, from the root down. */
static int sync_above(struct committer *m, const struct commit *c,
		      struct err *e)
{
	const char *slash = c->name;
	int rc = 0;

	if (!m->walk)
		m->walk = dirs_new(m->cfg.root_fd, 0, NULL, NULL);
	if (!m->walk)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (size_t len = 0; rc == 0; len = (size_t)(slash - c->name), slash++) {
		int fd;

		slash = strchr(slash, '/');
		if (!slash)
			break;
		fd = dirs_enter(m->walk, c->name, len, e);
		/* What somebody took away again needs no flushing. */
		if (fd < 0 && e->sys_errno != ENOENT && e->sys_errno != ENOTDIR)
			rc = fd;
		else if (fd < 0)
			break;
		else if (flush_all(fd))
			rc = err_sys(e, ERR_LOCAL, "flushing a directory");
	}
	dirs_reset(m->walk);
	return rc;
}

/* One directory that files were renamed in, and those above it.  Returns 0 or
 * the errno. */
static int sync_dir(struct committer *m, const struct commit *c)
{
	struct err e;

	err_clear(&e);
	if (flush_all(held_dir_fd(c->dir)))
		return errno;
	if (sync_above(m, c, &e))
		return e.sys_errno ? e.sys_errno : ENOMEM;
	return 0;
}

/* Flush the directories that files were renamed in. */
static void sync_dirs(struct committer *m, struct result *r, unsigned n,
		      int whole_fs)
{
	struct held_dir *last = NULL;
	int all = whole_fs && flush_filesystem(m->cfg.root_fd) ? errno : 0;
	int last_errno = 0;

	for (unsigned i = 0; i < n; i++) {
		struct held_dir *d = r[i].c->dir;
		int covered = whole_fs && held_dir_is_root_fs(d);

		if (r[i].status == STATUS_FAILED)
			continue;
		if (!covered && d != last) {
			last_errno = sync_dir(m, r[i].c);
			last = d;
		}
		if (covered ? all : last_errno) {
			r[i].status = STATUS_FAILED;
			r[i].cause = wire_cause_of_errno(covered ? all :
								   last_errno);
		}
	}
}

/* Nothing is held any more by so many that were added.  Before the sender hears
 * of them, and may say that it is through. */
static void let_go(struct committer *m, unsigned n)
{
	pthread_mutex_lock(&m->lock);
	m->pending -= n;
	pthread_cond_broadcast(&m->room);
	pthread_mutex_unlock(&m->lock);
}

/* Commit and report; with was_pending, they were added and waited. */
static void commit_list(struct committer *m, struct result *r, unsigned n,
			int was_pending)
{
	int syncs = m->cfg.sync != SYNC_NONE, whole_fs = n > FEW;

	if (syncs)
		sync_data(m, r, n, whole_fs);
	else
		settle_data(r, n);
	rename_all(m, r, n);
	close_all(r, n);
	if (syncs)
		sync_dirs(m, r, n, whole_fs);
	if (was_pending)
		let_go(m, n);
	for (unsigned i = 0; i < n; i++)
		report(m, r[i].c, r[i].status, r[i].cause);
}

static void commit_group(struct committer *m, struct commit *list, unsigned n)
{
	struct result *r = calloc(n, sizeof(*r));
	struct commit *c = list;

	for (unsigned i = 0; i < n; i++) {
		struct commit *next = c->next;

		if (r) {
			r[i].c = c;
		} else {
			commit_discard(c);
			report(m, c, STATUS_FAILED, CAUSE_RESOURCE);
		}
		c = next;
	}
	if (r)
		commit_list(m, r, n, 1);
	else
		let_go(m, n);
	free(r);
	m->cfg.group_done(m->cfg.ctx);
}

/* As a group of one, in the caller's thread. */
static void commit_now(struct committer *m, struct commit *c)
{
	struct result r = { .c = c };

	commit_list(m, &r, 1, 0);
}

/* Whether the group that is gathering is to be closed.  Locked. */
static int group_is_due(const struct committer *m)
{
	if (m->queued == 0)
		return 0;
	return m->is_flushing || m->is_finishing || m->is_stopping ||
	       m->cfg.sync == SYNC_FILE || m->queued >= GROUP_ENTRIES ||
	       m->pending >= m->cfg.open_max || m->queued_bytes >= GROUP_BYTES ||
	       clock_ms() - m->oldest_ms >= GROUP_MS;
}

/* The group that is due, which has an entry at least. */
static struct commit *take_group(struct committer *m, unsigned *n)
{
	const unsigned max = m->cfg.sync == SYNC_FILE ? 1 : GROUP_ENTRIES;
	struct commit *list = m->first, **end = &m->first;

	*n = 0;
	do {
		m->queued_bytes -= (*end)->size;
		end = &(*end)->next;
		++*n;
	} while (*end && *n < max);
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
	if (m->queued == 0)
		pthread_cond_wait(&m->work, &m->lock);
	else
		clock_cond_wait(&m->work, &m->lock, LOOK_MS);
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

	if (!m)
		return NULL;
	m->cfg = *cfg;
	m->end = &m->first;
	pthread_mutex_init(&m->lock, NULL);
	clock_cond_init(&m->work);
	pthread_cond_init(&m->room, NULL);
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
	dirs_free(m->walk);
	free(m);
}

void committer_add(struct committer *m, struct commit *entry)
{
	if (m->cfg.sync == SYNC_NONE) {
		commit_now(m, entry);
		return;
	}
	pthread_mutex_lock(&m->lock);
	while (m->pending >= m->cfg.open_max)
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

void committer_flush(struct committer *m)
{
	pthread_mutex_lock(&m->lock);
	if (m->queued > 0)
		m->is_flushing = 1;
	pthread_cond_signal(&m->work);
	pthread_mutex_unlock(&m->lock);
}

void committer_drain(struct committer *m)
{
	pthread_mutex_lock(&m->lock);
	while (m->pending > 0) {
		m->is_flushing = 1;
		pthread_cond_signal(&m->work);
		pthread_cond_wait(&m->room, &m->lock);
	}
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
