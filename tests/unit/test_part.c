/*
 * Part files: never over anything, never through a link, whole or not at all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/node.h"
#include "fs/part.h"
#include "../lib/scratch.h"
#include "os_lacks.h"

struct place {
	char path[256];
	int dir;
	int fds; /* open before the test */
	struct part_names names;
};

/* How many names there are besides "." and "..". */
static int count_names(int dir)
{
	return count_entries(fdopendir(
		       openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))) -
	       2;
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dir = scratch_make(p->path, sizeof(p->path), "part");
	p->fds = count_fds();
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char small[300];
	int rc;

	/* still there when a test failed */
	snprintf(small, sizeof(small), "%s/small", p->path);
	umount2(small, MNT_DETACH);
	rc = scratch_remove(p->path);
	close(p->dir);
	free(p);
	return rc;
}

static int holds(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
	char got[64];
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, got, sizeof(got));
	close(fd);
	return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

static struct stat stat_of(int dir, const char *name)
{
	struct stat st;
	struct err e;

	assert_int_equal(part_stat(dir, name, &st, &e), 0);
	return st;
}

/* A part file with this content, closed, ready to be renamed. */
static struct part make_part(struct place *p, const char *text)
{
	struct part part;
	struct err e;

	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	assert_int_equal(part_write(&part, text, strlen(text), 0, &e), 0);
	assert_int_equal(part_close(&part, &e), 0);
	assert_int_equal(part.fd, -1);
	return part;
}

static void test_create(void **state)
{
	static const mode_t masks[] = { 0, 022, 077 };
	struct place *p = *state;
	char last[NAME_PART_MAX] = "";
	struct part part;
	struct err e;

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		const mode_t old = umask(masks[i]);

		assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
		umask(old);
		assert_true(name_is_own(part.name, strlen(part.name)));
		assert_string_not_equal(part.name, last);
		memcpy(last, part.name, sizeof(last));
		assert_int_equal(stat_of(p->dir, part.name).st_mode,
				 S_IFREG | 0600);
		assert_int_equal(fcntl(part.fd, F_GETFD), FD_CLOEXEC);
		part_discard(&part, p->dir);
		assert_int_equal(part.fd, -1);
		part_discard(&part, p->dir); /* does no harm */
	}
	assert_int_equal(count_names(p->dir), 0);
	assert_int_equal(count_fds(), p->fds);
}

/* Two generators never say the same; neither does one twice. */
static void test_names_differ(void **state)
{
	struct place *p = *state;
	struct part_names other = { 0 };
	struct part a[64], b[64];
	struct err e;

	for (int i = 0; i < 64; i++) {
		assert_int_equal(part_create(&a[i], &p->names, p->dir, &e), 0);
		assert_int_equal(part_create(&b[i], &other, p->dir, &e), 0);
	}
	assert_int_equal(count_names(p->dir), 128);
	for (int i = 0; i < 64; i++) {
		part_discard(&a[i], p->dir);
		part_discard(&b[i], p->dir);
	}
	assert_int_equal(count_names(p->dir), 0);
}

/* A name that was guessed and planted is not opened, nor followed. */
static void test_planted_name(void **state)
{
	struct place *p = *state;
	struct part_names again;
	char planted[NAME_PART_MAX], second[NAME_PART_MAX];
	struct part part;
	struct err e;

	put_file(p->dir, "victim", "old");
	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	part_discard(&part, p->dir);
	again = p->names;
	assert_int_equal(part_create(&part, &again, p->dir, &e), 0);
	memcpy(planted, part.name, sizeof(planted));
	part_discard(&part, p->dir);
	assert_int_equal(part_create(&part, &again, p->dir, &e), 0);
	memcpy(second, part.name, sizeof(second));
	part_discard(&part, p->dir);
	assert_int_equal(symlinkat("victim", p->dir, planted), 0);
	again = p->names;
	assert_int_equal(part_create(&part, &again, p->dir, &e), 0);
	assert_string_not_equal(part.name, planted);
	/* who knew that one may know what would have come next */
	assert_string_not_equal(part.name, second);
	assert_int_equal(part_write(&part, "new", 3, 0, &e), 0);
	part_discard(&part, p->dir);
	assert_true(holds(p->dir, "victim", "old"));
	assert_true(S_ISLNK(stat_of(p->dir, planted).st_mode));
}

static void test_create_fails(void **state)
{
	struct place *p = *state;
	struct part part;
	struct err e;
	int gone;

	assert_int_equal(mkdirat(p->dir, "gone", 0755), 0);
	gone = openat(p->dir, "gone", O_RDONLY | O_DIRECTORY);
	assert_int_equal(unlinkat(p->dir, "gone", AT_REMOVEDIR), 0);
	assert_int_equal(part_create(&part, &p->names, gone, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_int_equal(part.fd, -1);
	part_discard(&part, gone);
	close(gone);
}

static void test_content(void **state)
{
	struct place *p = *state;
	struct part part;
	uint64_t have;
	struct stat st;
	struct err e;
	char got[32];
	int fd;

	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	assert_int_equal(part_check_space(&part, 1 << 20, 0, &have, &e), 0);
	part_reserve(&part, 0, 1 << 20);
	assert_int_equal(part_write(&part, "world", 5, 10, &e), 0);
	assert_int_equal(part_write(&part, "hello", 5, 0, &e), 0);
	assert_int_equal(part_set_size(&part, 16, &e), 0);
	assert_int_equal(part_sync(&part, &e), 0);
	assert_int_equal(part_close(&part, &e), 0);
	assert_int_equal(part_rename(&part, p->dir, "f", 0, &e), 0);
	part_discard(&part, p->dir); /* after the rename: nothing */
	fd = part_open_existing(p->dir, "f", &st, &e);
	assert_true(fd >= 0);
	assert_int_equal(st.st_size, 16);
	assert_int_equal(read(fd, got, sizeof(got)), 16);
	assert_memory_equal(got, "hello\0\0\0\0\0world\0", 16);
	close(fd);
	assert_int_equal(count_names(p->dir), 1);
	assert_int_equal(count_fds(), p->fds);
}

static void test_sizes_out_of_range(void **state)
{
	struct place *p = *state;
	struct part part;
	uint64_t have;
	struct err e;

	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	assert_int_equal(part_check_space(&part, UINT64_MAX, 0, &have, &e),
			 ERR_LOCAL);
	assert_int_equal(e.sys_errno, EFBIG);
	assert_int_equal(part_set_size(&part, UINT64_MAX, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EFBIG);
	assert_int_equal(part_set_size(&part, INT64_MAX, &e), ERR_LOCAL);
	assert_true(e.sys_errno == EFBIG || e.sys_errno == EINVAL);
	assert_int_equal(part_write(&part, "x", 1, UINT64_MAX, &e), ERR_LOCAL);
	assert_int_equal(part_check_space(&part, 0, 0, &have, &e), 0);
	/* more than there is, by far */
	assert_int_equal(part_check_space(&part, UINT64_C(1) << 60, 0, &have,
					  &e),
			 ERR_LOCAL);
	assert_true(e.sys_errno == ENOSPC || e.sys_errno == EFBIG);
	assert_true(have < UINT64_C(1) << 60);
	part_discard(&part, p->dir);
}

static void test_no_overwrite(void **state)
{
	struct place *p = *state;
	struct part part = make_part(p, "new");
	struct err e;

	put_file(p->dir, "f", "old");
	assert_int_equal(part_rename(&part, p->dir, "f", 0, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EEXIST);
	assert_true(holds(p->dir, "f", "old"));
	assert_true(holds(p->dir, part.name, "new")); /* still ours */
	assert_int_equal(part_rename(&part, p->dir, "f", 1, &e), 0);
	assert_true(holds(p->dir, "f", "new"));
	assert_int_equal(count_names(p->dir), 1);
}

static void test_odd_targets(void **state)
{
	struct place *p = *state;
	struct part part = make_part(p, "new");
	struct err e;

	assert_int_equal(mkdirat(p->dir, "dir", 0755), 0);
	assert_int_equal(mkfifoat(p->dir, "fifo", 0644), 0);
	assert_int_equal(part_rename(&part, p->dir, "dir", 0, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EEXIST);
	assert_int_equal(part_rename(&part, p->dir, "dir", 1, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EISDIR);
	assert_true(S_ISDIR(stat_of(p->dir, "dir").st_mode));
	assert_int_equal(part_rename(&part, p->dir, "fifo", 0, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EEXIST);
	assert_int_equal(part_rename(&part, p->dir, "fifo", 1, &e), 0);
	assert_true(holds(p->dir, "fifo", "new"));
}

static void test_link_at_final_name(void **state)
{
	struct place *p = *state;
	struct part part = make_part(p, "new");
	struct err e;

	put_file(p->dir, "victim", "old");
	assert_int_equal(symlinkat("victim", p->dir, "f"), 0);
	assert_int_equal(symlinkat("nowhere", p->dir, "dangling"), 0);
	assert_int_equal(part_rename(&part, p->dir, "f", 0, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EEXIST);
	assert_int_equal(part_rename(&part, p->dir, "dangling", 0, &e),
			 ERR_LOCAL);
	assert_int_equal(e.sys_errno, EEXIST);
	assert_true(S_ISLNK(stat_of(p->dir, "f").st_mode));
	assert_int_equal(part_rename(&part, p->dir, "f", 1, &e), 0);
	assert_true(holds(p->dir, "f", "new"));
	assert_true(holds(p->dir, "victim", "old"));
	assert_int_equal(faccessat(p->dir, "nowhere", F_OK, 0), -1);
}

static void test_hard_link_at_final_name(void **state)
{
	struct place *p = *state;
	struct part part = make_part(p, "new");
	struct stat before, after;
	struct err e;

	put_file(p->dir, "victim", "old");
	assert_int_equal(linkat(p->dir, "victim", p->dir, "f", 0), 0);
	before = stat_of(p->dir, "victim");
	assert_int_equal(part_rename(&part, p->dir, "f", 1, &e), 0);
	after = stat_of(p->dir, "victim");
	assert_true(holds(p->dir, "victim", "old"));
	assert_true(holds(p->dir, "f", "new"));
	assert_int_equal(after.st_nlink, 1);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

struct racer {
	struct part *part;
	int dir;
	pthread_barrier_t *barrier;
	int rc;
	struct err e;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->barrier);
	r->rc = part_rename(r->part, r->dir, "f", 0, &r->e);
	return NULL;
}

static void test_rename_race(void **state)
{
	struct place *p = *state;
	pthread_barrier_t barrier;

	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	for (int round = 0; round < 200; round++) {
		struct part parts[2] = { make_part(p, "a"), make_part(p, "b") };
		struct racer r[2];
		pthread_t threads[2];
		int winner;

		for (int i = 0; i < 2; i++) {
			r[i].part = &parts[i];
			r[i].dir = p->dir;
			r[i].barrier = &barrier;
			assert_int_equal(
				pthread_create(&threads[i], NULL, race, &r[i]),
				0);
		}
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal((r[0].rc == 0) + (r[1].rc == 0), 1);
		winner = r[1].rc == 0;
		assert_int_equal(r[!winner].rc, ERR_LOCAL);
		assert_int_equal(r[!winner].e.sys_errno, EEXIST);
		assert_true(holds(p->dir, "f", winner ? "b" : "a"));
		part_discard(&parts[!winner], p->dir);
		assert_int_equal(count_names(p->dir), 1);
		assert_int_equal(unlinkat(p->dir, "f", 0), 0);
	}
	pthread_barrier_destroy(&barrier);
}

struct meta_case {
	struct file_meta meta;
	mode_t mode;
};

static void test_meta(void **state)
{
	static const struct meta_case cases[] = {
		{ { .mode = 0644, .mtime_s = 1700000000, .mtime_ns = 123456789 },
		  0644 },
		{ { .mode = 0, .mtime_s = 0, .mtime_ns = 0 },
		  0 },
		{ { .mode = 0777, .mtime_s = 1, .mtime_ns = 999999999 },
		  0777 },
		{ { .mode = 07777, .mtime_s = 1700000001, .mtime_ns = 1 },
		  0777 },
		{ { .mode = 0400, .mtime_s = -1, .mtime_ns = 0 },
		  0400 },
		{ { .mode = 0100644, .mtime_s = -123456789, .mtime_ns = 987654321 },
		  0644 },
		{ { .mode = 0xffffffff, .mtime_s = 4102444800, .mtime_ns = 5 },
		  0777 }, /* 2100 */
	};
	struct place *p = *state;
	struct part part;
	struct stat st;
	struct err e;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct file_meta *m = &cases[i].meta;

		assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
		assert_int_equal(part_set_meta(&part, m, NULL, &e), 0);
		assert_int_equal(part_close(&part, &e), 0);
		assert_int_equal(part_rename(&part, p->dir, "f", 1, &e), 0);
		st = stat_of(p->dir, "f");
		assert_int_equal(st.st_mode, S_IFREG | cases[i].mode);
		assert_int_equal(st.st_mtim.tv_sec, m->mtime_s);
		assert_int_equal(st.st_mtim.tv_nsec, m->mtime_ns);
		assert_int_equal(st.st_uid, geteuid());
	}
}

static void test_meta_refused(void **state)
{
	/* the second and third are UTIME_NOW and UTIME_OMIT */
	static const uint32_t bad[] = { 1000000000, 0x3fffffff, 0x3ffffffe,
					UINT32_MAX };
	struct place *p = *state;
	struct file_meta m = { .mode = 0644, .mtime_s = 1700000000,
					.mtime_ns = 0 };
	struct part part;
	struct stat st;
	struct err e;

	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m.mtime_ns = bad[i];
		assert_int_equal(part_set_meta(&part, &m, NULL, &e),
				 FILE_META_TIME);
		assert_int_equal(e.sys_errno, EINVAL);
	}
	fstat(part.fd, &st);
	assert_int_equal(st.st_mode, S_IFREG | 0644); /* the mode alone */
	part_discard(&part, p->dir);
}

static void test_dir_meta(void **state)
{
	const struct file_meta m = { .mode = 07750, .mtime_s = 1234567890,
					.mtime_ns = 42 };
	struct place *p = *state;
	struct stat st;
	struct err e;
	int fd;

	assert_int_equal(mkdirat(p->dir, "d", 0700), 0);
	fd = openat(p->dir, "d", O_RDONLY | O_DIRECTORY);
	st = stat_of(p->dir, "d");
	assert_int_equal(part_set_dir_meta(fd, &st, &m, NULL, NULL, &e), 0);
	st = stat_of(p->dir, "d");
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	assert_int_equal(st.st_mtim.tv_sec, 1234567890);
	assert_int_equal(st.st_mtim.tv_nsec, 42);
	/* what the parent passed on stays */
	assert_int_equal(fchmod(fd, 02700), 0);
	st = stat_of(p->dir, "d");
	assert_int_equal(part_set_dir_meta(fd, &st, &m, NULL, NULL, &e), 0);
	assert_int_equal(stat_of(p->dir, "d").st_mode, S_IFDIR | 02750);
	close(fd);
}

static void test_symlink(void **state)
{
	const struct file_meta m = { .mode = 0777, .mtime_s = 1000000000,
					.mtime_ns = 7 };
	struct node odd = { .target = "a/b\n\xff", .meta = &m };
	struct node c = { .target = "c", .meta = &m };
	struct place *p = *state;
	char target[64];
	struct stat st;
	struct err e;
	ssize_t n;

	assert_int_equal(node_make(&odd, p->dir, "l", 0, &e), 0);
	n = readlinkat(p->dir, "l", target, sizeof(target));
	assert_int_equal(n, 5);
	assert_memory_equal(target, "a/b\n\xff", 5);
	st = stat_of(p->dir, "l");
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(st.st_mtim.tv_nsec, 7);
	assert_int_equal(node_make(&c, p->dir, "l", 0, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EEXIST);
	assert_int_equal(count_names(p->dir), 1); /* nothing left behind */
	assert_int_equal(node_make(&c, p->dir, "l", 1, &e), 0);
	assert_int_equal(readlinkat(p->dir, "l", target, 64), 1);
	assert_int_equal(mkdirat(p->dir, "d", 0700), 0);
	assert_int_equal(node_make(&c, p->dir, "d", 1, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EISDIR);
	assert_int_equal(count_names(p->dir), 2);
}

/* Without a name until it has its final one. */
static void test_hidden(void **state)
{
	const struct file_meta m = { .mode = 0640, .mtime_s = 1000000000,
					.mtime_ns = 7 };
	const mode_t mask = umask(0);
	struct place *p = *state;
	struct part part;
	struct err e;
	int rc = part_create_hidden(&part, p->dir, 0640, 1, &e);

	umask(mask);
	if (rc == ERR_AGAIN)
		skip();
	assert_int_equal(rc, 0);
	assert_int_equal(count_names(p->dir), 0);
	assert_int_equal(part_write(&part, "new", 3, 0, &e), 0);
	assert_int_equal(part_set_meta(&part, &m, NULL, &e), 0);
	put_file(p->dir, "old", "old");
	assert_int_equal(part_rename(&part, p->dir, "old", 0, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EEXIST);
	assert_true(holds(p->dir, "old", "old"));
	assert_int_equal(part_rename(&part, p->dir, "f", 0, &e), 0);
	assert_int_equal(part_rename(&part, p->dir, "old", 1, &e), 0);
	assert_true(holds(p->dir, "f", "new"));
	assert_true(holds(p->dir, "old", "new"));
	assert_int_equal(stat_of(p->dir, "f").st_mode, S_IFREG | 0640);
	assert_int_equal(stat_of(p->dir, "f").st_mtim.tv_sec, 1000000000);
	assert_int_equal(count_names(p->dir), 2);
	part_discard(&part, p->dir);
	/* one that is given up was never there */
	assert_int_equal(part_create_hidden(&part, p->dir, 0640, 0, &e), 0);
	part_discard(&part, p->dir);
	assert_int_equal(count_names(p->dir), 2);
	assert_int_equal(count_fds(), p->fds);
}

/* Another file that has the part's name is neither given the final name nor
 * removed. */
static void test_name_taken(void **state)
{
	struct place *p = *state;
	struct part part;
	struct err e;

	put_file(p->dir, "f", "old");
	put_file(p->dir, "other", "other");
	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	assert_false(part_has_lost(&part, p->dir, part.name));
	assert_int_equal(unlinkat(p->dir, part.name, 0), 0);
	assert_false(part_has_lost(&part, p->dir, part.name));
	assert_int_equal(renameat(p->dir, "other", p->dir, part.name), 0);
	assert_true(part_has_lost(&part, p->dir, part.name));
	for (int replace = 0; replace < 2; replace++) {
		assert_int_equal(part_rename(&part, p->dir,
					     replace ? "f" : "g", replace, &e),
				 ERR_LOCAL);
		assert_int_equal(e.sys_errno, EBUSY);
	}
	part_discard(&part, p->dir);
	assert_true(holds(p->dir, "f", "old"));
	assert_int_equal(count_names(p->dir), 2);
	assert_int_equal(count_fds(), p->fds);
}

/* What a dead process left between linking and renaming does not matter. */
static void test_stale_new(void **state)
{
	const struct file_meta m = { .mode = 0644, .mtime_s = 1,
					.mtime_ns = 0 };
	struct place *p = *state;
	char stale[NAME_PART_MAX] = "";
	struct part part;
	struct err e;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (const char *c = "f"; *c; c++)
		h = (h ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	part_tag_name(stale, h, "new");
	put_file(p->dir, "f", "old");
	put_file(p->dir, stale, "stale");
	if (part_create_hidden(&part, p->dir, 0644, 0, &e) == ERR_AGAIN)
		skip();
	assert_int_equal(part_write(&part, "new", 3, 0, &e), 0);
	assert_int_equal(part_set_meta(&part, &m, NULL, &e), 0);
	assert_int_equal(part_rename(&part, p->dir, "f", 1, &e), 0);
	part_discard(&part, p->dir);
	assert_true(holds(p->dir, "f", "new"));
	assert_int_equal(count_names(p->dir), 1);
}

static void test_kept(void **state)
{
	struct place *p = *state;
	struct part one, two;
	struct err e;
	int was_there;

	assert_int_equal(part_open_kept(&one, p->dir, 42, &was_there, &e), 0);
	assert_int_equal(was_there, 0);
	assert_string_equal(one.name, ".ferry-000000000000002a.part");
	assert_int_equal(part_write(&one, "some", 4, 0, &e), 0);
	/* one at a time */
	assert_int_equal(part_open_kept(&two, p->dir, 42, &was_there, &e),
			 ERR_AGAIN);
	assert_int_equal(part_close(&one, &e), 0);
	assert_int_equal(part_open_kept(&two, p->dir, 42, &was_there, &e), 0);
	assert_int_equal(was_there, 1);
	assert_true(holds(p->dir, two.name, "some"));
	/* renamed under its lock, it cannot be taken over */
	assert_int_equal(part_rename(&two, p->dir, "f", 0, &e), 0);
	assert_int_equal(part_open_kept(&one, p->dir, 42, &was_there, &e), 0);
	assert_int_equal(was_there, 0);
	assert_true(holds(p->dir, "f", "some"));
	part_discard(&one, p->dir);
	part_close(&two, &e);
	assert_int_equal(count_names(p->dir), 1);
	assert_int_equal(count_fds(), p->fds);
}

/* From here on, or with 0 no longer, what modes say holds for us too. */
static void be_ordinary(struct place *p, int ordinary)
{
	enum { NOBODY = 65534 };

	/* Without such an id, as in a user namespace, nothing can be shown. */
	if (geteuid() == 0 && fchown(p->dir, NOBODY, NOBODY) < 0)
		skip();
	if (getuid() == 0)
		assert_int_equal(seteuid(ordinary ? NOBODY : 0), 0);
}

/* One that has its final mode already and waits for its name is another's
 * still. */
static void wait_for_commit(struct place *p)
{
	static const uint32_t modes[] = { 0644, 0444, 0200, 0 };
	struct part one, two;
	struct err e;
	int was_there;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const struct file_meta meta = { .mode = modes[i], .mtime_s = 1000,
					.mtime_ns = 0 };

		assert_int_equal(part_open_kept(&one, p->dir, 42, &was_there,
						&e), 0);
		assert_int_equal(part_write(&one, "some", 4, 0, &e), 0);
		assert_int_equal(part_set_meta(&one, &meta, NULL, &e), 0);
		assert_int_equal(part_open_kept(&two, p->dir, 42, &was_there,
						&e), ERR_AGAIN);
		assert_int_equal(part_rename(&one, p->dir, "f", 0, &e), 0);
		assert_int_equal(part_close(&one, &e), 0);
		assert_int_equal(stat_of(p->dir, "f").st_size, 4);
		assert_int_equal(unlinkat(p->dir, "f", 0), 0);
	}
	assert_int_equal(count_fds(), p->fds);
}

static void test_kept_before_commit(void **state)
{
	struct place *p = *state;

	wait_for_commit(p);
	be_ordinary(p, 1);
	wait_for_commit(p);
	be_ordinary(p, 0);
}

/* One whose process died then is nobody's. */
static void test_kept_died_before_commit(void **state)
{
	static const uint32_t modes[] = { 0644, 0444, 0200 };
	struct place *p = *state;
	struct part one;
	struct err e;
	int was_there;

	be_ordinary(p, 1);
	for (size_t i = 0; i < 2 * sizeof(modes) / sizeof(modes[0]); i++) {
		const struct file_meta meta = { .mode = modes[i / 2], .mtime_s = 1000,
					.mtime_ns = 0 };

		assert_true(part_is_keepable(meta.mode));
		assert_int_equal(part_open_kept(&one, p->dir, 42, &was_there,
						&e), 0);
		assert_int_equal(was_there, 0);
		assert_int_equal(part_set_meta(&one, &meta, NULL, &e), 0);
		assert_int_equal(part_close(&one, &e), 0);
		if (i % 2)
			assert_int_equal(part_open_leftover(&one, p->dir, 42,
							    &was_there),
					 0);
		else
			assert_int_equal(part_open_kept(&one, p->dir, 42,
							&was_there, &e), 0);
		assert_int_equal(was_there, (int)(i % 2));
		part_discard(&one, p->dir);
		assert_int_equal(count_names(p->dir), 0);
	}
	assert_int_equal(part_open_leftover(&one, p->dir, 42, &was_there), -1);
	assert_int_equal(was_there, 0);
	assert_false(part_is_keepable(0));
	assert_false(part_is_keepable(0177));
	be_ordinary(p, 0);
	assert_int_equal(count_fds(), p->fds);
}

struct opener {
	struct part part;
	int dir;
	pthread_barrier_t *barrier;
	int rc;
};

static void *open_at_once(void *arg)
{
	struct opener *o = arg;
	struct err e;
	int was_there;

	pthread_barrier_wait(o->barrier);
	o->rc = part_open_kept(&o->part, o->dir, 42, &was_there, &e);
	return NULL;
}

/* Of two that come at once one has it, and it is there under its name. */
static void test_kept_race(void **state)
{
	struct place *p = *state;
	pthread_barrier_t barrier;

	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	for (int round = 0; round < 2000; round++) {
		struct opener o[2];
		pthread_t threads[2];
		struct stat st;
		int winner;

		for (int i = 0; i < 2; i++) {
			o[i].dir = p->dir;
			o[i].barrier = &barrier;
			assert_int_equal(pthread_create(&threads[i], NULL,
							open_at_once, &o[i]),
					 0);
		}
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		winner = o[1].rc == 0;
		assert_int_equal(o[winner].rc, 0);
		assert_int_equal(o[!winner].rc, ERR_AGAIN);
		assert_int_equal(fstat(o[winner].part.fd, &st), 0);
		assert_int_equal(st.st_nlink, 1);
		part_discard(&o[winner].part, p->dir);
		assert_int_equal(count_names(p->dir), 0);
	}
	pthread_barrier_destroy(&barrier);
}

static void *open_in_the_end(void *arg)
{
	struct opener *o = arg;
	struct err e;
	int was_there;

	pthread_barrier_wait(o->barrier);
	do {
		o->rc = part_open_kept(&o->part, o->dir, 42, &was_there, &e);
	} while (o->rc == ERR_AGAIN);
	return NULL;
}

/* One that is given up is not taken away from the next. */
static void test_kept_discard_race(void **state)
{
	struct place *p = *state;
	pthread_barrier_t barrier;
	struct err e;
	int was_there;

	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	for (int round = 0; round < 2000; round++) {
		struct opener o = { .dir = p->dir, .barrier = &barrier };
		pthread_t thread;
		struct part part;
		struct stat st;

		assert_int_equal(part_open_kept(&part, p->dir, 42, &was_there,
						&e), 0);
		assert_int_equal(pthread_create(&thread, NULL, open_in_the_end,
						&o), 0);
		pthread_barrier_wait(&barrier);
		part_discard(&part, p->dir);
		pthread_join(thread, NULL);
		assert_int_equal(o.rc, 0);
		assert_int_equal(fstat(o.part.fd, &st), 0);
		assert_int_equal(st.st_nlink, 1);
		part_discard(&o.part, p->dir);
	}
	pthread_barrier_destroy(&barrier);
}

enum { REPLACERS = 4 };

struct replacer {
	struct place *p;
	pthread_barrier_t *barrier;
	const char *text;
	int as_link;
	int rc;
	struct part part;
	struct err e;
};

static void *replace_at_once(void *arg)
{
	static const struct file_meta meta = { .mode = 0644, .mtime_s = 1000,
					.mtime_ns = 0 };
	struct replacer *r = arg;
	struct node link = { .target = r->text, .meta = &meta };

	pthread_barrier_wait(r->barrier);
	if (r->as_link)
		r->rc = node_make(&link, r->p->dir, "f", 1, &r->e);
	else
		r->rc = part_rename(&r->part, r->p->dir, "f", 1, &r->e);
	return NULL;
}

/* Several replace one name at a time: all can, and the last one is there. */
static void test_replace_race(void **state)
{
	struct place *p = *state;
	pthread_barrier_t barrier;

	put_file(p->dir, "f", "old");
	assert_int_equal(pthread_barrier_init(&barrier, NULL, REPLACERS), 0);
	for (int round = 0; round < 500; round++) {
		struct replacer r[REPLACERS];
		pthread_t threads[REPLACERS];

		for (int i = 0; i < REPLACERS; i++) {
			r[i].p = p;
			r[i].barrier = &barrier;
			r[i].text = &"abcd"[i];
			r[i].as_link = round % 2 && i % 2;
			r[i].part.fd = -1;
			if (!r[i].as_link &&
			    part_create_hidden(&r[i].part, p->dir, 0644, 0,
					       &r[i].e) == ERR_AGAIN)
				skip();
			if (!r[i].as_link)
				assert_int_equal(part_write(&r[i].part,
							    r[i].text,
							    strlen(r[i].text),
							    0, &r[i].e), 0);
			assert_int_equal(pthread_create(&threads[i], NULL,
							replace_at_once, &r[i]),
					 0);
		}
		for (int i = 0; i < REPLACERS; i++) {
			pthread_join(threads[i], NULL);
			assert_int_equal(r[i].rc, 0);
			part_discard(&r[i].part, p->dir);
		}
		assert_int_equal(count_names(p->dir), 1);
	}
	pthread_barrier_destroy(&barrier);
}

/* What is under the name and is not ours alone is removed, never written. */
static void test_kept_foreign(void **state)
{
	struct place *p = *state;
	const char *name = ".ferry-0000000000000007.part";
	struct part part;
	struct err e;
	int was_there;

	put_file(p->dir, "victim", "victim");
	for (int i = 0; i < 4; i++) {
		if (i == 0)
			assert_int_equal(symlinkat("victim", p->dir, name), 0);
		else if (i == 1)
			assert_int_equal(linkat(p->dir, "victim", p->dir, name, 0),
					 0);
		else if (i == 2)
			assert_int_equal(mkfifoat(p->dir, name, 0600), 0);
		else
			put_file(p->dir, name, "of mode 0644");
		assert_int_equal(part_open_kept(&part, p->dir, 7, &was_there,
						&e),
				 0);
		assert_int_equal(was_there, 0);
		assert_int_equal(part_write(&part, "x", 1, 0, &e), 0);
		part_discard(&part, p->dir);
		assert_true(holds(p->dir, "victim", "victim"));
		assert_int_equal(count_names(p->dir), 1);
	}
	/* a directory is in the way for good: another name has to do */
	assert_int_equal(mkdirat(p->dir, name, 0700), 0);
	assert_int_equal(part_open_kept(&part, p->dir, 7, &was_there, &e),
			 ERR_AGAIN);
	assert_int_equal(count_fds(), p->fds);
}

static void test_punch(void **state)
{
	struct place *p = *state;
	char got[100];
	struct part part;
	struct err e;

	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	memset(got, 'x', sizeof(got));
	assert_int_equal(part_write(&part, got, sizeof(got), 0, &e), 0);
	assert_int_equal(part_punch(&part, 10, 20, &e), 0);
	assert_int_equal(pread(part.fd, got, sizeof(got), 0), sizeof(got));
	for (int i = 0; i < 100; i++)
		assert_int_equal(got[i], i >= 10 && i < 30 ? 0 : 'x');
	part_discard(&part, p->dir);
}

static void test_open_existing(void **state)
{
	struct place *p = *state;
	struct stat st;
	struct err e;
	int fd;

	put_file(p->dir, "f", "x");
	assert_int_equal(symlinkat("f", p->dir, "l"), 0);
	assert_int_equal(mkfifoat(p->dir, "fifo", 0644), 0);
	assert_int_equal(mkdirat(p->dir, "d", 0755), 0);
	fd = part_open_existing(p->dir, "f", &st, &e);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(part_open_existing(p->dir, "l", &st, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ELOOP);
	assert_int_equal(part_open_existing(p->dir, "fifo", &st, &e),
			 ERR_LOCAL);
	assert_int_equal(part_open_existing(p->dir, "d", &st, &e), ERR_LOCAL);
	assert_int_equal(part_open_existing(p->dir, "none", &st, &e),
			 ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_int_equal(part_stat(p->dir, "none", &st, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_int_equal(part_stat(p->dir, "l", &st, &e), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(count_fds(), p->fds);
}

/* From here on this thread has no renameat2(): it fails with error. */
static int deny_renameat2(unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

struct fallback {
	struct place *p;
	struct part *part;
	const char *final;
	unsigned error;
	int denied;
	int rc;
	struct err e;
};

static void *rename_without(void *arg)
{
	struct fallback *f = arg;

	f->denied = deny_renameat2(f->error) == 0;
	if (f->denied)
		f->rc = part_rename(f->part, f->p->dir, f->final, 0, &f->e);
	return NULL;
}

static void run_fallback(struct fallback *f)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, rename_without, f), 0);
	pthread_join(thread, NULL);
	if (!f->denied)
		skip();
}

static void test_fallback(void **state)
{
	static const unsigned errors[] = { EINVAL, ENOSYS, EOPNOTSUPP };
	static const char *const names[] = { "f0", "f1", "f2" };
	struct place *p = *state;
	struct fallback f = { .p = p };

	skip_without("renaming that replaces nothing");
	put_file(p->dir, "old", "old");
	assert_int_equal(symlinkat("old", p->dir, "link"), 0);
	for (size_t i = 0; i < 3; i++) {
		struct part part = make_part(p, "new");

		f.part = &part;
		f.error = errors[i];
		f.final = "old";
		run_fallback(&f);
		assert_int_equal(f.rc, ERR_LOCAL);
		assert_int_equal(f.e.sys_errno, EEXIST);
		assert_true(holds(p->dir, "old", "old"));
		f.final = "link";
		run_fallback(&f);
		assert_int_equal(f.rc, ERR_LOCAL);
		assert_int_equal(f.e.sys_errno, EEXIST);
		f.final = names[i];
		run_fallback(&f);
		assert_int_equal(f.rc, 0);
		assert_true(holds(p->dir, f.final, "new"));
		assert_int_equal(stat_of(p->dir, f.final).st_nlink, 1);
		assert_int_equal(faccessat(p->dir, part.name, F_OK, 0), -1);
	}
	/* any other failure is not papered over */
	{
		struct part part = make_part(p, "new");

		f.part = &part;
		f.error = EACCES;
		f.final = "f3";
		run_fallback(&f);
		assert_int_equal(f.rc, ERR_LOCAL);
		assert_int_equal(f.e.sys_errno, EACCES);
		assert_int_equal(faccessat(p->dir, "f3", F_OK, 0), -1);
	}
}

/* A tmpfs with these options; the test is skipped where we may not mount. */
static int mount_small(struct place *p, const char *options)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/small", p->path);
	assert_int_equal(mkdir(path, 0755), 0);
	if (mount("tmpfs", path, "tmpfs", 0, options) < 0)
		skip();
	return openat(p->dir, "small", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void unmount_small(struct place *p, int dir)
{
	char path[300];

	close(dir);
	snprintf(path, sizeof(path), "%s/small", p->path);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
}

static void test_no_space(void **state)
{
	struct place *p = *state;
	static char block[256 * 1024];
	struct part part;
	uint64_t have = 0;
	struct err e;
	struct stat st;
	int dir = mount_small(p, "size=1m"), full = 0;

	assert_int_equal(part_create(&part, &p->names, dir, &e), 0);
	assert_int_equal(part_check_space(&part, 4 << 20, 0, &have, &e),
			 ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOSPC);
	assert_true(have > 0 && have <= 1 << 20);
	assert_int_equal(part_check_space(&part, 512 * 1024, 512 * 1024 + 1,
					  &have, &e),
			 ERR_LOCAL);
	assert_int_equal(part_check_space(&part, 512 * 1024, 0, &have, &e), 0);
	part_reserve(&part, 0, 512 * 1024);
	fstat(part.fd, &st);
	assert_int_equal(st.st_blocks, 0); /* compared, not filled */
	for (uint64_t i = 0; i < 5 && !full; i++)
		full = part_write(&part, block, sizeof(block),
				  i * sizeof(block), &e);
	assert_int_equal(full, ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOSPC);
	part_discard(&part, dir);
	assert_int_equal(count_names(dir), 0);
	unmount_small(p, dir);
}

/* tmpfs without a limit says that it has no blocks at all. */
static void test_unlimited_tmpfs(void **state)
{
	struct place *p = *state;
	struct part part;
	struct statvfs vfs;
	uint64_t have = 0;
	struct err e;
	int dir = mount_small(p, "size=0");

	assert_int_equal(fstatvfs(dir, &vfs), 0);
	assert_int_equal(vfs.f_blocks, 0);
	assert_int_equal(part_create(&part, &p->names, dir, &e), 0);
	assert_int_equal(part_check_space(&part, 1 << 20, 0, &have, &e), 0);
	part_discard(&part, dir);
	unmount_small(p, dir);
}

static void test_no_inodes(void **state)
{
	struct place *p = *state;
	struct part parts[4];
	struct err e;
	int dir = mount_small(p, "size=1m,nr_inodes=3"), n = 0, rc = 0;

	while (n < 4 && rc == 0)
		rc = part_create(&parts[n++], &p->names, dir, &e);
	assert_int_equal(rc, ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOSPC);
	while (n > 0)
		part_discard(&parts[--n], dir);
	unmount_small(p, dir);
}

/* On an extent-based file system the space is ours once it is reserved. */
static void test_reserved(void **state)
{
	struct place *p = *state;
	struct part part;
	struct statfs fs;
	struct stat st;
	uint64_t have;
	struct err e;

	skip_without("reserved space");
	assert_int_equal(fstatfs(p->dir, &fs), 0);
	if (fs.f_type != 0xef53 && fs.f_type != 0x58465342)
		skip();
	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	assert_int_equal(part_check_space(&part, 1 << 20, 0, &have, &e), 0);
	fstat(part.fd, &st);
	assert_int_equal(st.st_blocks, 0);
	part_reserve(&part, 0, 1 << 20);
	fstat(part.fd, &st);
	assert_true(st.st_blocks * 512 >= 1 << 20);
	assert_int_equal(st.st_size, 0);
	part_trim(&part);
	fstat(part.fd, &st);
	assert_int_equal(st.st_blocks, 0);
	part_discard(&part, p->dir);
}

/* The first len bytes of the part are what data has, and it occupies at most
 * `most` bytes. */
static void check_content(const struct part *part, const char *data, size_t len,
			  size_t most)
{
	char *back = malloc(len);
	struct stat st;

	assert_non_null(back);
	assert_int_equal(pread(part->fd, back, len, 0), len);
	assert_memory_equal(back, data, len);
	assert_int_equal(fstat(part->fd, &st), 0);
	assert_int_equal(st.st_size, len);
	assert_true((size_t)st.st_blocks * 512 <= most);
	free(back);
}

static void test_zeros_become_holes(void **state)
{
	enum { PAGE = 4096, LEN = 64 * PAGE };
	char *data = calloc(1, LEN);
	struct place *p = *state;
	struct part part;
	struct err e;

	assert_non_null(data);
	data[5 * PAGE] = data[6 * PAGE + 77] = data[40 * PAGE - 1] = 1;
	assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
	part_make_holes(&part);
	assert_int_equal(part_write(&part, data, LEN, 0, &e), 0);
	assert_int_equal(part_set_size(&part, LEN, &e), 0);
	check_content(&part, data, LEN, 3 * PAGE);
	/* what was there before must not show */
	part.hole_unit = 0;
	memset(data + 2 * PAGE, 'x', 20 * PAGE);
	assert_int_equal(part_write(&part, data, LEN, 0, &e), 0);
	memset(data + 2 * PAGE, 0, 20 * PAGE);
	part_make_holes(&part);
	part.has_old_data = 1;
	assert_int_equal(part_write(&part, data, LEN, 0, &e), 0);
	check_content(&part, data, LEN, os_lacks("holes") ? LEN : 2 * PAGE);
	part_discard(&part, p->dir);
	/* the whole, with zeros at its end, which are more than a unit, or
	 * less, or all */
	for (size_t len = LEN - PAGE - 1; len <= LEN; len += PAGE / 2 + 1) {
		assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
		assert_int_equal(part_write_all(&part, data, len, &e), 0);
		check_content(&part, data, len, 2 * PAGE);
		part_discard(&part, p->dir);
	}
	data[40 * PAGE - 1] = 0;
	for (size_t len = 0; len < 3 * PAGE; len += PAGE - 1) {
		assert_int_equal(part_create(&part, &p->names, p->dir, &e), 0);
		assert_int_equal(part_write_all(&part, data, len, &e), 0);
		check_content(&part, data, len, len < PAGE ? PAGE : 0);
		part_discard(&part, p->dir);
	}
	free(data);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create),
		TEST(test_names_differ),
		TEST(test_planted_name),
		TEST(test_create_fails),
		TEST(test_content),
		TEST(test_sizes_out_of_range),
		TEST(test_no_overwrite),
		TEST(test_odd_targets),
		TEST(test_link_at_final_name),
		TEST(test_hard_link_at_final_name),
		TEST(test_rename_race),
		TEST(test_meta),
		TEST(test_meta_refused),
		TEST(test_dir_meta),
		TEST(test_symlink),
		TEST(test_open_existing),
		TEST(test_hidden),
		TEST(test_name_taken),
		TEST(test_stale_new),
		TEST(test_kept),
		TEST(test_kept_before_commit),
		TEST(test_kept_died_before_commit),
		TEST(test_kept_race),
		TEST(test_kept_discard_race),
		TEST(test_replace_race),
		TEST(test_kept_foreign),
		TEST(test_punch),
		TEST(test_fallback),
		TEST(test_no_space),
		TEST(test_unlimited_tmpfs),
		TEST(test_no_inodes),
		TEST(test_reserved),
		TEST(test_zeros_become_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
