/*
 * Trials in a directory of their own.  Nothing is concluded from stat(): the
 * kernel may answer from its cache, as it assumes that the file system did what
 * it was asked for.  Listing the directory asks the file system.
 */
#include "fs/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/name.h"
#include "fs/part.h"
#include "os/rename.h"

struct trial {
	int parent_fd; /* borrowed */
	int fd;        /* of the directory, or -1 */
	/* modification times of the parent: before, and with the directory */
	struct timespec before, during;
	int has_times;
	char name[NAME_PART_MAX];
};

enum {
	REMOVE_TRIES = 20,
	REMOVE_PAUSE_MS = 5,
	/* How many trials may be made in a directory at the same time. */
	NAME_TRIES = 64,
};

/* Names of trials follow from this, so that what a killed process left is
 * found.  A temporary name of another kind with one of these does no harm: both
 * then use the next. */
#define TRIAL_TAG UINT64_C(0x747269616c732e2e)

#define NS_PER_S INT64_C(1000000000)

/*
 * Again where it fails, as nothing else removes what is left here.  FUSE closes
 * files in the background, and until then libfuse keeps a removed one as
 * .fuse_hidden*, so that its directory is not empty for a moment.
 */
static void remove_entry(int dir_fd, const char *name, int flags)
{
	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (unlinkat(dir_fd, name, flags) == 0 || errno == ENOENT)
			return;
		if (i > 0)
			(void)poll(NULL, 0, REMOVE_PAUSE_MS);
	}
}

/* How many files the directory lists. */
static int count_files(const struct trial *t)
{
	int fd = openat(t->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	int n = 0;

	if (!d) {
		io_close(&fd);
		return 0;
	}
	while ((de = readdir(d)))
		n += strcmp(de->d_name, ".") != 0 &&
		     strcmp(de->d_name, "..") != 0;
	closedir(d);
	return n;
}

/* Whether the directory fd still has the name: 1, 0, or -1 where that is not
 * known. */
static int is_named(const struct trial *t, int fd)
{
	struct stat have, now;

	if (fstat(fd, &have) < 0 ||
	    fstatat(t->parent_fd, t->name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	return have.st_dev == now.st_dev && have.st_ino == now.st_ino;
}

/* Remove the files of a trial that a killed process left, one whose directory
 * is not locked, so that the directory can be used.  Whatever else is in it
 * stays, and then the directory is of no use. */
static void clear_leftover(int fd)
{
	int other = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = other < 0 ? NULL : fdopendir(other);
	const struct dirent *de;

	if (!d) {
		io_close(&other);
		return;
	}
	while ((de = readdir(d))) {
		struct stat st;

		if (fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_size == 0)
			(void)unlinkat(fd, de->d_name, 0);
	}
	closedir(d);
}

/* Make the directory, or take one that is left.  Returns 0, or -1 with errno:
 * EEXIST where another trial has the name. */
static int take_name(struct trial *t)
{
	const int is_new = mkdirat(t->parent_fd, t->name, 0700) == 0;
	int has_it = 0; /* this trial; -1: not known */

	if (!is_new && errno != EEXIST)
		return -1;
	t->fd = openat(t->parent_fd, t->name,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->fd < 0)
		has_it = errno == ENOENT ? 0 : -1;
	/* Another trial may have taken ours for left before it was locked, and
	 * has it now, or has removed it.  Where there are no locks, what is
	 * left stays. */
	else if (flock(t->fd, LOCK_EX | LOCK_NB) == 0 ||
		 (is_new && errno != EWOULDBLOCK))
		has_it = is_named(t, t->fd);
	if (has_it == 1) {
		if (!is_new)
			clear_leftover(t->fd);
		if (is_new || count_files(t) == 0)
			return 0;
	}
	if (has_it < 0 && is_new)
		remove_entry(t->parent_fd, t->name, AT_REMOVEDIR);
	io_close(&t->fd);
	errno = EEXIST;
	return -1;
}

static int get_time(const struct trial *t, struct timespec *mtime)
{
	struct stat st;

	if (fstat(t->parent_fd, &st) < 0)
		return -1;
	*mtime = st.st_mtim;
	return 0;
}

static int begin_trial(struct trial *t, int dir_fd)
{
	t->parent_fd = dir_fd;
	t->fd = -1;
	t->has_times = get_time(t, &t->before) == 0;
	for (uint64_t i = 0; i < NAME_TRIES; i++) {
		part_tag_name(t->name, TRIAL_TAG + i, "new");
		if (take_name(t) == 0) {
			t->has_times = t->has_times &&
				       get_time(t, &t->during) == 0;
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return -1;
}

/* A trial is no change of the parent: it keeps its time, unless something else
 * was changed in it meanwhile. */
static void end_trial(struct trial *t)
{
	const struct timespec omit = { .tv_nsec = UTIME_OMIT };
	const struct timespec times[2] = { omit, t->before };
	struct timespec now;
	const int is_ours = t->has_times && get_time(t, &now) == 0 &&
			    now.tv_sec == t->during.tv_sec &&
			    now.tv_nsec == t->during.tv_nsec;

	/* While it is locked, or another trial would take it for left. */
	remove_entry(t->parent_fd, t->name, AT_REMOVEDIR);
	io_close(&t->fd);
	/* Refused where the parent is another user's. */
	if (is_ours)
		(void)futimens(t->parent_fd, times);
}

/* Create an empty file.  Returns 0, or -1 with errno; then there is none, also
 * where the file system tells only when it is closed. */
static int create(const struct trial *t, const char *name)
{
	int fd = openat(t->fd, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	int saved;

	if (fd < 0)
		return -1;
	if (io_close(&fd) == 0)
		return 0;
	saved = errno;
	remove_entry(t->fd, name, 0);
	errno = saved;
	return -1;
}

int trial_exchange(int dir_fd)
{
	struct trial t;
	int works;

	if (begin_trial(&t, dir_fd) < 0)
		return 0;
	works = create(&t, "a") == 0 && create(&t, "b") == 0 &&
		rename_exchange(t.fd, "a", "b") == 0 && count_files(&t) == 2;
	remove_entry(t.fd, "a", 0);
	remove_entry(t.fd, "b", 0);
	end_trial(&t);
	return works;
}

/* The smallest unit that makes `have` of the time `set`, as
 * trial_time_unit(). */
static uint64_t time_unit_of(const struct timespec *set,
			     const struct timespec *have)
{
	/* ns; of NTFS; µs; ms; of exFAT; s; of FAT */
	static const int64_t units[] = { 1,        100,      1000,
					 1000000,  10000000, NS_PER_S,
					 2 * NS_PER_S };
	const int64_t s = (int64_t)have->tv_sec - (int64_t)set->tv_sec;
	const int64_t away = s * NS_PER_S + have->tv_nsec - set->tv_nsec;
	const int64_t at = have->tv_sec % 2 * NS_PER_S + have->tv_nsec;

	if (s < -2 || s > 2)
		return UINT64_MAX;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (away < units[i] && -away < units[i] && at % units[i] == 0)
			return (uint64_t)units[i];
	}
	return UINT64_MAX;
}

uint64_t trial_time_unit(int dir_fd)
{
	/* an odd second, long ago */
	const struct timespec times[2] = { { 1234567891, 987654321 },
					   { 1234567891, 987654321 } };
	struct stat st = { 0 };
	uint64_t unit = 1;
	struct trial t;
	int fd;

	if (begin_trial(&t, dir_fd) < 0)
		return unit;
	fd = openat(t.fd, "a",
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && futimens(fd, times) < 0)
		unit = UINT64_MAX;
	/* Closed first: some file systems set the time then. */
	if (fd >= 0 && io_close(&fd) == 0 && unit == 1 &&
	    fstatat(t.fd, "a", &st, AT_SYMLINK_NOFOLLOW) == 0)
		unit = time_unit_of(&times[1], &st.st_mtim);
	remove_entry(t.fd, "a", 0);
	end_trial(&t);
	return unit;
}

int trial_name(int dir_fd, const char *name)
{
	struct trial t;
	int error = 0;

	if (begin_trial(&t, dir_fd) < 0)
		return 0;
	if (create(&t, name) < 0)
		error = errno;
	else
		remove_entry(t.fd, name, 0);
	end_trial(&t);
	return error;
}

int trial_entries(int dir_fd)
{
	struct trial t;
	int error = 0;

	if (begin_trial(&t, dir_fd) < 0)
		return errno == EEXIST ? 0 : errno;
	if (create(&t, "a") < 0)
		error = errno;
	else
		remove_entry(t.fd, "a", 0);
	end_trial(&t);
	return error;
}

/* Whether a file that is created as name can be found as other. */
static int is_found_as(const struct trial *t, const char *name,
		       const char *other)
{
	struct stat st;
	int is_found;

	/* A name that cannot be stored does not collide with any. */
	if (create(t, name) < 0)
		return 0;
	is_found = fstatat(t->fd, other, &st, AT_SYMLINK_NOFOLLOW) == 0;
	remove_entry(t->fd, name, 0);
	return is_found;
}

int trial_folding(int dir_fd)
{
	struct trial t;
	int folds;

	if (begin_trial(&t, dir_fd) < 0)
		return -1;
	/* The second: é as one character, and as e with a combining accent. */
	folds = is_found_as(&t, "a", "A") ||
		is_found_as(&t, "\xc3\xa9", "e\xcc\x81");
	end_trial(&t);
	return folds;
}
