/*
 * The committer: when a group is closed, what is flushed before anything is
 * reported, what becomes of names that are taken.
 *
 * The program's own flushes and clock take the place of libc's: they count,
 * fail when they are told to, and stand still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "../lib/scratch.h"
#include "os_lacks.h"
#include "within.h"

#include "base/clock.h"
#include "base/io.h"
#include "fs/journal.h"
#include "os/identity.h"
#include "receiver/commit.h"
#include "receiver/committer.h"
#include "receiver/fs_lacks.h"
#include "receiver/held_dir.h"
#include "receiver/made.h"
#include "session/events.h"

/* As in committer.c. */
enum { GROUP_ENTRIES = 8192, GROUP_MS = 2000, FEW = 16, RESULTS = 64 };

/* ---- flushes and clock ---- */

static atomic_int datas, dirs, filesystems;  /* flushes */
static atomic_int data_errno, dir_errno;     /* what they fail with */
static atomic_int filesystem_errno, fails_at; /* and the first that does */
static atomic_long now_ms;                   /* 0: as it goes */

static int result(int err_no)
{
	errno = err_no;
	return err_no ? -1 : 0;
}

int fdatasync(int fd)
{
	(void)fd;
	atomic_fetch_add(&datas, 1);
	return result(atomic_load(&data_errno));
}

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		return fdatasync(fd);
	atomic_fetch_add(&dirs, 1);
	return result(atomic_load(&dir_errno));
}

int syncfs(int fd)
{
	const int n = atomic_fetch_add(&filesystems, 1) + 1;

	(void)fd;
	return result(n >= atomic_load(&fails_at) ?
			      atomic_load(&filesystem_errno) :
			      0);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	const long ms = atomic_load(&now_ms);

	if (ms == 0 || id == CLOCK_REALTIME)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = ms / 1000;
	ts->tv_nsec = ms % 1000 * 1000000;
	return 0;
}

static void stop_clock(void)
{
	atomic_store(&now_ms, 0);
	atomic_store(&now_ms, (long)clock_ms());
}

/* ---- the committer ---- */

struct lab {
	char path[128];
	int dir;
	struct committer_config cfg;
	struct session_events events;
	struct fs_lacks lacks;
	struct committer *c;
	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned results, groups, finishes, warnings;
	struct {
		uint64_t id;
		enum file_status status;
		unsigned cause;
		char renamed[32];
		/* flushes so far, and who said it */
		int datas, dirs, filesystems;
		pthread_t thread;
	} result[RESULTS];
};

static void on_result(void *ctx, const struct commit *c,
		      enum file_status status, unsigned cause)
{
	struct lab *lab = ctx;
	unsigned i;

	pthread_mutex_lock(&lab->lock);
	i = lab->results++ % RESULTS;
	lab->result[i].id = c->id;
	lab->result[i].status = status;
	lab->result[i].cause = cause;
	snprintf(lab->result[i].renamed, sizeof(lab->result[i].renamed), "%s",
		 c->renamed ? c->renamed : "");
	lab->result[i].datas = atomic_load(&datas);
	lab->result[i].dirs = atomic_load(&dirs);
	lab->result[i].filesystems = atomic_load(&filesystems);
	lab->result[i].thread = pthread_self();
	pthread_cond_broadcast(&lab->changed);
	pthread_mutex_unlock(&lab->lock);
}

static void on_group_done(void *ctx)
{
	struct lab *lab = ctx;

	pthread_mutex_lock(&lab->lock);
	lab->groups++;
	pthread_cond_broadcast(&lab->changed);
	pthread_mutex_unlock(&lab->lock);
}

static void on_finish(void *ctx)
{
	struct lab *lab = ctx;

	pthread_mutex_lock(&lab->lock);
	lab->finishes++;
	pthread_cond_broadcast(&lab->changed);
	pthread_mutex_unlock(&lab->lock);
}

static int set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	lab->dir = scratch_make(lab->path, sizeof(lab->path), "committer");
	pthread_mutex_init(&lab->lock, NULL);
	pthread_cond_init(&lab->changed, NULL);
	lab->cfg = (struct committer_config){
		.sync = SYNC_BATCH,
		.lacks = &lab->lacks,
		.root_fd = lab->dir,
		.open_max = 100000,
		.result = on_result,
		.group_done = on_group_done,
		.finish = on_finish,
		.ctx = lab,
	};
	lab->lacks.events = &lab->events;
	atomic_store(&datas, 0);
	atomic_store(&dirs, 0);
	atomic_store(&filesystems, 0);
	atomic_store(&data_errno, 0);
	atomic_store(&dir_errno, 0);
	atomic_store(&filesystem_errno, 0);
	atomic_store(&fails_at, 1);
	stop_clock();
	*state = lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;
	int rc;

	committer_stop(lab->c);
	atomic_store(&now_ms, 0);
	rc = scratch_remove(lab->path);
	pthread_cond_destroy(&lab->changed);
	pthread_mutex_destroy(&lab->lock);
	close(lab->dir);
	free(lab);
	return rc;
}

static void start(struct lab *lab)
{
	lab->c = committer_start(&lab->cfg);
	assert_non_null(lab->c);
}

/* Wait until *count, one of the lab's, is so large. */
static void wait_for(struct lab *lab, const unsigned *count, unsigned n)
{
	struct timespec by;

	clock_gettime(CLOCK_REALTIME, &by);
	by.tv_sec += scaled(20);
	pthread_mutex_lock(&lab->lock);
	while (*count < n)
		assert_int_equal(pthread_cond_timedwait(&lab->changed,
							&lab->lock, &by),
				 0);
	pthread_mutex_unlock(&lab->lock);
}

static unsigned read_count(struct lab *lab, const unsigned *count)
{
	unsigned n;

	pthread_mutex_lock(&lab->lock);
	n = *count;
	pthread_mutex_unlock(&lab->lock);
	return n;
}

/* A file that is whole and waits for its name in the directory at dir. */
static struct commit *entry_in(struct lab *lab, int dir, uint64_t id,
			       const char *name, const char *content)
{
	struct commit *c = commit_new(name, strlen(name));
	const size_t len = strlen(content);
	struct part_names names = { 0 };
	struct stat st;
	struct err e;

	assert_non_null(c);
	assert_int_equal(fstat(lab->dir, &st), 0);
	c->id = id;
	c->size = len;
	c->meta = (struct file_meta){ .mode = 0644, .mtime_s = 1000000000 };
	digest_xxh3.sum(content, len, c->digest);
	c->dir = held_dir_new(dir, st.st_dev);
	assert_non_null(c->dir);
	assert_int_equal(part_create(&c->part, &names, dir, &e), 0);
	assert_int_equal(part_write(&c->part, content, len, 0, &e), 0);
	assert_int_equal(part_set_meta(&c->part, &c->meta, NULL, &e), 0);
	return c;
}

static void add(struct lab *lab, uint64_t id, const char *name,
		const char *content)
{
	committer_add(lab->c, entry_in(lab, lab->dir, id, name, content));
}

/* Start, have one entry committed and stop: its result is lab->result[0]. */
static void commit_alone(struct lab *lab, struct commit *c)
{
	lab->results = 0;
	start(lab);
	committer_add(lab->c, c);
	committer_stop(lab->c);
	lab->c = NULL;
	assert_int_equal(lab->results, 1);
}

static void assert_content(struct lab *lab, const char *name,
			   const char *content)
{
	char text[64] = "";
	int fd = openat(lab->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(io_read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, content);
}

static int count_names(struct lab *lab)
{
	return count_entries(opendir(lab->path)) - 2;
}

/* ---- sync modes ---- */

static void none_renames_at_once(void **state)
{
	struct lab *lab = *state;

	lab->cfg.sync = SYNC_NONE;
	start(lab);
	add(lab, 1, "a", "alpha");
	assert_int_equal(lab->results, 1);
	assert_int_equal(lab->result[0].status, STATUS_COMMITTED);
	assert_true(pthread_equal(lab->result[0].thread, pthread_self()));
	assert_content(lab, "a", "alpha");
	assert_int_equal(committer_pending(lab->c), 0);
	assert_int_equal(lab->groups, 0);
	assert_int_equal(datas + dirs + filesystems, 0);
}

static void file_flushes_each_before_it_is_reported(void **state)
{
	struct lab *lab = *state;

	lab->cfg.sync = SYNC_FILE;
	start(lab);
	for (unsigned i = 0; i < 3; i++) {
		const char name[] = { (char)('a' + i), '\0' };

		add(lab, i + 1, name, name);
	}
	wait_for(lab, &lab->groups, 3);
	assert_int_equal(lab->results, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(lab->result[i].id, i + 1);
		assert_int_equal(lab->result[i].datas, i + 1);
		/* the root, once as its directory and once as above it */
		assert_true(lab->result[i].dirs >= (int)i + 1);
	}
	assert_int_equal(filesystems, 0);
}

/* All directories down to that of the file: they may be new. */
static void directories_above_are_flushed(void **state)
{
	struct lab *lab = *state;
	int dir;

	assert_int_equal(mkdirat(lab->dir, "a", 0755), 0);
	assert_int_equal(mkdirat(lab->dir, "a/b", 0755), 0);
	dir = openat(lab->dir, "a/b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	start(lab);
	committer_add(lab->c, entry_in(lab, dir, 1, "a/b/f", "f"));
	committer_flush(lab->c);
	wait_for(lab, &lab->groups, 1);
	assert_int_equal(lab->result[0].datas, 1);
	assert_int_equal(lab->result[0].dirs, 3);
	assert_content(lab, "a/b/f", "f");
	close(dir);
}

/* A few are flushed each by itself, many by two flushes of the file system,
 * where there is one that can be relied upon. */
static void batch_flushes_a_group(void **state)
{
	const int singly = os_lacks("flushing a whole file system");
	struct lab *lab = *state;
	char name[16];

	start(lab);
	for (unsigned i = 0; i < FEW; i++) {
		snprintf(name, sizeof(name), "few%u", i);
		add(lab, i + 1, name, name);
	}
	assert_int_equal(committer_pending(lab->c), FEW);
	assert_int_equal(read_count(lab, &lab->results), 0);
	committer_flush(lab->c);
	wait_for(lab, &lab->groups, 1);
	assert_int_equal(lab->results, FEW);
	assert_int_equal(lab->result[0].datas, FEW);
	assert_true(lab->result[0].dirs >= 1);
	assert_int_equal(filesystems, 0);
	assert_int_equal(committer_pending(lab->c), 0);
	for (unsigned i = 0; i < FEW + 1; i++) {
		snprintf(name, sizeof(name), "many%u", i);
		add(lab, 100 + i, name, name);
	}
	committer_flush(lab->c);
	wait_for(lab, &lab->groups, 2);
	assert_int_equal(lab->results, 2 * FEW + 1);
	assert_int_equal(lab->result[FEW].filesystems, singly ? 0 : 2);
	assert_int_equal(lab->result[FEW].datas,
			 singly ? 2 * FEW + 1 : FEW);
	for (unsigned i = 0; i < FEW + 1; i++)
		assert_int_equal(lab->result[FEW + i].id, 100 + i);
}

/* ---- when a group is closed ---- */

static void by_time(void **state)
{
	struct lab *lab = *state;

	start(lab);
	add(lab, 1, "a", "alpha");
	atomic_fetch_add(&now_ms, GROUP_MS - 1);
	add(lab, 2, "b", "beta");
	assert_int_equal(committer_pending(lab->c), 2);
	atomic_fetch_add(&now_ms, 1);
	wait_for(lab, &lab->groups, 1);
	assert_int_equal(lab->results, 2);
}

static void by_bytes(void **state)
{
	struct lab *lab = *state;
	struct commit *c;

	start(lab);
	for (uint64_t id = 1; id <= 2; id++) {
		const char name[] = { (char)('a' + id), '\0' };

		assert_int_equal(read_count(lab, &lab->results), 0);
		c = entry_in(lab, lab->dir, id, name, "x");
		c->size = 128 << 20;
		committer_add(lab->c, c);
	}
	wait_for(lab, &lab->groups, 1);
	assert_int_equal(lab->results, 2);
}

/* Entries without a part: each fails, but not before its turn. */
static void by_count(void **state)
{
	struct lab *lab = *state;
	struct held_dir *dir;
	struct stat st;

	assert_int_equal(fstat(lab->dir, &st), 0);
	dir = held_dir_new(lab->dir, st.st_dev);
	start(lab);
	for (uint64_t id = 1; id <= GROUP_ENTRIES + 1; id++) {
		struct commit *c = commit_new("f", 1);

		c->id = id;
		c->dir = held_dir_ref(dir);
		committer_add(lab->c, c);
	}
	wait_for(lab, &lab->groups, 1);
	assert_int_equal(read_count(lab, &lab->results), GROUP_ENTRIES);
	assert_int_equal(committer_pending(lab->c), 1);
	committer_flush(lab->c);
	wait_for(lab, &lab->groups, 2);
	assert_int_equal(lab->results, GROUP_ENTRIES + 1);
	held_dir_unref(dir);
}

/* As many as may wait: the next waits until they are committed. */
static void by_descriptors(void **state)
{
	struct lab *lab = *state;

	lab->cfg.open_max = 2;
	start(lab);
	add(lab, 1, "a", "a");
	assert_int_equal(committer_pending(lab->c), 1);
	add(lab, 2, "b", "b");
	add(lab, 3, "c", "c");
	assert_int_equal(committer_pending(lab->c), 1);
	wait_for(lab, &lab->groups, 1);
	assert_int_equal(read_count(lab, &lab->results), 2);
	committer_flush(lab->c);
	wait_for(lab, &lab->groups, 2);
}

static void a_drain_waits_until_all_are_let_go(void **state)
{
	struct lab *lab = *state;

	start(lab);
	committer_drain(lab->c);
	add(lab, 1, "a", "a");
	add(lab, 2, "b", "b");
	committer_drain(lab->c);
	assert_int_equal(committer_pending(lab->c), 0);
	assert_content(lab, "a", "a");
	assert_content(lab, "b", "b");
	wait_for(lab, &lab->results, 2);
}

static void finish_comes_after_all_results(void **state)
{
	struct lab *lab = *state;

	start(lab);
	add(lab, 1, "a", "a");
	committer_finish(lab->c);
	wait_for(lab, &lab->finishes, 1);
	assert_int_equal(lab->results, 1);
	assert_int_equal(lab->groups, 1);
	/* Once for each time that it was asked for. */
	committer_flush(lab->c);
	committer_finish(lab->c);
	wait_for(lab, &lab->finishes, 2);
}

static void stopping_commits_what_waits(void **state)
{
	struct lab *lab = *state;

	commit_alone(lab, entry_in(lab, lab->dir, 1, "a", "a"));
	assert_content(lab, "a", "a");
}

/* ---- failures ---- */

static void data_that_cannot_be_flushed(void **state)
{
	struct lab *lab = *state;

	atomic_store(&data_errno, EIO);
	start(lab);
	add(lab, 1, "a", "a");
	committer_flush(lab->c);
	wait_for(lab, &lab->groups, 1);
	assert_int_equal(lab->result[0].status, STATUS_FAILED);
	assert_int_equal(lab->result[0].cause, CAUSE_IO);
	assert_int_equal(count_names(lab), 0);
}

static void a_directory_that_cannot_be_flushed(void **state)
{
	struct lab *lab = *state;

	atomic_store(&dir_errno, ENOSPC);
	start(lab);
	add(lab, 1, "a", "a");
	add(lab, 2, "b", "b");
	committer_flush(lab->c);
	wait_for(lab, &lab->groups, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(lab->result[i].status, STATUS_FAILED);
		assert_int_equal(lab->result[i].cause, CAUSE_NO_SPACE);
	}
}

static void count_warning(void *ctx, enum session_level level, const char *text)
{
	struct lab *lab = ctx;

	(void)text;
	assert_int_equal(level, SESSION_WARNING);
	lab->warnings++;
}

static void what_this_file_system_cannot_flush_is_committed(void **state)
{
	static const int errors[] = { EINVAL, ENOSYS, EOPNOTSUPP };
	struct lab *lab = *state;

	lab->events.message = count_warning;
	lab->events.ctx = lab;
	start(lab);
	for (unsigned i = 0; i < 3; i++) {
		char name[16];

		atomic_store(&data_errno, errors[i]);
		atomic_store(&dir_errno, errors[i]);
		snprintf(name, sizeof(name), "f%u", i);
		add(lab, i + 1, name, name);
		committer_flush(lab->c);
		wait_for(lab, &lab->groups, i + 1);
		assert_int_equal(lab->result[i].status, STATUS_COMMITTED);
		assert_content(lab, name, name);
	}
	assert_int_equal(lab->warnings, 1);
}

/* The flush before the renames, and the one after. */
static void a_file_system_that_cannot_be_flushed(void **state)
{
	struct lab *lab = *state;
	char name[16];

	skip_without("flushing a whole file system");
	atomic_store(&filesystem_errno, EIO);
	start(lab);
	for (int first = 1; first >= 0; first--) {
		atomic_store(&fails_at, first ? 1 : 2);
		atomic_store(&filesystems, 0);
		for (unsigned i = 0; i < FEW + 1; i++) {
			snprintf(name, sizeof(name), "f%u", i);
			add(lab, i + 1, name, name);
		}
		committer_drain(lab->c);
		wait_for(lab, &lab->groups, first ? 1 : 2);
		for (unsigned i = 0; i < lab->results; i++) {
			assert_int_equal(lab->result[i].status, STATUS_FAILED);
			assert_int_equal(lab->result[i].cause, CAUSE_IO);
		}
		assert_int_equal(count_names(lab), first ? 0 : FEW + 1);
	}
}

/* ---- names that are taken ---- */

static void a_taken_name_by_policy(void **state)
{
	static const struct {
		enum conflict_policy policy;
		enum file_status status;
		enum wire_cause cause;
		const char *a, *second;
	} cases[] = {
		{ CONFLICT_FAIL, STATUS_FAILED, CAUSE_EXISTS, "old", NULL },
		{ CONFLICT_SKIP, STATUS_SKIPPED, CAUSE_NONE, "old", NULL },
		{ CONFLICT_REPLACE, STATUS_COMMITTED, CAUSE_NONE, "new", NULL },
		{ CONFLICT_NEWER, STATUS_SKIPPED, CAUSE_NONE, "old", NULL },
		{ CONFLICT_RENAME, STATUS_COMMITTED, CAUSE_NONE, "old",
		  "a (1)" },
		{ CONFLICT_BACKUP, STATUS_COMMITTED, CAUSE_NONE, "new", "a~" },
	};
	struct lab *lab = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		store_file(lab->dir, "a", "old", O_TRUNC);
		lab->cfg.existing = cases[i].policy;
		commit_alone(lab, entry_in(lab, lab->dir, 1, "a", "new"));
		assert_int_equal(lab->result[0].status, cases[i].status);
		assert_int_equal(lab->result[0].cause, cases[i].cause);
		assert_content(lab, "a", cases[i].a);
		assert_int_equal(count_names(lab), cases[i].second ? 2 : 1);
		assert_string_equal(lab->result[0].renamed,
				    cases[i].policy == CONFLICT_RENAME ?
					    "a (1)" :
					    "");
		if (cases[i].second)
			assert_int_equal(unlinkat(lab->dir, cases[i].second, 0),
					 0);
	}
}

/* Of one name in a group: the first one gets it. */
static void a_name_twice_in_a_group(void **state)
{
	struct lab *lab = *state;

	start(lab);
	add(lab, 1, "a", "first");
	add(lab, 2, "a", "second");
	add(lab, 3, "a", "first");
	committer_flush(lab->c);
	wait_for(lab, &lab->groups, 1);
	assert_int_equal(lab->result[0].status, STATUS_COMMITTED);
	assert_int_equal(lab->result[1].status, STATUS_FAILED);
	assert_int_equal(lab->result[1].cause, CAUSE_EXISTS);
	assert_int_equal(lab->result[2].status, STATUS_UNCHANGED);
	assert_content(lab, "a", "first");
	assert_int_equal(count_names(lab), 1);
}

/* Have an entry committed to which hard links may follow, or not. */
static void commit_linked(struct lab *lab, const char *name, int is_linked,
			  const char *content)
{
	struct commit *c = entry_in(lab, lab->dir, 1, name, content);

	c->is_linked = is_linked;
	commit_alone(lab, c);
}

/* Whether hard links to the item may be made to the file of that name. */
static int is_noted(struct lab *lab, const char *item, const char *name)
{
	struct identity id;
	struct stat st;

	assert_int_equal(identity_of_entry(lab->dir, name, &id, &st), 0);
	return made_has(lab->cfg.linked, item, strlen(item), &id);
}

/* Hard links are made to the file that has an item's content now: the part;
 * what had the name and is the same; or what an earlier transfer left under a
 * further name. */
static void what_hard_links_may_be_made_to(void **state)
{
	const struct timespec times[2] = { { .tv_sec = 1000000000 },
					   { .tv_sec = 1000000000 } };
	struct lab *lab = *state;
	const struct made_file none = { 0 };
	struct made *linked = made_new(lab->dir, &none, NULL);

	assert_non_null(linked);
	lab->cfg.linked = linked;
	commit_linked(lab, "new", 1, "content");
	assert_int_equal(lab->result[0].status, STATUS_COMMITTED);
	assert_true(is_noted(lab, "new", "new"));
	assert_false(is_noted(lab, "other", "new"));
	put_file(lab->dir, "same", "content");
	commit_linked(lab, "same", 1, "content");
	assert_int_equal(lab->result[0].status, STATUS_UPDATED);
	assert_true(is_noted(lab, "same", "same"));
	lab->cfg.existing = CONFLICT_RENAME;
	put_file(lab->dir, "a", "another");
	put_file(lab->dir, "a (1)", "content");
	assert_int_equal(utimensat(lab->dir, "a (1)", times, 0), 0);
	commit_linked(lab, "a", 1, "content");
	assert_int_equal(lab->result[0].status, STATUS_UNCHANGED);
	assert_true(is_noted(lab, "a", "a (1)"));
	assert_false(is_noted(lab, "a", "a"));
	/* neither what cannot have further names, nor what failed */
	put_file(lab->dir, "alone", "content");
	commit_linked(lab, "alone", 0, "content");
	assert_false(is_noted(lab, "alone", "alone"));
	lab->cfg.existing = CONFLICT_FAIL;
	commit_linked(lab, "a", 1, "yet another");
	assert_int_equal(lab->result[0].status, STATUS_FAILED);
	assert_false(is_noted(lab, "a", "a"));
	/* a session that makes no hard links notes nothing */
	lab->cfg.linked = NULL;
	commit_linked(lab, "same", 1, "content");
	commit_linked(lab, "last", 1, "content");
	assert_int_equal(lab->result[0].status, STATUS_COMMITTED);
	made_free(linked);
}

/* The metadata of what is there already, and is the same, becomes the sender's,
 * if the policy allows it. */
static void what_is_the_same_gets_metadata(void **state)
{
	static const struct {
		enum conflict_policy policy;
		enum file_status status;
	} cases[] = {
		{ CONFLICT_FAIL, STATUS_UPDATED },
		{ CONFLICT_SKIP, STATUS_UNCHANGED },
		{ CONFLICT_REPLACE, STATUS_UPDATED },
		{ CONFLICT_NEWER, STATUS_UNCHANGED }, /* the file is newer */
		{ CONFLICT_RENAME, STATUS_UNCHANGED },
		{ CONFLICT_BACKUP, STATUS_UPDATED },
	};
	struct lab *lab = *state;
	struct stat st;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const int is_set = cases[i].status == STATUS_UPDATED;

		put_file(lab->dir, "a", "same");
		assert_int_equal(fchmodat(lab->dir, "a", 0600, 0), 0);
		lab->cfg.existing = cases[i].policy;
		commit_alone(lab, entry_in(lab, lab->dir, 1, "a", "same"));
		assert_int_equal(lab->result[0].status, cases[i].status);
		assert_int_equal(fstatat(lab->dir, "a", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, is_set ? 0644 : 0600);
		assert_int_equal(st.st_mtime == 1000000000, is_set);
		assert_int_equal(count_names(lab), 1);
		assert_int_equal(unlinkat(lab->dir, "a", 0), 0);
	}
}

/* With a kept part its journal goes, before the part loses its name. */
static void a_kept_part_leaves_no_journal(void **state)
{
	static const struct journal_id id = { .size = 1, .digest_size = 16,
					      .leaf_size = 1 << 20 };
	struct lab *lab = *state;
	struct commit *c = commit_new("a", 1);
	struct stat st;
	struct err e;
	int was_there;

	assert_int_equal(fstat(lab->dir, &st), 0);
	c->size = 1;
	c->tag = 5;
	c->dir = held_dir_new(lab->dir, st.st_dev);
	assert_int_equal(part_open_kept(&c->part, lab->dir, c->tag, &was_there,
					&e),
			 0);
	assert_int_equal(part_write(&c->part, "x", 1, 0, &e), 0);
	c->journal = journal_create(lab->dir, c->tag, &c->part, &id, &e);
	assert_non_null(c->journal);
	assert_int_equal(count_names(lab), 2);
	start(lab);
	committer_add(lab->c, c);
	committer_drain(lab->c);
	assert_content(lab, "a", "x");
	assert_int_equal(count_names(lab), 1);
}

#define committer_test(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		committer_test(none_renames_at_once),
		committer_test(file_flushes_each_before_it_is_reported),
		committer_test(directories_above_are_flushed),
		committer_test(batch_flushes_a_group),
		committer_test(by_time),
		committer_test(by_bytes),
		committer_test(by_count),
		committer_test(by_descriptors),
		committer_test(a_drain_waits_until_all_are_let_go),
		committer_test(finish_comes_after_all_results),
		committer_test(stopping_commits_what_waits),
		committer_test(data_that_cannot_be_flushed),
		committer_test(a_directory_that_cannot_be_flushed),
		committer_test(what_this_file_system_cannot_flush_is_committed),
		committer_test(a_file_system_that_cannot_be_flushed),
		committer_test(a_taken_name_by_policy),
		committer_test(a_name_twice_in_a_group),
		committer_test(what_hard_links_may_be_made_to),
		committer_test(what_is_the_same_gets_metadata),
		committer_test(a_kept_part_leaves_no_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
