/*
 * What is made and set when a session's files are in place: symlinks, modes and
 * times of directories.
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
#include <linux/capability.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "os_lacks.h"
#include "recv_fixture.h"

#include "fs/preserve.h"
#include "receiver/dir_meta.h"
#include "receiver/made.h"
#include "receiver/quota.h"
#include "receiver/symlinks.h"
#include "receiver/unlocked.h"

enum { KEPT_MAX = 8192, OWNER_MTIME = 1200000000 };

/* ---- flushes ---- */

static atomic_int syncs, sync_errno;
static unsigned (*reports_so_far)(void);

/* In place of libc's: which of them is called depends on the build. */
void sync(void)
{
	atomic_fetch_add(&syncs, 1);
	/* Nobody is told before it is on the disk. */
	if (reports_so_far)
		assert_int_equal(reports_so_far(), 0);
}

int syncfs(int fd)
{
	(void)fd;
	sync();
	errno = atomic_load(&sync_errno);
	return errno ? -1 : 0;
}

static struct recv_lab *the_lab;

static unsigned lab_files(void)
{
	return the_lab->files;
}

/* ---- symlinks ---- */

static struct symlinks *symlinks_of(struct recv_lab *lab)
{
	return lab->session->transfer.symlinks;
}

static int add(struct recv_lab *lab, uint64_t id, const char *name,
	       const char *target)
{
	struct pack_item it = pack_item(ITEM_SYMLINK, name);
	struct err e;

	it.target = target;
	it.target_len = strlen(target);
	return symlinks_add(symlinks_of(lab), &it, id, &e);
}

static int make(struct recv_lab *lab)
{
	struct err e = { 0 };

	return symlinks_make(symlinks_of(lab), NULL, &e);
}

static void assert_target(const struct recv_lab *lab, const char *name,
			  const char *target)
{
	char text[64];
	ssize_t n = readlinkat(lab->dir, name, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, target);
}

static void symlinks_are_made_when_they_are_asked_for(void **state)
{
	struct recv_lab *lab = *state;
	struct stat st;

	lab_begin(lab);
	assert_int_equal(add(lab, 1, "l", "a"), 0);
	assert_int_equal(add(lab, 2, "d/l", "../a"), 0);
	results_push(lab->session->transfer.results);
	lab_expect(lab, 1, 2, STATUS_DEFERRED, CAUSE_NONE);
	assert_int_equal(lab_names(lab), 0);
	assert_int_equal(make(lab), 0);
	lab_expect(lab, 1, 2, STATUS_COMMITTED, CAUSE_NONE);
	assert_target(lab, "l", "a");
	assert_target(lab, "d/l", "../a");
	assert_int_equal(fstatat(lab->dir, "d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fstatat(lab->dir, "l", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mtim.tv_sec, LAB_MTIME);
	assert_int_equal(lab->files, 2);
	/* Each once. */
	assert_int_equal(make(lab), 0);
	lab_assert_no_reply(lab);
	assert_int_equal(lab->files, 2);
}

static void symlinks_are_flushed_before_they_are_reported(void **state)
{
	struct recv_lab *lab = *state;
	static const enum sync_mode modes[] = { SYNC_NONE, SYNC_BATCH,
						SYNC_FILE };

	the_lab = lab;
	reports_so_far = lab_files;
	for (unsigned i = 0; i < 3; i++) {
		const char name[] = { (char)('a' + i), '\0' };

		lab->cfg.sync = modes[i];
		lab->files = 0;
		atomic_store(&syncs, 0);
		lab_begin(lab);
		assert_int_equal(add(lab, 1, name, "x"), 0);
		assert_int_equal(make(lab), 0);
		assert_int_equal(syncs, modes[i] != SYNC_NONE);
		assert_int_equal(lab->files, 1);
		lab_end(lab);
	}
	reports_so_far = NULL;
}

/* They come again in the next session. */
static void symlinks_that_cannot_be_flushed_are_not_reported(void **state)
{
	struct recv_lab *lab = *state;

	skip_without("flushing a whole file system"); /* it has no error */
	lab->cfg.sync = SYNC_BATCH;
	lab_begin(lab);
	assert_int_equal(add(lab, 1, "l", "a"), 0);
	atomic_store(&sync_errno, EIO);
	assert_int_equal(make(lab), ERR_LOCAL);
	atomic_store(&sync_errno, 0);
	assert_int_equal(lab->files, 0);
}

static void symlinks_in_groups(void **state)
{
	struct recv_lab *lab = *state;
	char name[16];

	lab_begin(lab);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 1; i <= KEPT_MAX; i++) {
			/* Most are the same, which is made once. */
			snprintf(name, sizeof(name), "l%u", i % 100);
			assert_int_equal(add(lab, i, name, "a"), i == KEPT_MAX);
		}
		assert_int_equal(make(lab), 0);
		assert_int_equal(lab->files, (round + 1) * KEPT_MAX);
	}
	assert_int_equal(lab_names(lab), 100);
}

/* The pack that fills a group makes it. */
static void a_pack_that_fills_a_group(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;

	lab_begin(lab);
	for (unsigned i = 1; i < KEPT_MAX; i++)
		assert_int_equal(add(lab, i, "l", "a"), 0);
	pack_start(&p, lab, KEPT_MAX);
	pack_symlink(&p, "last", "a");
	assert_int_equal(pack_take(&p, &e), 0);
	assert_target(lab, "l", "a");
	assert_target(lab, "last", "a");
	assert_int_equal(lab->files, KEPT_MAX);
}

static void symlinks_where_something_is(void **state)
{
	static const struct {
		enum conflict_policy policy;
		enum file_status status;
		enum wire_cause cause;
		const char *target, *second, *second_target;
	} cases[] = {
		{ CONFLICT_FAIL, STATUS_FAILED, CAUSE_EXISTS, "old", NULL,
		  NULL },
		{ CONFLICT_SKIP, STATUS_SKIPPED, CAUSE_NONE, "old", NULL,
		  NULL },
		{ CONFLICT_REPLACE, STATUS_COMMITTED, CAUSE_NONE, "new", NULL,
		  NULL },
		{ CONFLICT_NEWER, STATUS_SKIPPED, CAUSE_NONE, "old", NULL,
		  NULL },
		{ CONFLICT_RENAME, STATUS_COMMITTED, CAUSE_NONE, "old",
		  "l (1)", "new" },
		{ CONFLICT_BACKUP, STATUS_COMMITTED, CAUSE_NONE, "new", "l~",
		  "old" },
	};
	struct recv_lab *lab = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		(void)unlinkat(lab->dir, "l", 0);
		assert_int_equal(symlinkat("old", lab->dir, "l"), 0);
		lab->cfg.existing = cases[i].policy;
		lab->files = 0;
		lab_begin(lab);
		assert_int_equal(add(lab, 1, "l", "new"), 0);
		assert_int_equal(make(lab), 0);
		lab_expect(lab, 1, 1, STATUS_DEFERRED, CAUSE_NONE);
		lab_expect(lab, 1, 1, cases[i].status, cases[i].cause);
		assert_target(lab, "l", cases[i].target);
		assert_int_equal(lab_names(lab), cases[i].second ? 2 : 1);
		assert_string_equal(lab->file[0].renamed,
				    cases[i].policy == CONFLICT_RENAME ?
					    "l (1)" :
					    "");
		if (cases[i].second) {
			assert_target(lab, cases[i].second,
				      cases[i].second_target);
			unlinkat(lab->dir, cases[i].second, 0);
		}
		lab_end(lab);
	}
}

static void a_symlink_that_is_there(void **state)
{
	struct recv_lab *lab = *state;

	assert_int_equal(symlinkat("same", lab->dir, "l"), 0);
	assert_int_equal(symlinkat("samet", lab->dir, "m"), 0);
	put_file(lab->dir, "file", "same");
	lab_begin(lab);
	assert_int_equal(add(lab, 1, "l", "same"), 0);
	assert_int_equal(add(lab, 2, "m", "same"), 0);
	assert_int_equal(add(lab, 3, "file", "same"), 0);
	assert_int_equal(make(lab), 0);
	lab_expect(lab, 1, 3, STATUS_DEFERRED, CAUSE_NONE);
	lab_expect(lab, 1, 1, STATUS_UNCHANGED, CAUSE_NONE);
	lab_expect(lab, 2, 2, STATUS_FAILED, CAUSE_EXISTS);
}

/* Neither one that was there, nor one that the sender made before. */
static void no_symlink_is_followed(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct err e;

	assert_int_equal(mkdirat(lab->dir, "d", 0755), 0);
	assert_int_equal(symlinkat("d", lab->dir, "there"), 0);
	lab_begin(lab);
	pack_start(&p, lab, 1);
	pack_symlink(&p, "mine", "d");
	pack_file(&p, "mine/f", "f");
	pack_symlink(&p, "there/l", "x");
	pack_file(&p, "there/f", "f");
	assert_int_equal(pack_take(&p, &e), 0);
	lab_expect(lab, 1, 1, STATUS_DEFERRED, CAUSE_NONE);
	lab_expect(lab, 2, 1, STATUS_COMMITTED, CAUSE_NONE);
	lab_expect(lab, 3, 1, STATUS_DEFERRED, CAUSE_NONE);
	lab_expect(lab, 4, 1, STATUS_FAILED, CAUSE_NOT_DIR);
	assert_int_equal(make(lab), 0);
	lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_IS_DIR);
	lab_expect(lab, 3, 1, STATUS_FAILED, CAUSE_NOT_DIR);
	assert_int_equal(count_entries(fdopendir(openat(
				 lab->dir, "d", O_RDONLY | O_DIRECTORY))),
			 2);
	assert_content(lab, "mine/f", "f");
}

/* ---- metadata of directories ---- */

struct trouble {
	unsigned count;
	char path[64];
	int err_no;
};

static void on_trouble(void *ctx, const char *path, size_t len, unsigned lost,
		       int err_no)
{
	struct trouble *t = ctx;

	t->count++;
	assert_int_not_equal(lost, 0);
	t->err_no = err_no;
	snprintf(t->path, sizeof(t->path), "%.*s", (int)len, path);
}

static void note(struct dir_meta *d, const char *path, uint32_t mode)
{
	const struct file_meta meta = { .mode = mode, .mtime_s = OWNER_MTIME };
	struct verdict v;
	struct err e;

	assert_int_equal(dir_meta_add(d, path, strlen(path), &meta, 0, &v, &e),
			 0);
}

/* What is spilled counts. */
static struct quota *quota;

static int make_quota(void **state)
{
	(void)state;
	quota = quota_new(UINT64_MAX, UINT64_MAX);
	return quota ? 0 : -1;
}

static int free_quota(void **state)
{
	(void)state;
	quota_free(quota);
	return 0;
}

/* For directories that are replaced, as all here were there before. */
static struct dir_meta *meta_new(struct recv_lab *lab, struct unlocked *u)
{
	return dir_meta_new(lab->dir, NULL, u, quota, 1);
}

static void make_dirs(const struct recv_lab *lab, const char *const *paths)
{
	for (; *paths; paths++)
		assert_int_equal(mkdirat(lab->dir, *paths, 0700), 0);
}

static void assert_meta(const struct recv_lab *lab, const char *path,
			uint32_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(lab->dir, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_mtim.tv_sec, OWNER_MTIME);
}

/* Give up capabilities of root (or take them back).  Not by becoming another
 * user: the only user of a namespace has none to become. */
static void set_capabilities(uint32_t bits, bool does)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &head, caps), 0);
	caps[0].effective &= ~bits;
	if (does)
		caps[0].effective |= caps[0].permitted & bits;
	assert_int_equal(syscall(SYS_capset, &head, caps), 0);
}

/* What lets root pass modes. */
static void pass_modes(bool does)
{
	set_capabilities(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH,
			 does);
}

static int tear_down_owners(void **state)
{
	set_capabilities(1u << CAP_CHOWN, true);
	return lab_tear_down(state);
}

static int tear_down_modes(void **state)
{
	pass_modes(true);
	return lab_tear_down(state);
}

static void modes_and_times_of_directories(void **state)
{
	static const char *const paths[] = { "a", "a/b", "c", NULL };
	struct recv_lab *lab = *state;
	struct dir_meta *d = meta_new(lab, NULL);
	struct trouble t = { 0 };
	struct err e;

	make_dirs(lab, paths);
	assert_int_equal(dir_meta_apply(d, on_trouble, &t, &e), 0);
	note(d, "a/b", 0750);
	note(d, "a", 0711);
	note(d, "c", 0777);
	assert_int_equal(dir_meta_apply(d, on_trouble, &t, &e), 3);
	assert_meta(lab, "a", 0711);
	assert_meta(lab, "a/b", 0750);
	assert_meta(lab, "c", 0777);
	assert_int_equal(t.count, 0);
	dir_meta_free(d);
}

/* Directories that their owner cannot enter or change get that mode last, and
 * those in them before them, or nothing below could be set: whichever of them
 * came first. */
static void locked_directories(void **state)
{
	static const char *const paths[] = { "a", "a/b", "a/b/c", NULL };
	struct recv_lab *lab = *state;
	struct trouble t = { 0 };
	struct stat st;
	struct err e;

	pass_modes(false);
	make_dirs(lab, paths);
	for (int is_downwards = 0; is_downwards < 2; is_downwards++) {
		struct dir_meta *d = meta_new(lab, NULL);

		if (is_downwards) {
			note(d, "a", 0400);
			note(d, "a/b", 0400);
		}
		note(d, "a/b/c", 0755);
		if (!is_downwards) {
			note(d, "a/b", 0400);
			note(d, "a", 0400);
		}
		assert_int_equal(dir_meta_apply(d, on_trouble, &t, &e), 3);
		assert_int_equal(t.count, 0);
		assert_meta(lab, "a", 0400);
		assert_int_equal(fstatat(lab->dir, "a/b/c", &st, 0), -1);
		assert_int_equal(errno, EACCES);
		assert_int_equal(fchmodat(lab->dir, "a", 0700, 0), 0);
		assert_meta(lab, "a/b", 0400);
		assert_int_equal(fchmodat(lab->dir, "a/b", 0700, 0), 0);
		assert_meta(lab, "a/b/c", 0755);
		dir_meta_free(d);
	}
}

static void assert_mode(struct recv_lab *lab, const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(lab->dir, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

/* Open a directory of a path that may be locked, as a stream's thread does. */
static void unlock(struct unlocked *u, int dir, const char *path)
{
	struct dirs *walk = dirs_new(dir, DIRS_CREATE, NULL, NULL);
	struct err e;
	int fd;

	err_clear(&e);
	unlocked_serve(u, walk);
	fd = dirs_enter(walk, path, strlen(path), &e);
	assert_true(fd >= 0);
	(void)unlocked_open(u, fd, path, strlen(path));
	dirs_free(walk);
}

/* What was unlocked is locked again, unless the sender has another mode for it,
 * in whichever order they lie in one another. */
static void unlocked_directories(void **state)
{
	static const char *const paths[] = { "a", "a/b", "a/b/c", "a/b/c/d",
					     "e", NULL };
	struct recv_lab *lab = *state;

	pass_modes(false);
	make_dirs(lab, paths);
	for (int is_failed = 0; is_failed < 2; is_failed++) {
		struct unlocked *u = unlocked_new(NULL, NULL);
		struct dir_meta *d = meta_new(lab, u);
		struct trouble t = { 0 };
		struct err e;

		assert_int_equal(fchmodat(lab->dir, "a/b/c/d", 0555, 0), 0);
		assert_int_equal(fchmodat(lab->dir, "a/b/c", 0444, 0), 0);
		assert_int_equal(fchmodat(lab->dir, "a/b", 0477, 0), 0);
		assert_int_equal(fchmodat(lab->dir, "a", 0500, 0), 0);
		assert_int_equal(fchmodat(lab->dir, "e", 0444, 0), 0);
		unlock(u, lab->dir, "a/b/c/d");
		unlock(u, lab->dir, "a");
		unlock(u, lab->dir, "e");
		/* the mode that it has now, which shows nothing by itself */
		note(d, "e", 0744);
		note(d, "a/b", 0455);
		if (is_failed)
			dir_meta_restore(d, on_trouble, &t);
		else
			assert_int_equal(dir_meta_apply(d, on_trouble, &t, &e),
					 2);
		assert_int_equal(t.count, 0);
		assert_mode(lab, "a", 0500);
		assert_mode(lab, "e", is_failed ? 0444 : 0744);
		assert_mode(lab, "a/b", is_failed ? 0477 : 0455);
		assert_int_equal(fchmodat(lab->dir, "a", 0700, 0), 0);
		assert_int_equal(fchmodat(lab->dir, "a/b", 0700, 0), 0);
		assert_mode(lab, "a/b/c", 0444);
		assert_int_equal(fchmodat(lab->dir, "a/b/c", 0700, 0), 0);
		assert_mode(lab, "a/b/c/d", 0555);
		dir_meta_free(d);
		unlocked_free(u);
	}
}

/* Where another process changed the mode, or put another directory there, that
 * is left alone. */
static void unlocked_directories_that_change(void **state)
{
	static const char *const paths[] = { "a", "b", "c", NULL };
	struct unlocked *u = unlocked_new(NULL, NULL);
	struct recv_lab *lab = *state;
	struct dir_meta *d = meta_new(lab, u);
	struct trouble t = { 0 };

	pass_modes(false);
	make_dirs(lab, paths);
	for (int i = 0; paths[i]; i++) {
		assert_int_equal(fchmodat(lab->dir, paths[i], 0500, 0), 0);
		unlock(u, lab->dir, paths[i]);
		assert_mode(lab, paths[i], 0700);
	}
	assert_int_equal(fchmodat(lab->dir, "a", 0711, 0), 0);
	assert_int_equal(renameat(lab->dir, "b", lab->dir, "old"), 0);
	assert_int_equal(mkdirat(lab->dir, "b", 0700), 0);
	assert_int_equal(unlinkat(lab->dir, "c", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("b", lab->dir, "c"), 0);
	dir_meta_restore(d, on_trouble, &t);
	assert_int_equal(t.count, 0);
	assert_mode(lab, "a", 0711);
	assert_mode(lab, "b", 0700);
	assert_mode(lab, "old", 0700);
	dir_meta_free(d);
	unlocked_free(u);
}

static void what_cannot_be_set_is_reported(void **state)
{
	static const char *const paths[] = { "a", NULL };
	struct recv_lab *lab = *state;
	struct dir_meta *d = meta_new(lab, NULL);
	struct trouble t = { 0 };
	struct err e;

	make_dirs(lab, paths);
	assert_int_equal(symlinkat("a", lab->dir, "l"), 0);
	note(d, "gone", 0755);
	note(d, "a", 0711);
	assert_int_equal(dir_meta_apply(d, on_trouble, &t, &e), 2);
	assert_int_equal(t.count, 1);
	assert_string_equal(t.path, "gone");
	assert_int_equal(t.err_no, ENOENT);
	assert_meta(lab, "a", 0711);
	dir_meta_free(d);
	/* nor is a symlink followed */
	d = meta_new(lab, NULL);
	note(d, "l", 0777);
	assert_int_equal(dir_meta_apply(d, on_trouble, &t, &e), 1);
	assert_int_equal(t.count, 2);
	assert_string_equal(t.path, "l");
	assert_meta(lab, "a", 0711);
	dir_meta_free(d);
}

/* More than is kept in memory, in whose way no name comes. */
static void a_list_that_goes_to_a_file(void **state)
{
	enum { LONG = 4000, MANY = 3000 };
	static const char *const paths[] = { "first", "locked", "last", NULL };
	struct recv_lab *lab = *state;
	struct dir_meta *d = meta_new(lab, NULL);
	char *path = malloc(LONG + 1);
	struct trouble t = { 0 };
	struct err e;
	const int fds = count_fds();

	make_dirs(lab, paths);
	for (unsigned i = 0; i < LONG; i++)
		path[i] = i % 2 ? '/' : 'x';
	path[LONG - 1] = 'x';
	path[LONG] = '\0';
	note(d, "first", 0711);
	note(d, "locked", 0500);
	for (unsigned i = 0; i < MANY; i++)
		note(d, path, 0755);
	note(d, "last", 0750);
	assert_int_equal(lab_names(lab), 3);
	assert_int_equal(count_fds(), fds + 1);
	assert_int_equal(dir_meta_apply(d, on_trouble, &t, &e), MANY + 3);
	assert_int_equal(t.count, MANY);
	assert_meta(lab, "first", 0711);
	assert_meta(lab, "locked", 0500);
	assert_meta(lab, "last", 0750);
	dir_meta_free(d);
	assert_int_equal(count_fds(), fds);
	free(path);
}

/* That an owner cannot be set is no reason to create something in the
 * directory, to find out why. */
static void nothing_is_tried_for_an_owner(void **state)
{
	static const char *const paths[] = { "d", NULL };
	const struct preserve how = { .kinds = PRESERVE_OWNER };
	const struct file_meta_owner owner = {
		.flags = FILE_META_OWNER_SET,
		.user = { .id = geteuid() ? 0 : 1 },
	};
	struct recv_lab *lab = *state;
	struct dir_meta *d = meta_new(lab, NULL);
	struct file_meta meta = { .mode = 0700, .mtime_s = OWNER_MTIME };
	const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct trouble t = { 0 };
	struct verdict v;
	char path[192];
	struct buf b;
	struct err e;

	make_dirs(lab, paths);
	snprintf(path, sizeof(path), "%s/d", lab->path);
	assert_true(inotify_add_watch(watch, path, IN_CREATE | IN_DELETE) >= 0);
	buf_init(&b, 256);
	file_meta_put_owner(&b, &owner);
	meta.further = 1u << FILE_META_TAG_OWNER;
	meta.fields = b.data;
	meta.fields_len = (uint16_t)b.len;
	dir_meta_set_preserve(d, &how);
	assert_int_equal(dir_meta_add(d, "d", 1, &meta, 1, &v, &e), 0);
	set_capabilities(1u << CAP_CHOWN, false);
	assert_int_equal(dir_meta_apply(d, on_trouble, &t, &e), 1);
	assert_int_equal(t.count, 1);
	/* read() fails: there is no event */
	assert_int_equal(read(watch, path, sizeof(path)), -1);
	assert_int_equal(errno, EAGAIN);
	close(watch);
	buf_release(&b);
	dir_meta_free(d);
}

/* Through a whole session: FINISH, and what is told of it. */
static void trouble_becomes_a_note(void **state)
{
	struct recv_lab *lab = *state;
	struct lab_pack p;
	struct msg_finish finish = { 0 };
	struct msg_summary sum;
	struct msg_verdict v;
	struct msg_note m;
	int note_is_good = 0, verdict_is_good = 0;
	struct buf b;
	struct err e;

	lab->cfg.sync = SYNC_BATCH;
	lab_begin(lab);
	pack_start(&p, lab, 1);
	pack_dir(&p, "d");
	pack_dir(&p, "kept");
	pack_symlink(&p, "l", "x");
	assert_int_equal(pack_take(&p, &e), 0);
	lab_expect(lab, 1, 2, STATUS_COMMITTED, CAUSE_NONE);
	lab_expect(lab, 3, 1, STATUS_DEFERRED, CAUSE_NONE);
	assert_int_equal(unlinkat(lab->dir, "d", AT_REMOVEDIR), 0);
	buf_init(&b, 256);
	msg_put_finish(&b, &finish);
	assert_int_equal(lab_frame(lab, &b, NULL, 0, &e), 0);
	assert_int_equal(lab->next, DISPATCH_FINISH);
	/* They lie in two outboxes: either may be the first. */
	for (int i = 0; i < 2; i++) {
		if (lab_reply(lab) == FRAME_NOTE)
			note_is_good = msg_get_note(&m, lab->body.data,
						    lab->body.len) == 0 &&
				       m.name_len == 1 && *m.name == 'd' &&
				       m.cause == CAUSE_VANISHED;
		else
			verdict_is_good = msg_get_verdict(&v, lab->body.data,
							  lab->body.len) == 0 &&
					  v.first_id == 3 &&
					  v.status == STATUS_COMMITTED;
	}
	assert_true(note_is_good && verdict_is_good);
	assert_target(lab, "l", "x");
	results_get_summary(lab->session->transfer.results, &sum);
	assert_int_equal(sum.notes, 1);
	/* Here, not before anything was sent. */
	assert_string_equal(lab->message,
			    "d: on this side: setting its metadata: it was "
			    "removed meanwhile");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		lab_test(symlinks_are_made_when_they_are_asked_for),
		lab_test(symlinks_are_flushed_before_they_are_reported),
		lab_test(symlinks_that_cannot_be_flushed_are_not_reported),
		lab_test(symlinks_in_groups),
		lab_test(a_pack_that_fills_a_group),
		lab_test(symlinks_where_something_is),
		lab_test(a_symlink_that_is_there),
		lab_test(no_symlink_is_followed),
		lab_test(modes_and_times_of_directories),
		cmocka_unit_test_setup_teardown(nothing_is_tried_for_an_owner,
						lab_set_up, tear_down_owners),
		cmocka_unit_test_setup_teardown(locked_directories,
						lab_set_up, tear_down_modes),
		cmocka_unit_test_setup_teardown(unlocked_directories,
						lab_set_up, tear_down_modes),
		cmocka_unit_test_setup_teardown(unlocked_directories_that_change,
						lab_set_up, tear_down_modes),
		lab_test(what_cannot_be_set_is_reported),
		lab_test(a_list_that_goes_to_a_file),
		lab_test(trouble_becomes_a_note),
	};

	return cmocka_run_group_tests(tests, make_quota, free_quota);
}
