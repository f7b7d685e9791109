/*
 * The files of a group share their flushes, and none is reported before these.
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
#include "fs/dirs.h"
#include "fs/journal.h"
#include "fs/name.h"
#include "os/cond.h"
#include "os/flush.h"
#include "os/identity.h"
#include "os/thread.h"
#include "receiver/commit.h"
#include "receiver/fs_lacks.h"
#include "receiver/held_dir.h"
#include "receiver/made.h"
#include "receiver/same_meta.h"

enum {
	/* A group is closed at the latest when one of these is reached.  They
	 * bound how long a flush takes, and how long the sender, which keeps
	 * files until their verdicts, waits for one. */
	GROUP_ENTRIES = 8192,
	GROUP_BYTES = 256 << 20,
	GROUP_MS = 2000,
	AGE_CHECK_MS = 100, /* between two checks of a group's age */
	/* Up to this many files are flushed one by one, more with syncfs(). */
	FLUSH_SINGLY_MAX = 16,
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

static int is_same(const void *ctx, int dir_fd, const char *name)
{
	const struct commit *c = ctx;
	struct stat st;
	struct err e;
	int same = 0;
	int fd = part_open_existing(dir_fd, name, &st, &e);

	if (fd >= 0 && (uint64_t)st.st_size == c->size)
		same = io_have_same(fd, c->part.fd, c->size);
	io_close(&fd);
	return same;
}

/* Whether hard links to the entry may follow, so that the file it becomes is to
 * be noted. */
static int may_be_linked(const struct committer *m, const struct commit *c)
{
	return c->is_linked && m->cfg.linked;
}

/* Note the file of fd as what the entry has become. */
static void note_linked(const struct committer *m, const struct commit *c,
			int fd)
{
	struct identity id;
	struct stat st;

	if (identity_of(fd, &id, &st) == 0)
		made_note(m->cfg.linked, c->name, c->name_len, &id);
}

/* What has the entry's name has its content: set its metadata where it differs.
 * Returns the status. */
static enum file_status keep_existing(const struct committer *m,
				      struct commit *c)
{
	const int dir = held_dir_fd(c->dir);
	struct verdict v = { .status = STATUS_UNCHANGED };
	const struct same_meta how = { m->cfg.existing, m->cfg.lacks,
				       m->cfg.preserve };
	struct stat there;
	struct err e;
	int fd = part_open_existing(dir, name_last(c->name), &there, &e);
	const struct same_file file = { fd, dir, &there };

	if (fd >= 0)
		v = same_meta_take(&how, &file, &c->meta);
	if (fd >= 0 && may_be_linked(m, c))
		note_linked(m, c, fd);
	io_close(&fd);
	c->not_kept = v.not_kept;
	c->not_kept_cause = v.cause;
	return v.status;
}

/* Note the file that has the entry's name now: the part; or, under a further
 * name, the same that an earlier transfer left there. */
static void note_placed(const struct committer *m, const struct commit *c,
			const struct place_result *placed)
{
	const int dir = held_dir_fd(c->dir);
	struct identity id;
	struct stat st;

	if (placed->status == STATUS_COMMITTED)
		note_linked(m, c, c->part.fd);
	else if (placed->status == STATUS_UNCHANGED && placed->renamed[0] &&
		 identity_of_entry(dir, placed->renamed, &id, &st) == 0)
		made_note(m->cfg.linked, c->name, c->name_len, &id);
}

static enum file_status rename_one(const struct committer *m, struct commit *c,
				   unsigned *cause)
{
	const struct place_request a = {
		.what = { .part = &c->part,
			  .exchanges = held_dir_exchanges(c->dir) },
		.dir_fd = held_dir_fd(c->dir),
		.leaf = name_last(c->name),
		.meta = &c->meta,
		.is_same = is_same,
		.ctx = c,
		.path = c->name,
		.path_len = c->name_len,
		.placed = m->cfg.placed,
		.unlocked = m->cfg.unlocked,
		.lacks = m->cfg.lacks,
	};
	struct place_result placed;
	/* The journal is removed before the rename, as a later transfer finds
	 * it only together with a part of this tag.  If the process dies in
	 * between, the part is whole and only its resumption is lost. */
	const int has_journal =
		c->journal && journal_remove(held_dir_fd(c->dir), c->tag) < 0;

	conflict_place(&a, m->cfg.existing, &placed);
	if (c->part.was_copied)
		fs_lacks_note(m->cfg.lacks, LACKS_LINKS);
	*cause = placed.cause;
	c->has_replaced = placed.has_replaced;
	free(c->rival);
	c->rival = placed.rival;
	/* Without memory the file has its name all the same, but nobody is
	 * told which. */
	if (placed.renamed[0])
		c->renamed = strdup(placed.renamed);
	if (may_be_linked(m, c))
		note_placed(m, c, &placed);
	if (placed.status != STATUS_COMMITTED)
		commit_discard(c);
	else if (has_journal)
		(void)journal_remove(held_dir_fd(c->dir), c->tag);
	if (placed.status == STATUS_UNCHANGED && !placed.renamed[0])
		return keep_existing(m, c);
	return placed.status;
}

static void report_result(struct committer *m, struct commit *c,
			  enum file_status status, unsigned cause)
{
	m->cfg.result(m->cfg.ctx, c, status, cause);
	commit_free(c);
}

/* ---- groups ---- */

/* An entry of a group while it is committed. */
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
		} else if (part_sync(&r[i].c->part, &e) == 0) {
			continue;
		} else if (flush_is_unsupported(e.sys_errno)) {
			fs_lacks_note(m->cfg.lacks, LACKS_FLUSH);
		} else {
			fail_one(&r[i], wire_cause_of_errno(e.sys_errno));
		}
	}
}

/* NFS, and what FUSE shows of remote storage, report some write errors only at
 * close(), the latter even after fsync(): so a named part (they have no hidden
 * ones) is closed once before it gets its final name. */
static void check_close_all(struct result *r, unsigned n)
{
	struct err e;

	for (unsigned i = 0; i < n; i++) {
		err_clear(&e);
		if (r[i].status != STATUS_FAILED && r[i].c->part.name[0] &&
		    part_check_close(&r[i].c->part, &e))
			fail_one(&r[i], wire_cause_of_errno(e.sys_errno));
	}
}

/* Give all that did not fail their names, and close them: an error of close()
 * makes a file fail as well. */
static void rename_and_close_all(struct committer *m, struct result *r,
				 unsigned n)
{
	struct err e;

	for (unsigned i = 0; i < n; i++) {
		if (r[i].status == STATUS_FAILED)
			continue;
		r[i].status = rename_one(m, r[i].c, &r[i].cause);
		err_clear(&e);
		if (r[i].status != STATUS_FAILED &&
		    part_close(&r[i].c->part, &e)) {
			r[i].status = STATUS_FAILED;
			r[i].cause = wire_cause_of_errno(e.sys_errno);
		}
	}
}

/* Returns 0, also where this file system cannot flush directories, or an
 * errno. */
static int flush_dir(struct committer *m, int fd)
{
	if (flush_all(fd) == 0)
		return 0;
	if (!flush_is_unsupported(errno))
		return errno;
	fs_lacks_note(m->cfg.lacks, LACKS_FLUSH);
	return 0;
}

/* Flush the directory that an entry was renamed in, and those above it.
 * Returns 0 or an errno. */
static int sync_dir(struct committer *m, const struct commit *c)
{
	const char *slash = c->name;
	int error = flush_dir(m, held_dir_fd(c->dir));

	if (error)
		return error;
	if (!m->walk)
		m->walk = dirs_new(m->cfg.root_fd, 0, NULL, NULL);
	if (!m->walk)
		return ENOMEM;
	dirs_set_held(m->walk, m->cfg.walk_dirs);
	for (size_t len = 0; !error; len = (size_t)(slash - c->name), slash++) {
		struct err e;
		int fd;

		slash = strchr(slash, '/');
		if (!slash)
			break;
		err_clear(&e);
		fd = dirs_enter(m->walk, c->name, len, &e);
		/* Another process removed it: nothing is left to flush. */
		if (fd < 0 && (e.sys_errno == ENOENT || e.sys_errno == ENOTDIR))
			break;
		if (fd < 0)
			error = e.sys_errno ? e.sys_errno : ENOMEM;
		else
			error = flush_dir(m, fd);
	}
	dirs_reset(m->walk);
	return error;
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
		/* Another file system may be mounted below the root. */
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

/* n of the entries that were added are closed.  To be called before their
 * results go out: the sender may answer these with FINISH, which is refused
 * while entries are pending. */
static void end_pending(struct committer *m, unsigned n)
{
	pthread_mutex_lock(&m->lock);
	m->pending -= n;
	pthread_cond_broadcast(&m->room);
	pthread_mutex_unlock(&m->lock);
}

/* Commit and report.  was_pending: they count as pending. */
static void commit_list(struct committer *m, struct result *r, unsigned n,
			int was_pending)
{
	const int syncs = m->cfg.sync != SYNC_NONE;
	const int whole_fs = n > FLUSH_SINGLY_MAX && flush_filesystem_is_sure();

	if (syncs)
		sync_data(m, r, n, whole_fs);
	check_close_all(r, n);
	rename_and_close_all(m, r, n);
	if (syncs)
		sync_dirs(m, r, n, whole_fs);
	if (was_pending)
		end_pending(m, n);
	for (unsigned i = 0; i < n; i++)
		report_result(m, r[i].c, r[i].status, r[i].cause);
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
			report_result(m, c, STATUS_FAILED, CAUSE_RESOURCE);
		}
		c = next;
	}
	if (r)
		commit_list(m, r, n, 1);
	else
		end_pending(m, n);
	free(r);
	m->cfg.group_done(m->cfg.ctx);
}

/* Whether the group is to be closed.  Locked. */
static int group_is_due(const struct committer *m)
{
	if (m->queued == 0)
		return 0;
	return m->is_flushing || m->is_finishing || m->is_stopping ||
	       m->cfg.sync == SYNC_FILE || m->queued >= GROUP_ENTRIES ||
	       m->pending >= m->cfg.open_max || m->queued_bytes >= GROUP_BYTES ||
	       clock_ms() - m->oldest_ms >= GROUP_MS;
}

/* Take the entries of the group, at least one, out of the list.  Locked. */
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
		} else if (m->queued == 0) {
			pthread_cond_wait(&m->work, &m->lock);
		} else {
			cond_wait(&m->work, &m->lock, AGE_CHECK_MS);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

static void free_committer(struct committer *m)
{
	pthread_cond_destroy(&m->work);
	pthread_cond_destroy(&m->room);
	pthread_mutex_destroy(&m->lock);
	dirs_free(m->walk);
	free(m);
}

struct committer *committer_start(const struct committer_config *cfg)
{
	struct committer *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->cfg = *cfg;
	m->end = &m->first;
	pthread_mutex_init(&m->lock, NULL);
	cond_init(&m->work);
	pthread_cond_init(&m->room, NULL);
	if (thread_start(&m->thread, committer_main, m)) {
		const int error = errno;

		free_committer(m);
		errno = error;
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
	free_committer(m);
}

void committer_add(struct committer *m, struct commit *entry)
{
	if (m->cfg.sync == SYNC_NONE) {
		struct result r = { .c = entry };

		commit_list(m, &r, 1, 0);
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
	/* The first entry ends a wait without a limit of time. */
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
