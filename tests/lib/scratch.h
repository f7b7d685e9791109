/*
 * scratch.h - a temporary directory that is removed with all in it, and files
 * in it: for unit tests and fuzz targets.
 *
 * To be included after <cmocka.h> or fuzz.h, which report what fails here.
 * Everything is static inline, for each test is a program of its own.
 */
#ifndef FERRY_TESTS_SCRATCH_H
#define FERRY_TESTS_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef CHECK
#define SCRATCH_CHECK(cond) CHECK(cond)
#else
#define SCRATCH_CHECK(cond) assert_true(cond)
#endif

/* Make one, below $TMPDIR or, where its path would not fit in path, /tmp.
 * Returns its descriptor; path is its path. */
static inline int scratch_make(char *path, size_t size, const char *name)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	if (!tmp || !*tmp ||
	    snprintf(path, size, "%s/ferry-%s.XXXXXX", tmp, name) >= (int)size)
		snprintf(path, size, "/tmp/ferry-%s.XXXXXX", name);
	SCRATCH_CHECK(mkdtemp(path) != NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCRATCH_CHECK(fd >= 0);
	return fd;
}

static inline int scratch_remove_one(const char *path, const struct stat *st,
				     int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* Remove it.  Returns 0 if it is gone. */
static inline int scratch_remove(const char *path)
{
	return nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A directory in it, mode 0777 whatever the umask is.  Returns its
 * descriptor. */
static inline int scratch_make_dir(int at, const char *name)
{
	int fd;

	SCRATCH_CHECK(mkdirat(at, name, 0777) == 0);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCRATCH_CHECK(fd >= 0 && fchmod(fd, 0777) == 0);
	return fd;
}

/* A file of just these bytes and this mode, whatever the umask is; flag is
 * O_EXCL or O_TRUNC. */
static inline void scratch_write(int dir, const char *path, const void *p,
				 size_t n, int flag, mode_t mode)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC | flag, 0600);

	SCRATCH_CHECK(fd >= 0);
	SCRATCH_CHECK(write(fd, p, n) == (ssize_t)n);
	SCRATCH_CHECK(fchmod(fd, mode) == 0);
	SCRATCH_CHECK(close(fd) == 0);
}

/* A file with this text; flag is O_EXCL or O_TRUNC. */
static inline void store_file(int dir, const char *name, const char *text,
			      int flag)
{
	scratch_write(dir, name, text, strlen(text), flag, 0644);
}

/* A file with this text, where there is none yet. */
static inline void put_file(int dir, const char *name, const char *text)
{
	store_file(dir, name, text, O_EXCL);
}

/* How many names are in dir, which is closed. */
static inline int count_entries(DIR *dir)
{
	int n = 0;

	SCRATCH_CHECK(dir != NULL);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* How many descriptors this process has, and some that counting takes. */
static inline int count_fds(void)
{
	return count_entries(opendir("/proc/self/fd"));
}

#endif
