/*
 * The walk over the sources: what is found, under which names, and what is
 * refused without stopping the rest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/dirs.h"
#include "fs/filter.h"
#include "fs/name.h"
#include "fs/scan.h"
#include "fs/source.h"
#include "../lib/scratch.h"
#include "within.h"

#define SPECIAL "new\nline \x1b[31m\xff"

struct place {
	char path[64];
	char *before; /* the working directory of the program */
	int dir;
	int fds;
};

struct found {
	enum scan_kind kind;
	unsigned root;
	char *path;
	char *name;
	char *display;
	char *target;
	struct stat st;
	int code;
	int sys_errno;
	char *text;
	const char *advice; /* a fixed text */
};

/* All that a walk told. */
struct list {
	const struct scan *scan;
	struct found *item;
	size_t n;
};

/* By descriptor, as some paths here are longer than PATH_MAX. */
static int remove_below(int at, const char *name)
{
	DIR *dir = fdopendir(openat(
		at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	const struct dirent *entry;
	int rc = 0;

	if (!dir)
		return unlinkat(at, name, 0);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			rc |= remove_below(dirfd(dir), entry->d_name);
	}
	closedir(dir);
	return rc | unlinkat(at, name, AT_REMOVEDIR);
}

/* Each test works in a directory of its own, with relative paths. */
static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dir = scratch_make(p->path, sizeof(p->path), "scan");
	p->before = getcwd(NULL, 0);
	assert_int_equal(chdir(p->path), 0);
	p->fds = count_fds();
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char fast[80];
	int leaked = count_fds() - p->fds;
	int rc = chdir(p->before);

	snprintf(fast, sizeof(fast), "%s/fast", p->path);
	umount2(fast, MNT_DETACH); /* test_flipper()'s */
	rc |= remove_below(AT_FDCWD, p->path);
	close(p->dir);
	free(p->before);
	free(p);
	if (leaked)
		print_error("%d descriptors leaked\n", leaked);
	return rc || leaked;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void put_dir(const char *path)
{
	assert_int_equal(mkdir(path, 0755), 0);
}

static void put_link(const char *path, const char *target)
{
	assert_int_equal(symlink(target, path), 0);
}

static char *copy(const char *s)
{
	char *t = s ? strdup(s) : NULL;

	assert_true(t || !s);
	return t;
}

static int collect(void *ctx, const struct scan_item *item, struct err *e)
{
	struct list *l = ctx;
	struct found *f;

	(void)e;
	l->item = realloc(l->item, (l->n + 1) * sizeof(*l->item));
	assert_non_null(l->item);
	f = &l->item[l->n++];
	memset(f, 0, sizeof(*f));
	f->kind = item->kind;
	f->root = item->root;
	f->path = copy(item->path);
	f->name = copy(item->name);
	f->display = copy(item->display);
	f->st = item->st;
	assert_int_equal(strlen(item->path), item->path_len);
	assert_int_equal(strlen(item->name), item->name_len);
	if (item->kind == SCAN_SYMLINK) {
		f->target = copy(item->target);
		assert_int_equal(strlen(item->target), item->target_len);
	}
	if (item->kind == SCAN_ERROR) {
		f->code = item->err->code;
		f->sys_errno = item->err->sys_errno;
		f->text = copy(item->err->text);
		f->advice = item->advice;
		/* what failures have in common is in each one's text */
		if (item->reason)
			assert_non_null(strstr(f->text, item->reason));
		assert_int_not_equal(f->code, 0);
	} else {
		/* what is to be sent passes at the receiver's */
		assert_null(name_check(item->name, item->name_len));
	}
	/* the display is the root's and the path */
	if (item->path_len) {
		const char *front = scan_root_display(l->scan, item->root);

		assert_int_equal(strncmp(item->display, front, strlen(front)),
				 0);
		assert_string_equal(item->display + strlen(front), item->path);
	}
	return 0;
}

static void forget(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].path);
		free(l->item[i].name);
		free(l->item[i].display);
		free(l->item[i].target);
		free(l->item[i].text);
	}
	free(l->item);
	memset(l, 0, sizeof(*l));
}

static struct scan *scan_of(enum scan_symlinks links, const char *path)
{
	struct scan *s = scan_new(links);
	struct err e;

	assert_non_null(s);
	if (scan_add(s, path, &e))
		fail_msg("%s", e.text);
	return s;
}

static struct list run(struct scan *s)
{
	struct list l = { .scan = s };
	struct err e;

	if (scan_run(s, collect, &l, &e))
		fail_msg("%s", e.text);
	return l;
}

static struct list run_one(enum scan_symlinks links, const char *path)
{
	struct scan *s = scan_of(links, path);
	struct list l = run(s);

	scan_free(s);
	return l;
}

static size_t index_of(const struct list *l, const char *name)
{
	size_t at = l->n;

	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->item[i].name, name) != 0)
			continue;
		assert_int_equal(at, l->n); /* only once */
		at = i;
	}
	return at;
}

static const struct found *find(const struct list *l, const char *name)
{
	const size_t i = index_of(l, name);

	if (i == l->n)
		fail_msg("%s was not found", name);
	return &l->item[i];
}

static int has(const struct list *l, const char *name)
{
	return index_of(l, name) < l->n;
}

static void test_tree(void **state)
{
	struct list l;
	const struct found *f;

	(void)state;
	put_dir("photos");
	put_dir("photos/a");
	put_dir("photos/a/deep");
	put_dir("photos/empty");
	write_file("photos/one", "1");
	write_file("photos/none", "");
	write_file("photos/a/two", "22");
	write_file("photos/a/deep/three", "333");
	assert_int_equal(chmod("photos/a", 0750), 0);
	l = run_one(SCAN_KEEP, "photos");
	assert_int_equal(l.n, 8);
	f = find(&l, "photos/a/deep/three");
	assert_int_equal(f->kind, SCAN_FILE);
	assert_int_equal(f->st.st_size, 3);
	assert_string_equal(f->path, "a/deep/three");
	assert_string_equal(f->display, "photos/a/deep/three");
	assert_int_equal(find(&l, "photos/none")->st.st_size, 0);
	f = find(&l, "photos/a");
	assert_int_equal(f->kind, SCAN_DIR);
	assert_int_equal(f->st.st_mode, S_IFDIR | 0750);
	assert_string_equal(f->path, "a");
	f = find(&l, "photos");
	assert_int_equal(f->kind, SCAN_DIR);
	assert_string_equal(f->path, "");
	assert_string_equal(f->display, "photos");
	assert_int_equal(find(&l, "photos/empty")->kind, SCAN_DIR);
	/* directories come after what is in them */
	assert_true(index_of(&l, "photos/a/deep/three") <
		    index_of(&l, "photos/a/deep"));
	assert_true(index_of(&l, "photos/a/deep") < index_of(&l, "photos/a"));
	assert_true(index_of(&l, "photos/a/two") < index_of(&l, "photos/a"));
	assert_int_equal(index_of(&l, "photos"), 7);
	forget(&l);
}

struct form {
	const char *path;
	const char *name;    /* of the file in it */
	const char *display; /* of the same */
	const char *top;     /* of the directory, "" for none */
};

static void test_forms(void **state)
{
	static const struct form forms[] = {
		{ "x/photos", "photos/f", "x/photos/f", "photos" },
		{ "x/photos/", "photos/f", "x/photos/f", "photos" },
		{ "x/photos///", "photos/f", "x/photos/f", "photos" },
		{ "./x//photos", "photos/f", "./x//photos/f", "photos" },
		{ "x/../x/photos", "photos/f", "x/../x/photos/f", "photos" },
		{ "x/photos/.", "f", "x/photos/f", "" },
		{ "x/photos/./", "f", "x/photos/f", "" },
		{ "x/photos/../photos/.", "f", "x/photos/../photos/f", "" },
		{ "x/link", "link/f", "x/link/f", "link" },
		{ "x/link/", "link/f", "x/link/f", "link" },
		{ "x/link/.", "f", "x/link/f", "" },
	};
	struct list l;

	(void)state;
	put_dir("x");
	put_dir("x/photos");
	write_file("x/photos/f", "1");
	put_link("x/link", "photos");
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		l = run_one(SCAN_KEEP, forms[i].path);
		assert_string_equal(find(&l, forms[i].name)->display,
				    forms[i].display);
		assert_string_equal(find(&l, forms[i].name)->path, "f");
		if (forms[i].top[0])
			assert_int_equal(find(&l, forms[i].top)->kind,
					 SCAN_DIR);
		assert_int_equal(l.n, forms[i].top[0] ? 2 : 1);
		forget(&l);
	}
	assert_int_equal(chdir("x/photos"), 0);
	l = run_one(SCAN_KEEP, ".");
	assert_int_equal(l.n, 1);
	assert_string_equal(find(&l, "f")->display, "f");
	forget(&l);
	l = run_one(SCAN_KEEP, "./");
	assert_int_equal(l.n, 1);
	forget(&l);
	l = run_one(SCAN_KEEP, "../photos");
	assert_string_equal(find(&l, "photos/f")->display, "../photos/f");
	forget(&l);
	l = run_one(SCAN_KEEP, "../.");
	assert_string_equal(find(&l, "photos/f")->display, "../photos/f");
	forget(&l);
}

static void test_top(void **state)
{
	struct scan *s = scan_of(SCAN_KEEP, "/");
	struct scan *s2 = scan_of(SCAN_KEEP, "//");

	(void)state;
	assert_string_equal(scan_root_display(s, 0), "/");
	assert_string_equal(scan_root_display(s2, 0), "/");
	scan_free(s);
	scan_free(s2);
}

static int add(const char *path, struct err *e)
{
	struct scan *s = scan_new(SCAN_FOLLOW);
	int rc = scan_add(s, path, e);

	scan_free(s);
	return rc;
}

static void test_refused(void **state)
{
	const struct place *p = *state;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	char longest[300];
	struct err e;

	put_dir("d");
	write_file("f", "");
	put_link("dangling", "nowhere");
	put_link("self", "self");
	put_link("null", "/dev/null");
	write_file(".ferry-0123456789abcdef.part", "");
	put_dir(".ferry-0123456789abcdef.journal");
	assert_int_equal(mkfifo("fifo", 0644), 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/socket", p->path);
	assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(s);
	memset(longest, 'n', sizeof(longest));
	longest[256] = '\0';
	alarm(scaled(5)); /* nothing waits for the FIFO's writer */
	assert_int_equal(add("", &e), ERR_USAGE);
	assert_int_equal(add("..", &e), ERR_USAGE);
	assert_int_equal(add("d/..", &e), ERR_USAGE);
	assert_int_equal(add("d/../", &e), ERR_USAGE);
	assert_int_equal(add(".ferry-0123456789abcdef.part", &e), ERR_LOCAL);
	assert_int_equal(add(".ferry-0123456789abcdef.journal", &e), ERR_LOCAL);
	assert_int_equal(add("none\x1b", &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_ptr_equal(strstr(e.text, "none\\x1b: "), e.text);
	assert_int_equal(add("f/", &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOTDIR);
	assert_int_equal(add("f/x", &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOTDIR);
	assert_int_equal(add("dangling", &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_int_equal(add("self", &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ELOOP);
	assert_int_equal(add(longest, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENAMETOOLONG);
	assert_int_equal(add("fifo", &e), ERR_LOCAL);
	assert_non_null(strstr(e.text, "fifo: a FIFO"));
	assert_int_equal(add("socket", &e), ERR_LOCAL);
	assert_int_equal(add("null", &e), ERR_LOCAL);
	assert_int_equal(add("/dev/null", &e), ERR_LOCAL);
	alarm(0);
	/* the content of such a directory may be sent, not its name */
	assert_int_equal(add(".ferry-0123456789abcdef.journal/.", &e), 0);
	assert_int_equal(add("f", &e), 0);
}

static void test_files(void **state)
{
	const struct place *p = *state;
	struct scan *s = scan_new(SCAN_KEEP);
	struct list l;
	struct stat st;
	struct err e;
	int fd;

	put_dir("x");
	write_file("x/one", "1");
	write_file("x/two", "22");
	write_file("three", "333");
	put_link("link", "x/two");
	assert_int_equal(scan_is_single_file(s), 0);
	assert_int_equal(scan_add(s, "x/one", &e), 0);
	assert_int_equal(scan_is_single_file(s), 1);
	assert_int_equal(scan_add(s, "x/two", &e), 0);
	assert_int_equal(scan_is_single_file(s), 0);
	assert_int_equal(scan_add(s, "three", &e), 0);
	assert_int_equal(scan_add(s, "link", &e), 0);
	assert_int_equal(scan_add(s, "./three", &e), 0);
	assert_int_equal(scan_root_count(s), 5);
	assert_int_equal(scan_root_follow(s, 2), 0);
	assert_int_equal(scan_root_follow(s, 3), 1);
	/* files of one directory share its descriptor */
	assert_int_equal(scan_root_fd(s, 0), scan_root_fd(s, 1));
	assert_int_equal(scan_root_fd(s, 2), scan_root_fd(s, 3));
	assert_int_equal(count_fds(), p->fds + 3);
	l = run(s);
	assert_int_equal(l.n, 5);
	assert_string_equal(l.item[0].name, "one");
	assert_string_equal(l.item[0].path, "one");
	assert_string_equal(l.item[0].display, "x/one");
	assert_int_equal(l.item[1].root, 1);
	assert_int_equal(l.item[1].st.st_size, 2);
	assert_string_equal(l.item[2].display, "three");
	/* under its own name, but what it leads to */
	assert_string_equal(l.item[3].name, "link");
	assert_int_equal(l.item[3].kind, SCAN_FILE);
	assert_int_equal(l.item[3].st.st_size, 2);
	fd = source_open(scan_root_fd(s, 3), l.item[3].path,
			 scan_root_follow(s, 3), &st, &e);
	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(l.item[4].display, "./three");
	forget(&l);
	scan_free(s);
}

static void test_file_vanishes(void **state)
{
	struct scan *s = scan_new(SCAN_KEEP);
	struct list l;
	struct err e;

	(void)state;
	write_file("gone", "");
	write_file("swapped", "");
	write_file("stays", "");
	assert_int_equal(scan_add(s, "gone", &e), 0);
	assert_int_equal(scan_add(s, "swapped", &e), 0);
	assert_int_equal(scan_add(s, "stays", &e), 0);
	unlink("gone");
	unlink("swapped");
	put_link("swapped", "stays");
	l = run(s);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.item[0].kind, SCAN_ERROR);
	assert_int_equal(l.item[0].code, ERR_CHANGED);
	assert_int_equal(l.item[1].kind, SCAN_ERROR);
	assert_int_equal(l.item[1].code, ERR_CHANGED);
	assert_int_equal(l.item[2].kind, SCAN_FILE);
	forget(&l);
	scan_free(s);
}

static void make_links(void)
{
	put_dir("out");
	write_file("out/secret", "secret");
	put_dir("t");
	put_dir("t/d");
	write_file("t/f", "1");
	write_file("t/d/g", "22");
	put_link("t/in", "d/g");
	put_link("t/d/up", "../f");
	put_link("t/d/top", "..");
	put_link("t/dir", "d");
	put_link("t/out", "../out/secret");
	put_link("t/outdir", "../out");
	put_link("t/abs", "/etc/passwd");
	put_link("t/dangling", "nowhere" SPECIAL);
	put_link("t/self", "self");
	put_link("t/null", "/dev/null");
	put_link("t/tricky", "dir/../f");
}

static void test_links_keep(void **state)
{
	static const char *const sent[] = { "t/in",  "t/d/up", "t/d/top",
					    "t/dir", "t/self", "t/dangling" };
	static const char *const refused[] = { "t/out", "t/outdir", "t/abs",
					       "t/null", "t/tricky" };
	struct list l;

	(void)state;
	make_links();
	l = run_one(SCAN_KEEP, "t");
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		const struct found *f = find(&l, sent[i]);

		assert_int_equal(f->kind, SCAN_SYMLINK);
		assert_true(S_ISLNK(f->st.st_mode));
	}
	assert_string_equal(find(&l, "t/d/up")->target, "../f");
	assert_string_equal(find(&l, "t/dangling")->target, "nowhere" SPECIAL);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct found *f = find(&l, refused[i]);

		assert_int_equal(f->kind, SCAN_ERROR);
		assert_int_equal(f->code, ERR_LOCAL);
		assert_non_null(strstr(f->advice, "--symlinks follow"));
		assert_non_null(strstr(f->advice, "--symlinks skip"));
		assert_ptr_equal(strstr(f->text, refused[i]), f->text);
	}
	assert_false(has(&l, "t/outdir/secret"));
	assert_int_equal(l.n, 2 + 2 + 6 + 5);
	forget(&l);
	/* without a name of its own, the top is the same directory */
	l = run_one(SCAN_KEEP, "t/.");
	assert_int_equal(find(&l, "d/top")->kind, SCAN_SYMLINK);
	assert_int_equal(find(&l, "out")->kind, SCAN_ERROR);
	forget(&l);
	/* and below it, what was inside is not any more */
	l = run_one(SCAN_KEEP, "t/d");
	assert_int_equal(find(&l, "d/up")->kind, SCAN_ERROR);
	assert_int_equal(find(&l, "d/top")->kind, SCAN_ERROR);
	forget(&l);
}

static void test_links_follow(void **state)
{
	static const char *const trouble[] = { "t/dangling", "t/self", "t/null",
					       "t/d/top", "t/dir/top" };
	struct list l;

	(void)state;
	make_links();
	unlink("t/abs");
	l = run_one(SCAN_FOLLOW, "t");
	assert_int_equal(find(&l, "t/in")->kind, SCAN_FILE);
	assert_int_equal(find(&l, "t/in")->st.st_size, 2);
	assert_int_equal(find(&l, "t/dir")->kind, SCAN_DIR);
	assert_true(S_ISDIR(find(&l, "t/dir")->st.st_mode));
	assert_int_equal(find(&l, "t/dir/g")->kind, SCAN_FILE);
	assert_int_equal(find(&l, "t/dir/up")->kind, SCAN_FILE);
	assert_int_equal(find(&l, "t/outdir/secret")->kind, SCAN_FILE);
	assert_true(index_of(&l, "t/dir/g") < index_of(&l, "t/dir"));
	for (size_t i = 0; i < sizeof(trouble) / sizeof(trouble[0]); i++) {
		const struct found *f = find(&l, trouble[i]);

		assert_int_equal(f->kind, SCAN_ERROR);
		assert_int_equal(f->code, ERR_LOCAL);
		assert_null(strchr(f->text, '\x1b'));
	}
	forget(&l);
}

static void test_links_skip(void **state)
{
	struct list l;
	size_t skipped = 0;

	(void)state;
	make_links();
	l = run_one(SCAN_SKIP, "t");
	for (size_t i = 0; i < l.n; i++)
		skipped += l.item[i].kind == SCAN_SKIPPED;
	assert_int_equal(skipped, 11);
	assert_int_equal(l.n, 11 + 4);
	assert_int_equal(find(&l, "t/out")->kind, SCAN_SKIPPED);
	forget(&l);
}

/* Two links that lead into one another's directory. */
static void test_loop(void **state)
{
	struct list l;

	(void)state;
	put_dir("t");
	put_dir("t/a");
	put_dir("t/b");
	put_link("t/a/b", "../b");
	put_link("t/b/a", "../a");
	l = run_one(SCAN_FOLLOW, "t");
	assert_int_equal(find(&l, "t/a/b/a")->kind, SCAN_ERROR);
	assert_int_equal(find(&l, "t/b/a/b")->kind, SCAN_ERROR);
	assert_non_null(strstr(find(&l, "t/b/a/b")->text, "contains it"));
	assert_int_equal(find(&l, "t/a/b")->kind, SCAN_DIR);
	assert_int_equal(l.n, 7);
	forget(&l);
}

static void test_special_files(void **state)
{
	const struct place *p = *state;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct list l;

	put_dir("t");
	write_file("t/f", "");
	assert_int_equal(mkfifo("t/fifo", 0644), 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/t/socket", p->path);
	assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(s);
	alarm(scaled(5));
	l = run_one(SCAN_FOLLOW, "t");
	alarm(0);
	assert_int_equal(l.n, 4);
	assert_int_equal(find(&l, "t/fifo")->kind, SCAN_ERROR);
	assert_non_null(strstr(find(&l, "t/fifo")->text, "FIFO"));
	assert_int_equal(find(&l, "t/socket")->kind, SCAN_ERROR);
	assert_non_null(strstr(find(&l, "t/socket")->text, "socket"));
	assert_int_equal(find(&l, "t/f")->kind, SCAN_FILE);
	forget(&l);
}

static void test_unreadable(void **state)
{
	const int is_root = geteuid() == 0;
	const struct place *p = *state;
	struct list l;
	struct err e;

	put_dir("t");
	put_dir("t/closed");
	write_file("t/closed/f", "");
	put_dir("t/blind"); /* readable, not searchable */
	write_file("t/blind/f", "");
	write_file("t/ok", "");
	write_file("secret", "");
	assert_int_equal(chmod("secret", 0), 0);
	assert_int_equal(chmod("t/closed", 0), 0);
	assert_int_equal(chmod("t/blind", 0644), 0);
	assert_int_equal(chmod(p->path, 0755), 0);
	if (is_root && seteuid(65534) < 0)
		skip();
	l = run_one(SCAN_KEEP, "t");
	assert_int_equal(add("t/closed", &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EACCES);
	assert_int_equal(add("secret", &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EACCES);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	/* told of, and made empty; the rest goes on */
	assert_int_equal(l.n, 1 + 2 + 2 + 1);
	assert_int_equal(find(&l, "t/ok")->kind, SCAN_FILE);
	assert_int_equal(find(&l, "t/blind/f")->kind, SCAN_ERROR);
	assert_int_equal(find(&l, "t/blind/f")->sys_errno, EACCES);
	assert_int_equal(find(&l, "t/blind")->kind, SCAN_DIR);
	for (size_t i = 0; i + 1 < l.n; i++) {
		if (strcmp(l.item[i].name, "t/closed") != 0)
			continue;
		assert_int_equal(l.item[i].kind, SCAN_ERROR);
		assert_int_equal(l.item[i].code, ERR_LOCAL);
		assert_int_equal(l.item[i].sys_errno, EACCES);
		assert_string_equal(l.item[i + 1].name, "t/closed");
		assert_int_equal(l.item[i + 1].kind, SCAN_DIR);
		assert_int_equal(l.item[i + 1].st.st_mode, S_IFDIR);
		break;
	}
	assert_int_equal(chmod("t/closed", 0755), 0);
	assert_int_equal(chmod("t/blind", 0755), 0);
	forget(&l);
}

static void test_names_refused(void **state)
{
	struct list l;

	(void)state;
	put_dir("t");
	write_file("t/.ferry-0123456789abcdef.part", "");
	put_dir("t/.ferry-0123456789abcdef.journal");
	write_file("t/.ferry-0123456789abcdef.journal/f", "");
	write_file("t/.ferry-0123456789abcdef.par", "");
	l = run_one(SCAN_KEEP, "t");
	assert_int_equal(l.n, 4);
	assert_int_equal(find(&l, "t/.ferry-0123456789abcdef.part")->kind,
			 SCAN_ERROR);
	assert_int_equal(find(&l, "t/.ferry-0123456789abcdef.journal")->kind,
			 SCAN_ERROR);
	assert_int_equal(find(&l, "t/.ferry-0123456789abcdef.par")->kind,
			 SCAN_FILE);
	forget(&l);
}

static void test_odd_names(void **state)
{
	static const char *const names[] = {
		"-rf",
		"--",
		" ",
		"a b ",
		SPECIAL,
		"\xc3\x28",
		"...",
		"..x",
		"\\",
		"\x9b"
		"31m",
		"\xe2\x80\xae"
		"x",
		"%n",
		"$(x)",
		"*",
	};
	const size_t n = sizeof(names) / sizeof(names[0]);
	char longest[NAME_COMPONENT_MAX + 1], path[1024];
	struct list l;

	(void)state;
	memset(longest, '\xff', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	put_dir(longest);
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", longest, names[i]);
		write_file(path, "");
	}
	snprintf(path, sizeof(path), "%s/%s", longest, longest);
	write_file(path, "");
	l = run_one(SCAN_KEEP, longest);
	assert_int_equal(l.n, n + 2);
	assert_int_equal(find(&l, path)->kind, SCAN_FILE);
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", longest, names[i]);
		assert_int_equal(find(&l, path)->kind, SCAN_FILE);
		assert_string_equal(find(&l, path)->path, names[i]);
	}
	forget(&l);
}

/* A chain of n directories "d" in path, with a file "f" in each. */
static void make_chain(int n, const char *component)
{
	int at = open(".", O_RDONLY | O_DIRECTORY);

	for (int i = 0; i < n; i++) {
		int next, f;

		assert_int_equal(mkdirat(at, component, 0755), 0);
		next = openat(at, component, O_RDONLY | O_DIRECTORY);
		f = openat(next, "f", O_WRONLY | O_CREAT, 0644);
		close(f);
		close(at);
		at = next;
	}
	close(at);
}

static void test_too_deep(void **state)
{
	struct list l;
	size_t kinds[5] = { 0 };

	(void)state;
	make_chain(140, "d");
	l = run_one(SCAN_KEEP, "d");
	for (size_t i = 0; i < l.n; i++)
		kinds[l.item[i].kind]++;
	/* d/f has a depth of 2: 127 of them are in the limit of 128 */
	assert_int_equal(kinds[SCAN_FILE], 127);
	assert_int_equal(kinds[SCAN_DIR], 128);
	assert_int_equal(kinds[SCAN_ERROR], 2); /* d and f of level 129 */
	forget(&l);
	/* without a name for the top, one level more */
	memset(kinds, 0, sizeof(kinds));
	l = run_one(SCAN_KEEP, "d/.");
	for (size_t i = 0; i < l.n; i++)
		kinds[l.item[i].kind]++;
	assert_int_equal(kinds[SCAN_FILE], 128);
	assert_int_equal(kinds[SCAN_DIR], 128);
	assert_int_equal(kinds[SCAN_ERROR], 2);
	forget(&l);
}

static void test_too_long(void **state)
{
	char longest[NAME_COMPONENT_MAX + 1];
	size_t trouble = 0, longest_name = 0;
	struct list l;

	(void)state;
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	make_chain(18, longest);
	l = run_one(SCAN_KEEP, longest);
	for (size_t i = 0; i < l.n; i++) {
		const size_t n = strlen(l.item[i].name);

		if (l.item[i].kind == SCAN_ERROR) {
			assert_true(n > NAME_PATH_MAX);
			trouble++;
		} else if (n > longest_name) {
			longest_name = n;
		}
	}
	/* 16 components of 255 with 15 slashes are 4095 bytes */
	assert_int_equal(longest_name, NAME_PATH_MAX);
	assert_int_equal(trouble, 2);
	forget(&l);
}

static void test_roots(void **state)
{
	struct scan *s = scan_new(SCAN_KEEP);
	struct dirs *d;
	const char *leaf;
	struct list l;
	struct err e;

	(void)state;
	put_dir("a");
	put_dir("a/sub");
	write_file("a/sub/x", "1");
	put_dir("b");
	write_file("b/y", "22");
	write_file("c", "333");
	assert_int_equal(scan_add(s, "a", &e), 0);
	assert_int_equal(scan_add(s, "none", &e), ERR_LOCAL); /* no harm */
	assert_int_equal(scan_add(s, "c", &e), 0);
	assert_int_equal(scan_add(s, "b/.", &e), 0);
	assert_int_equal(scan_root_count(s), 3);
	for (int round = 0; round < 2; round++) { /* as often as one likes */
		l = run(s);
		assert_int_equal(l.n, 5);
		assert_int_equal(find(&l, "a/sub/x")->root, 0);
		assert_int_equal(find(&l, "c")->root, 1);
		assert_int_equal(find(&l, "y")->root, 2);
		assert_string_equal(l.item[2].name, "a");
		assert_string_equal(l.item[3].name, "c");
		forget(&l);
	}
	/* how a reader gets there */
	d = dirs_new(scan_root_fd(s, 0), 0, NULL, NULL);
	l = run(s);
	for (size_t i = 0; i < l.n; i++) {
		struct stat st;
		int dir, fd;

		if (l.item[i].root || l.item[i].kind != SCAN_FILE)
			continue;
		dir = dirs_parent(d, l.item[i].path, strlen(l.item[i].path),
				  &leaf, &e);
		assert_true(dir >= 0);
		fd = source_open(dir, leaf, 0, &st, &e);
		assert_true(fd >= 0);
		assert_int_equal(st.st_ino, l.item[i].st.st_ino);
		close(fd);
	}
	forget(&l);
	dirs_free(d);
	scan_free(s);
}

/* On the first thing found, remove all: the rest was read already. */
static int destroy(void *ctx, const struct scan_item *item, struct err *e)
{
	struct list *l = ctx;

	if (l->n == 0) {
		for (int i = 0; i < 5; i++) {
			char path[16];

			snprintf(path, sizeof(path), "t/%d", i);
			unlink(path);
			snprintf(path, sizeof(path), "t/d%d", i);
			rmdir(path);
		}
	}
	return collect(ctx, item, e);
}

static void test_vanish(void **state)
{
	struct scan *s;
	struct list l = { 0 };
	struct err e;
	size_t changed = 0;

	(void)state;
	put_dir("t");
	for (int i = 0; i < 5; i++) {
		char path[16];

		snprintf(path, sizeof(path), "t/%d", i);
		write_file(path, "");
		snprintf(path, sizeof(path), "t/d%d", i);
		put_dir(path);
	}
	s = scan_of(SCAN_KEEP, "t");
	l.scan = s;
	assert_int_equal(scan_run(s, destroy, &l, &e), 0);
	for (size_t i = 0; i < l.n; i++) {
		if (l.item[i].kind != SCAN_ERROR)
			continue;
		assert_int_equal(l.item[i].code, ERR_CHANGED);
		changed++;
	}
	assert_int_equal(l.n, 11); /* each of ten, and t */
	assert_int_equal(changed, 9);
	assert_string_equal(l.item[10].name, "t");
	forget(&l);
	scan_free(s);
}

struct flipper {
	atomic_int stop;
	atomic_int flips;
};

/* Swap a directory and a link to another, without end. */
static void *flip(void *arg)
{
	struct flipper *f = arg;

	while (!atomic_load(&f->stop)) {
		if (renameat2(AT_FDCWD, "t/d", AT_FDCWD, "link",
			      RENAME_EXCHANGE) < 0)
			break;
		atomic_fetch_add(&f->flips, 1);
	}
	return NULL;
}

/* However it falls, nothing outside is ever found.  On a tmpfs, where we may
 * mount one, renames are fast enough to fall between two calls often. */
static void test_flipper(void **state)
{
	struct flipper f = { .flips = 0 };
	pthread_t thread;
	struct scan *s;
	int rounds = 0, found = 0;

	(void)state;
	put_dir("fast");
	if (mount("tmpfs", "fast", "tmpfs", 0, "size=1m") < 0)
		print_message("no tmpfs: few chances\n");
	assert_int_equal(chdir("fast"), 0);
	put_dir("t");
	put_dir("t/d");
	put_dir("out");
	write_file("out/secret", "secret");
	put_link("link", "../out");
	s = scan_of(SCAN_KEEP, "t");
	assert_int_equal(pthread_create(&thread, NULL, flip, &f), 0);
	alarm(scaled(30)); /* should the flipper fail */
	while (!found && (rounds < 8000 || atomic_load(&f.flips) < 100)) {
		struct list l = run(s);

		found = has(&l, "t/d/secret");
		forget(&l);
		rounds++;
	}
	alarm(0);
	atomic_store(&f.stop, 1);
	pthread_join(thread, NULL);
	scan_free(s);
	assert_false(found);
}

struct stopper {
	int after;
	int seen;
};

static int stop_after(void *ctx, const struct scan_item *item, struct err *e)
{
	struct stopper *s = ctx;

	(void)item;
	if (++s->seen < s->after)
		return 0;
	return err_set(e, ERR_LOST, "enough");
}

static void test_stop(void **state)
{
	struct stopper stopper = { 0 };
	struct scan *s;
	struct err e;

	(void)state;
	make_chain(20, "d");
	s = scan_of(SCAN_KEEP, "d");
	for (stopper.after = 1; stopper.after <= 40; stopper.after += 13) {
		stopper.seen = 0;
		assert_int_equal(scan_run(s, stop_after, &stopper, &e), ERR_LOST);
		assert_int_equal(stopper.seen, stopper.after);
		assert_string_equal(e.text, "enough");
	}
	stopper.after = 41;
	stopper.seen = 0;
	assert_int_equal(scan_run(s, stop_after, &stopper, &e), 0);
	assert_int_equal(stopper.seen, 40);
	scan_free(s);
}

/* No descriptor left is the end of the walk, not one directory's trouble. */
static void test_descriptors_exhausted(void **state)
{
	const struct place *p = *state;
	struct rlimit old, few;
	struct list l = { 0 };
	struct scan *s;
	struct err e;
	int next, rc;

	make_chain(8, "d");
	s = scan_of(SCAN_KEEP, "d");
	l.scan = s;
	next = dup(p->dir);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)next + 4;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	rc = scan_run(s, collect, &l, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(rc, ERR_RESOURCE);
	assert_int_equal(e.sys_errno, EMFILE);
	forget(&l);
	scan_free(s);
}

/* More than one bufferful. */
static void test_many(void **state)
{
	enum { COUNT = 400 }; /* of 200 bytes each: some 90 KiB */
	char *seen = calloc(COUNT, 1);
	struct list l;

	(void)state;
	assert_non_null(seen);
	put_dir("t");
	for (int i = 0; i < COUNT; i++) {
		char path[256];

		snprintf(path, sizeof(path), "t/%0200d", i);
		write_file(path, "");
	}
	l = run_one(SCAN_KEEP, "t");
	assert_int_equal(l.n, COUNT + 1);
	for (size_t i = 0; i + 1 < l.n; i++) {
		const int n = atoi(l.item[i].path);

		assert_int_equal(l.item[i].kind, SCAN_FILE);
		assert_int_equal(seen[n], 0);
		seen[n] = 1;
	}
	forget(&l);
	free(seen);
}

/* One that was refused is reported, as the first, and the rest is walked. */
static void test_bad_sources(void **state)
{
	struct scan *s = scan_new(SCAN_KEEP);
	struct list l;
	struct err e, why;

	(void)state;
	write_file("f", "x");
	assert_int_equal(scan_add(s, "a/none/", &why), ERR_LOCAL);
	assert_int_equal(scan_add_bad(s, "a/none/", &why, &e), 0);
	assert_int_equal(scan_add(s, "f", &e), 0);
	assert_int_equal(scan_root_count(s), 1);
	/* two were asked for */
	assert_false(scan_is_single_file(s));
	l = run(s);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.item[0].kind, SCAN_ERROR);
	assert_int_equal(l.item[0].code, ERR_LOCAL);
	assert_string_equal(l.item[0].name, "none");
	assert_string_equal(l.item[0].display, "a/none/");
	assert_string_equal(l.item[0].text,
			    "a/none/: No such file or directory");
	assert_int_equal(l.item[1].kind, SCAN_FILE);
	forget(&l);
	scan_free(s);
}

/* Whether these sources, up to a NULL, would get one name. */
static int collide(enum scan_symlinks symlinks, const struct filter *filter,
		   const char *stdin_name, const char *const *paths,
		   struct err *e)
{
	struct scan *s = scan_new(symlinks);
	int rc;

	scan_set_filter(s, filter);
	for (; *paths; paths++)
		assert_int_equal(scan_add(s, *paths, e), 0);
	rc = scan_names_check(s, stdin_name, e);
	scan_free(s);
	return rc;
}

#define COLLIDE(symlinks, filter, name, ...)                                   \
	collide(symlinks, filter, name,                                        \
		(const char *const[]){ __VA_ARGS__, NULL }, &e)

static void test_same_names(void **state)
{
	struct filter *filter = filter_new();
	struct err e;

	(void)state;
	put_dir("a");
	put_dir("a/sub");
	put_dir("b");
	put_dir("b/sub");
	put_dir("c");
	write_file("a/n", "");
	write_file("a/sub/x", "");
	write_file("b/m", "");
	write_file("b/sub/y", "");
	write_file("n", "");
	write_file("n.o", "");
	write_file("c/n.o", "");
	put_link("b/n", "m");
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "n", "a/n"),
			 ERR_USAGE);
	assert_string_equal(e.text, "n and a/n would both arrive as n: rename "
				    "one, or send them into different "
				    "directories");
	/* directories, also the same one twice */
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "a/sub", "b/sub/"),
			 ERR_USAGE);
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "a", "c", "./a"),
			 ERR_USAGE);
	/* standard input */
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, "n", "n"), ERR_USAGE);
	assert_non_null(strstr(e.text, "standard input"));
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, "n", "a/."), ERR_USAGE);
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, "x", "a/."), 0);
	/* the content of a directory */
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "a/.", "n"),
			 ERR_USAGE);
	assert_non_null(strstr(e.text, "n and a/n would"));
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "n", "c/."), 0);
	/* what is not sent does not count */
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "n.o", "c/."),
			 ERR_USAGE);
	assert_int_equal(filter_add(filter, 1, "*.o"), 0);
	assert_int_equal(COLLIDE(SCAN_KEEP, filter, NULL, "n.o", "c/."), 0);
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "n", "b/."),
			 ERR_USAGE);
	assert_int_equal(COLLIDE(SCAN_FOLLOW, NULL, NULL, "n", "b/."),
			 ERR_USAGE);
	assert_int_equal(COLLIDE(SCAN_SKIP, NULL, NULL, "n", "b/."), 0);
	/* two contents: directories become one */
	assert_int_equal(COLLIDE(SCAN_SKIP, NULL, NULL, "a/.", "b/."), 0);
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "a/.", "b/."),
			 ERR_USAGE);
	assert_int_equal(COLLIDE(SCAN_KEEP, NULL, NULL, "c/.", "c/."),
			 ERR_USAGE);
	write_file("b/sub/x", "");
	assert_int_equal(COLLIDE(SCAN_SKIP, NULL, NULL, "a/.", "c/.", "b/."),
			 ERR_USAGE);
	assert_non_null(strstr(e.text, "a/sub/x and b/sub/x would both arrive "
				       "as sub/x"));
	filter_free(filter);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tree),
		TEST(test_forms),
		TEST(test_top),
		TEST(test_refused),
		TEST(test_bad_sources),
		TEST(test_same_names),
		TEST(test_files),
		TEST(test_file_vanishes),
		TEST(test_links_keep),
		TEST(test_links_follow),
		TEST(test_links_skip),
		TEST(test_loop),
		TEST(test_special_files),
		TEST(test_unreadable),
		TEST(test_names_refused),
		TEST(test_odd_names),
		TEST(test_too_deep),
		TEST(test_too_long),
		TEST(test_roots),
		TEST(test_vanish),
		TEST(test_flipper),
		TEST(test_stop),
		TEST(test_descriptors_exhausted),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
