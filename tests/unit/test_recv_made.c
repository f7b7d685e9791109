/*
 * The list of directories that a transfer has made: what is found again, in
 * another session as well, and what counts for --max-files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/scratch.h"

#include "base/buf.h"
#include "base/io.h"
#include "fs/dirs.h"
#include "fs/journal.h"
#include "os/identity.h"
#include "receiver/kept.h"
#include "receiver/made.h"
#include "receiver/quota.h"
#include "receiver/verdict.h"

enum { TAG = 0x12345, BORN = 1700000000, HEAD = JOURNAL_LIST_HEAD };
static const char list_name[] = ".ferry-0000000000012345.journal";

struct lab {
	char path[128];
	int dir;
	struct made *made;
	struct quota *quota;
};

static int set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	lab->dir = scratch_make(lab->path, sizeof(lab->path), "made");
	*state = lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;
	int rc;

	made_free(lab->made);
	quota_free(lab->quota);
	rc = scratch_remove(lab->path);
	close(lab->dir);
	free(lab);
	return rc;
}

/* Another session begins. */
static void begin(struct lab *lab, uint64_t tag)
{
	static const uint8_t peer[JOURNAL_PEER] = { 7 };
	static const struct kept_sender keeper = { .peer_id = peer };
	const struct made_file file = { tag, &keeper };

	made_free(lab->made);
	lab->made = made_new(lab->dir, &file, lab->quota);
	assert_non_null(lab->made);
}

static void note(struct lab *lab, const char *path, uint64_t dev, uint64_t inode)
{
	const struct identity id = { .dev = dev, .inode = inode,
				     .time = { .tv_sec = BORN } };

	made_note(lab->made, path, strlen(path), &id);
}

static int has(struct lab *lab, const char *path, uint64_t dev, uint64_t inode)
{
	const struct identity id = { .dev = dev, .inode = inode,
				     .time = { .tv_sec = BORN } };

	return made_has(lab->made, path, strlen(path), &id);
}

static int has_dir(struct lab *lab, const char *path, int fd)
{
	struct identity id;
	struct stat st;

	assert_int_equal(identity_of(fd, &id, &st), 0);
	return made_has(lab->made, path, strlen(path), &id);
}

static int name_dir(struct lab *lab, const char *path, int fd, struct verdict *v)
{
	return made_name(lab->made, path, strlen(path), fd, v);
}

static int is_listed(struct lab *lab)
{
	return faccessat(lab->dir, list_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Several times as many as there is room for at first, one inode after the
 * other and far apart. */
static void thousands_are_found(void **state)
{
	enum { COUNT = 3000 };
	struct lab *lab = *state;

	begin(lab, 0);
	for (uint64_t i = 1; i <= COUNT; i++) {
		note(lab, "p", 1, i);
		note(lab, "p", 1, i << 32);
	}
	for (uint64_t i = 1; i <= COUNT; i++) {
		assert_true(has(lab, "p", 1, i));
		assert_true(has(lab, "p", 1, i << 32));
		assert_false(has(lab, "p", 1, COUNT + i));
		assert_false(has(lab, "p", 2, i));
		assert_false(has(lab, "q", 1, i));
	}
	assert_int_equal(count_entries(opendir(lab->path)), 2);
}

static void another_session_finds_them_until_they_are_forgotten(void **state)
{
	struct lab *lab = *state;
	struct stat st;

	begin(lab, TAG);
	assert_false(is_listed(lab)); /* nothing to remember yet */
	note(lab, "a", 1, 1);
	note(lab, "a", 1, 1);
	note(lab, "b", 1, 2);
	begin(lab, TAG);
	assert_true(has(lab, "a", 1, 1));
	note(lab, "c", 1, 3);
	assert_int_equal(fstatat(lab->dir, list_name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, HEAD + 3 * 16); /* each once */
	begin(lab, TAG + 1);
	assert_false(has(lab, "a", 1, 1));
	begin(lab, TAG);
	assert_true(has(lab, "a", 1, 1) && has(lab, "b", 1, 2) &&
		    has(lab, "c", 1, 3));
	made_forget(lab->made);
	assert_false(is_listed(lab));
	begin(lab, TAG);
	assert_false(has(lab, "a", 1, 1));
}

/* As a receiver that is killed leaves it. */
static void a_record_that_was_cut_short_is_ignored(void **state)
{
	struct lab *lab = *state;
	int fd;

	begin(lab, TAG);
	note(lab, "a", 1, 1);
	note(lab, "b", 1, 2);
	made_free(lab->made);
	lab->made = NULL;
	fd = openat(lab->dir, list_name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, HEAD + 16 + 7), 0);
	close(fd);
	begin(lab, TAG);
	assert_true(has(lab, "a", 1, 1));
	assert_false(has(lab, "b", 1, 2));
	/* and those after it are whole */
	note(lab, "c", 1, 3);
	begin(lab, TAG);
	assert_true(has(lab, "a", 1, 1) && has(lab, "c", 1, 3));
}

/* Another user may have written it, or lead us to a file of ours. */
static void a_list_of_somebody_else_is_not_read(void **state)
{
	struct lab *lab = *state;
	char text[8] = "";
	int fd;

	begin(lab, TAG);
	note(lab, "a", 1, 1);
	assert_int_equal(fchmodat(lab->dir, list_name, 0622, 0), 0);
	begin(lab, TAG);
	assert_false(has(lab, "a", 1, 1));
	/* one of its own takes its place */
	note(lab, "b", 1, 2);
	begin(lab, TAG);
	assert_true(has(lab, "b", 1, 2));
	assert_false(has(lab, "a", 1, 1));
	made_forget(lab->made);
	put_file(lab->dir, "mine", "mine");
	assert_int_equal(symlinkat("mine", lab->dir, list_name), 0);
	begin(lab, TAG);
	note(lab, "c", 1, 3);
	begin(lab, TAG);
	assert_true(has(lab, "c", 1, 3));
	fd = openat(lab->dir, "mine", O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read(fd, text, sizeof(text)), 4);
	assert_string_equal(text, "mine");
	close(fd);
}

static int enter(struct dirs *d, const char *path)
{
	struct err e = { 0 };

	return dirs_enter(d, path, strlen(path), &e);
}

/* Inode numbers are used again.  Without a time of creation a later session
 * cannot tell. */
static void another_with_the_same_inode_number_is_not_found(void **state)
{
	struct identity id = { .dev = 1, .inode = 1,
			       .time = { .tv_sec = BORN, .tv_nsec = 5 } };
	struct lab *lab = *state;

	begin(lab, TAG);
	made_note(lab->made, "a", 1, &id);
	assert_true(made_has(lab->made, "a", 1, &id));
	begin(lab, TAG);
	assert_true(made_has(lab->made, "a", 1, &id));
	id.time.tv_nsec++;
	assert_false(made_has(lab->made, "a", 1, &id));
	id.time.tv_nsec--;
	id.size = 1;
	assert_false(made_has(lab->made, "a", 1, &id));
	id = (struct identity){ .dev = 1, .inode = 1 };
	assert_false(made_has(lab->made, "a", 1, &id));
	made_note(lab->made, "a", 1, &id);
	assert_true(made_has(lab->made, "a", 1, &id));
	begin(lab, TAG);
	assert_false(made_has(lab->made, "a", 1, &id));
}

/* What earlier versions wrote knows only device and inode number. */
static void an_old_list_is_of_no_use(void **state)
{
	struct lab *lab = *state;
	uint8_t record[16];
	struct stat st;
	int fd;

	assert_int_equal(mkdirat(lab->dir, "a", 0755), 0);
	assert_int_equal(fstatat(lab->dir, "a", &st, 0), 0);
	be_put64(record, (uint64_t)st.st_dev);
	be_put64(record + 8, (uint64_t)st.st_ino);
	fd = openat(lab->dir, list_name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(io_write(fd, record, sizeof(record)), 0);
	close(fd);
	begin(lab, TAG);
	/* one of its own takes its place */
	note(lab, "b", 1, 1);
	begin(lab, TAG);
	assert_true(has(lab, "b", 1, 1));
	assert_int_equal(fstatat(lab->dir, list_name, &st, 0), 0);
	assert_int_equal(st.st_size, HEAD + 16);
	fd = openat(lab->dir, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_false(has_dir(lab, "a", fd));
	close(fd);
}

/* Whether a later session can know the directory. */
static int is_lasting(int fd)
{
	struct identity id;
	struct stat st;

	assert_int_equal(identity_of(fd, &id, &st), 0);
	return id.time.tv_sec != 0;
}

/* With the directories that are made for what lies in them; but one that is
 * also sent counts once. */
static void each_directory_counts_once(void **state)
{
	struct lab *lab = *state;
	struct dirs *d = dirs_new(lab->dir, DIRS_CREATE, NULL, NULL);
	struct verdict v = { 0 };
	int fd;

	assert_non_null(d);
	lab->quota = quota_new(3, UINT64_MAX);
	assert_non_null(lab->quota);
	assert_int_equal(mkdirat(lab->dir, "old", 0755), 0);
	begin(lab, TAG);
	made_serve(lab->made, d);
	fd = enter(d, "old");
	assert_false(has_dir(lab, "old", fd));
	fd = enter(d, "old/a/b"); /* two */
	assert_true(has_dir(lab, "old/a/b", fd));
	assert_false(has_dir(lab, "old/a", fd));
	assert_int_equal(name_dir(lab, "old/a/b", fd, &v), 0); /* counted before */
	assert_int_equal(name_dir(lab, "old/a/b", fd, &v), 0); /* sent twice: three */
	assert_int_equal(name_dir(lab, "old/a/b", fd, &v), -1);
	assert_int_equal(v.status, STATUS_FAILED);
	assert_int_equal(v.cause, CAUSE_LIMIT);
	assert_true(enter(d, "old/c") < 0);
	assert_int_equal(faccessat(lab->dir, "old/c", F_OK, 0), -1);
	/* what another session finds in the list was counted by that one */
	begin(lab, TAG);
	fd = enter(d, "old/a/b");
	assert_int_equal(has_dir(lab, "old/a/b", fd), is_lasting(fd));
	dirs_free(d);
}

/* A directory that cannot be made is not counted. */
static void what_is_not_made_does_not_count(void **state)
{
	struct lab *lab = *state;
	struct dirs *d = dirs_new(lab->dir, DIRS_CREATE, NULL, NULL);

	assert_non_null(d);
	lab->quota = quota_new(2, UINT64_MAX);
	assert_non_null(lab->quota);
	begin(lab, 0);
	made_serve(lab->made, d);
	put_file(lab->dir, "file", "x");
	assert_true(enter(d, "file/a") < 0);
	assert_true(enter(d, "gone") >= 0);
	assert_int_equal(unlinkat(lab->dir, "gone", AT_REMOVEDIR), 0);
	assert_true(enter(d, "gone/a") < 0);
	assert_true(enter(d, "a") >= 0);
	assert_true(enter(d, "b") < 0);
	dirs_free(d);
}

#define made_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		made_test(thousands_are_found),
		made_test(another_session_finds_them_until_they_are_forgotten),
		made_test(a_record_that_was_cut_short_is_ignored),
		made_test(a_list_of_somebody_else_is_not_read),
		made_test(another_with_the_same_inode_number_is_not_found),
		made_test(an_old_list_is_of_no_use),
		made_test(each_directory_counts_once),
		made_test(what_is_not_made_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
