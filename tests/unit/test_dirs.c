/*
 * The walk below a held directory: made once, held, never diverted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/dirs.h"
#include "fs/name.h"
#include "fs/why.h"
#include "../lib/scratch.h"
#include "os_lacks.h"
#include "within.h"

/* A directory of the test's own: root is where the walk goes, outside must
 * stay as it is. */
struct place {
	char path[256];
	int top;
	int root;
	int fds; /* open before the test */
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->top = scratch_make(p->path, sizeof(p->path), "dirs");
	assert_int_equal(mkdirat(p->top, "root", 0755), 0);
	assert_int_equal(mkdirat(p->top, "outside", 0755), 0);
	p->root = openat(p->top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->root >= 0);
	p->fds = count_fds();
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	int rc = scratch_remove(p->path);

	close(p->root);
	close(p->top);
	free(p);
	return rc;
}

static ino_t inode_at(int dir, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static int is_empty(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n == 2;
}

static void touch(int dir, const char *path)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static int parent(struct dirs *d, const char *path, const char **leaf,
		  struct err *e)
{
	assert_null(name_check(path, strlen(path)));
	return dirs_parent(d, path, strlen(path), leaf, e);
}

struct calls {
	int n;
	int existed[8];
	char path[8][64];
	int root;
};

static void note_create(void *ctx, const char *path, size_t len)
{
	struct calls *c = ctx;
	struct stat st;

	assert_true(c->n < 8);
	assert_true(len < sizeof(c->path[0]));
	memcpy(c->path[c->n], path, len);
	c->path[c->n][len] = '\0';
	c->existed[c->n] = fstatat(c->root, c->path[c->n], &st,
				   AT_SYMLINK_NOFOLLOW) == 0;
	c->n++;
}

static void test_create(void **state)
{
	const struct place *p = *state;
	struct calls calls = { .root = p->root };
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, note_create, &calls);
	const mode_t old = umask(027);
	const char *leaf;
	struct err e;
	struct stat st;
	int fd;

	assert_non_null(d);
	fd = parent(d, "a/b/file", &leaf, &e);
	assert_true(fd >= 0);
	assert_string_equal(leaf, "file");
	assert_int_equal(inode_of(fd), inode_at(p->root, "a/b"));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fsync(fd), 0); /* not O_PATH */
	fstat(fd, &st);
	assert_int_equal(st.st_mode & 07777, 0750);
	umask(old);
	assert_int_equal(calls.n, 4);
	assert_string_equal(calls.path[0], "a");
	assert_string_equal(calls.path[1], "a");
	assert_string_equal(calls.path[2], "a/b");
	assert_string_equal(calls.path[3], "a/b");
	assert_int_equal(calls.existed[0], 0);
	assert_int_equal(calls.existed[1], 1);
	assert_int_equal(calls.existed[2], 0);
	assert_int_equal(calls.existed[3], 1);
	/* what is there already is not told of */
	dirs_reset(d);
	assert_true(parent(d, "a/b/other", &leaf, &e) >= 0);
	assert_int_equal(calls.n, 4);
	/* leaves are never made */
	assert_int_equal(faccessat(p->root, "a/b/file", F_OK, 0), -1);
	dirs_free(d);
	assert_int_equal(count_fds(), p->fds);
}

/* Somebody else makes the directory at the worst moment. */
static void steal(void *ctx, const char *path, size_t len)
{
	const struct calls *c = ctx;
	char name[64];

	memcpy(name, path, len);
	name[len] = '\0';
	mkdirat(c->root, name, 0755);
}

static void test_create_race(void **state)
{
	const struct place *p = *state;
	struct calls calls = { .root = p->root };
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, steal, &calls);
	const char *leaf;
	struct err e;

	assert_true(parent(d, "x/y/f", &leaf, &e) >= 0);
	dirs_free(d);
}

static void steal_by_link(void *ctx, const char *path, size_t len)
{
	const struct calls *c = ctx;

	(void)path;
	(void)len;
	assert_int_equal(symlinkat("../outside", c->root, "x"), 0);
}

static void test_create_race_link(void **state)
{
	const struct place *p = *state;
	struct calls calls = { .root = p->root };
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, steal_by_link, &calls);
	const char *leaf;
	struct err e;

	assert_int_equal(parent(d, "x/f", &leaf, &e), ERR_LOCAL);
	assert_true(e.sys_errno == ENOTDIR || e.sys_errno == ELOOP);
	dirs_free(d);
	assert_true(is_empty(p->top, "outside"));
}

static void test_no_create(void **state)
{
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, 0, NULL, NULL);
	const char *leaf;
	struct err e;

	assert_int_equal(parent(d, "a/\x1b[2Jb/c", &leaf, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_int_equal(mkdirat(p->root, "a", 0755), 0);
	assert_int_equal(parent(d, "a/\x1b[2Jb/c", &leaf, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	/* the component at fault, escaped */
	assert_non_null(strstr(e.text, "a/\\x1b[2Jb:"));
	assert_null(strchr(e.text, '\x1b'));
	assert_true(is_empty(p->root, "a"));
	dirs_free(d);
}

static void test_reuse(void **state)
{
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);
	const char *leaf;
	struct err e;
	int fd, fd2;

	fd = parent(d, "a/b/c/f1", &leaf, &e);
	assert_true(fd >= 0);
	assert_int_equal(count_fds(), p->fds + 3);
	/* the same directory: the same descriptor */
	fd2 = parent(d, "a/b/c/f2", &leaf, &e);
	assert_int_equal(fd2, fd);
	assert_string_equal(leaf, "f2");
	assert_int_equal(count_fds(), p->fds + 3);
	/* what is in common stays, the rest is closed */
	fd2 = parent(d, "a/b/f", &leaf, &e);
	assert_int_equal(count_fds(), p->fds + 2);
	assert_int_equal(inode_of(fd2), inode_at(p->root, "a/b"));
	fd2 = parent(d, "a/bb/f", &leaf, &e); /* no prefix of bytes */
	assert_int_equal(inode_of(fd2), inode_at(p->root, "a/bb"));
	assert_int_equal(count_fds(), p->fds + 2);
	fd2 = parent(d, "a/b/f", &leaf, &e);
	assert_int_equal(inode_of(fd2), inode_at(p->root, "a/b"));
	fd2 = dirs_enter(d, "a/b/c/d", 7, &e);
	assert_int_equal(inode_of(fd2), inode_at(p->root, "a/b/c/d"));
	fd2 = dirs_enter(d, "a/b/c/d", 5, &e); /* len counts */
	assert_int_equal(inode_of(fd2), inode_at(p->root, "a/b/c"));
	fd2 = parent(d, "f", &leaf, &e);
	assert_int_equal(fd2, p->root);
	assert_string_equal(leaf, "f");
	assert_int_equal(count_fds(), p->fds);
	assert_int_equal(dirs_enter(d, "", 0, &e), p->root);
	dirs_enter(d, "a/b", 3, &e);
	dirs_reset(d);
	assert_int_equal(count_fds(), p->fds);
	dirs_free(d);
	assert_int_equal(count_fds(), p->fds);
}

static void test_planted_link(void **state)
{
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);
	const char *leaf;
	struct err e;

	assert_int_equal(symlinkat("../outside", p->root, "d"), 0);
	assert_int_equal(symlinkat("nowhere", p->root, "dangling"), 0);
	assert_int_equal(parent(d, "d/f", &leaf, &e), ERR_LOCAL);
	assert_true(e.sys_errno == ENOTDIR || e.sys_errno == ELOOP);
	assert_int_equal(parent(d, "d/e/f", &leaf, &e), ERR_LOCAL);
	assert_true(e.sys_errno == ENOTDIR || e.sys_errno == ELOOP);
	assert_int_equal(parent(d, "dangling/f", &leaf, &e), ERR_LOCAL);
	assert_true(e.sys_errno == ENOTDIR || e.sys_errno == ELOOP);
	assert_true(is_empty(p->top, "outside"));
	assert_int_equal(faccessat(p->root, "nowhere", F_OK, 0), -1);
	dirs_free(d);
	assert_int_equal(count_fds(), p->fds);
}

static void test_follow(void **state)
{
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_FOLLOW, NULL, NULL);
	const char *leaf;
	struct err e;
	int fd;

	assert_int_equal(symlinkat("../outside", p->root, "d"), 0);
	fd = parent(d, "d/f", &leaf, &e);
	assert_true(fd >= 0);
	assert_int_equal(inode_of(fd), inode_at(p->top, "outside"));
	dirs_free(d);
}

static void test_file_in_the_way(void **state)
{
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);
	const char *leaf;
	struct err e;

	touch(p->root, "file");
	assert_int_equal(mkfifoat(p->root, "fifo", 0644), 0);
	assert_int_equal(parent(d, "file/f", &leaf, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOTDIR);
	assert_non_null(strstr(e.text, "file:"));
	assert_int_equal(parent(d, "fifo/f", &leaf, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOTDIR);
	/* and it goes on after a failure */
	assert_true(parent(d, "ok/f", &leaf, &e) >= 0);
	dirs_free(d);
}

/* A directory that we are in is swapped for a link: the descriptor stays in
 * the directory; a new walk refuses the link. */
static void test_swapped(void **state)
{
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);
	const char *leaf;
	struct err e;
	int fd;

	fd = parent(d, "d/f", &leaf, &e);
	assert_true(fd >= 0);
	assert_int_equal(renameat(p->root, "d", p->root, "moved"), 0);
	assert_int_equal(symlinkat("../outside", p->root, "d"), 0);
	fd = parent(d, "d/g", &leaf, &e);
	assert_int_equal(inode_of(fd), inode_at(p->root, "moved"));
	assert_int_equal(parent(d, "d/sub/g", &leaf, &e) >= 0, 1);
	assert_int_equal(faccessat(p->root, "moved/sub", F_OK, 0), 0);
	dirs_reset(d);
	assert_int_equal(parent(d, "d/g", &leaf, &e), ERR_LOCAL);
	assert_true(e.sys_errno == ENOTDIR || e.sys_errno == ELOOP);
	assert_true(is_empty(p->top, "outside"));
	dirs_free(d);
}

static void test_deep(void **state)
{
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);
	char path[NAME_DEPTH_MAX * 2 + 8];
	size_t len = 0;
	const char *leaf;
	struct err e;

	for (int i = 0; i < NAME_DEPTH_MAX; i++) {
		path[len++] = (char)('a' + i % 26);
		path[len++] = '/';
	}
	len--;
	assert_null(name_check(path, len));
	assert_true(dirs_enter(d, path, len, &e) >= 0);
	assert_int_equal(count_fds(), p->fds + NAME_DEPTH_MAX);
	assert_true(dirs_parent(d, path, len, &leaf, &e) >= 0);
	assert_int_equal(count_fds(), p->fds + NAME_DEPTH_MAX - 1);
	/* not checked, and still refused */
	path[len] = '/';
	path[len + 1] = 'x';
	assert_int_equal(dirs_enter(d, path, len + 2, &e), ERR_INTERNAL);
	dirs_free(d);
	assert_int_equal(count_fds(), p->fds);
}

/* With few descriptors every path leads where it did. */
static void test_few_held(void **state)
{
	struct place *p = *state;
	char path[2 * 40 + 1];
	struct err e;

	for (unsigned held = DIRS_HELD_LEAST; held < 6; held++) {
		struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);

		dirs_set_held(d, held);
		for (unsigned step = 0; step < 200; step++) {
			/* Down, up, and from side to side. */
			const unsigned depth = step * 7919 % 40;
			size_t len = 0;
			int fd;

			for (unsigned i = 0; i < depth; i++) {
				path[len++] = (char)('a' + (step / 8 + i) % 3);
				path[len++] = '/';
			}
			len -= len > 0;
			path[len] = '\0';
			fd = dirs_enter(d, path, len, &e);
			assert_true(fd >= 0);
			assert_within((uint64_t)count_fds(), 0,
				      (uint64_t)p->fds + held);
			if (len > 0)
				assert_int_equal(inode_of(fd),
						 inode_at(p->root, path));
		}
		dirs_free(d);
		assert_int_equal(count_fds(), p->fds);
	}
}

static void test_odd_names(void **state)
{
	static const char *const names[] = {
		"new\nline/f", "\x1b[31m/f", "\xff\xfe\x80/f", "-rf/--",
		" / ",         "a b/c d",    "..a/...",        "~/$(x)",
	};
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);
	char longest[NAME_COMPONENT_MAX * 2 + 2];
	const char *leaf;
	struct err e;
	int fd;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fd = parent(d, names[i], &leaf, &e);
		assert_true(fd >= 0);
		touch(fd, leaf);
		assert_int_equal(faccessat(p->root, names[i], F_OK, 0), 0);
	}
	memset(longest, 'n', sizeof(longest) - 1);
	longest[NAME_COMPONENT_MAX] = '/';
	longest[sizeof(longest) - 1] = '\0';
	fd = parent(d, longest, &leaf, &e);
	assert_true(fd >= 0);
	assert_int_equal(strlen(leaf), NAME_COMPONENT_MAX);
	touch(fd, leaf);
	assert_int_equal(faccessat(p->root, longest, F_OK, 0), 0);
	/* one byte more, unchecked */
	longest[NAME_COMPONENT_MAX] = 'n';
	assert_int_equal(dirs_enter(d, longest, 256, &e), ERR_INTERNAL);
	assert_int_equal(dirs_parent(d, longest, 256, &leaf, &e), ERR_INTERNAL);
	assert_int_equal(dirs_parent(d, "", 0, &leaf, &e), ERR_INTERNAL);
	assert_int_equal(dirs_parent(d, "a/", 2, &leaf, &e), ERR_INTERNAL);
	dirs_free(d);
	assert_int_equal(count_fds(), p->fds);
}

/* No descriptor left: a resource, not a file's fault. */
static void test_descriptors_exhausted(void **state)
{
	const struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);
	const int next = dup(p->root);
	struct rlimit old, none;
	const char *leaf;
	struct err e;
	int rc;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)next;
	close(next);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc = parent(d, "a/f", &leaf, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(rc, ERR_RESOURCE);
	assert_int_equal(e.sys_errno, EMFILE);
	assert_true(parent(d, "a/f", &leaf, &e) >= 0);
	dirs_free(d);
}

/* What a trial fails with for want of a descriptor does not show that nothing
 * can be created in the directory. */
static void test_trial_without_a_descriptor(void **state)
{
	const struct place *p = *state;
	const int next = dup(p->root);
	struct rlimit old, one;
	int error;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	one = old;
	one.rlim_cur = (rlim_t)next + 1;
	close(next);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &one), 0);
	error = why_errno(p->root, NULL, EPERM);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(error, EPERM);
	assert_int_equal(faccessat(p->root, ".ferry-747269616c732e2e.new",
				   F_OK, 0), -1);
}

static int is_young(struct dirs *d, const char *path)
{
	const char *leaf;
	struct err e;

	assert_true(dirs_parent(d, path, strlen(path), &leaf, &e) >= 0);
	return dirs_is_young(d);
}

/* Made before a moment, or since then, by somebody else or by the walk. */
static void some_directories_are_young(void **state)
{
	const struct timespec tick = { .tv_nsec = 20000000 };
	struct place *p = *state;
	struct dirs *d = dirs_new(p->root, DIRS_CREATE, NULL, NULL);
	struct timespec since;
	struct statx sx;

	assert_int_equal(mkdirat(p->root, "old", 0755), 0);
	assert_int_equal(nanosleep(&tick, NULL), 0);
	clock_gettime(CLOCK_REALTIME_COARSE, &since);
	assert_int_equal(mkdirat(p->root, "old/young", 0755), 0);
	assert_int_equal(statx(p->root, "old", 0, STATX_BTIME, &sx), 0);
	assert_non_null(d);
	assert_int_equal(is_young(d, "f"), 0);
	assert_int_equal(is_young(d, "made/f"), 1);
	assert_int_equal(is_young(d, "old/young/f"), 0);
	dirs_reset(d);
	dirs_set_since(d, &since);
	assert_int_equal(is_young(d, "old/f"), 0);
	assert_int_equal(is_young(d, "old/young/f"),
			 (sx.stx_mask & STATX_BTIME) != 0 &&
				 !os_lacks("times of creation"));
	assert_int_equal(is_young(d, "f"), 0);
	dirs_free(d);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(some_directories_are_young),
		TEST(test_create),
		TEST(test_create_race),
		TEST(test_create_race_link),
		TEST(test_no_create),
		TEST(test_reuse),
		TEST(test_planted_link),
		TEST(test_follow),
		TEST(test_file_in_the_way),
		TEST(test_swapped),
		TEST(test_deep),
		TEST(test_few_held),
		TEST(test_odd_names),
		TEST(test_descriptors_exhausted),
		TEST(test_trial_without_a_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
