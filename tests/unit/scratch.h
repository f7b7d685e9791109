/*
 * scratch.h - a directory of a test's own, that vanishes with all in it, and
 * what tests of files do again and again.
 *
 * To be included after <cmocka.h>.  Everything is static inline, for each
 * test is a program of its own.
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

/* Make one, below $TMPDIR or, where its path would not fit in path, /tmp.
 * Returns its descriptor; path is its path. */
static inline int scratch_make(char *path, size_t size, const char *name)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	if (!tmp || snprintf(path, size, "%s/ferry-%s.XXXXXX", tmp, name) >=
			    (int)size)
		snprintf(path, size, "/tmp/ferry-%s.XXXXXX", name);
	assert_non_null(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
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

/* Remove it.  Returns 0 where it is gone. */
static inline int scratch_remove(const char *path)
{
	return nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file with this content; flag is O_EXCL or O_TRUNC. */
static inline void store_file(int dir, const char *name, const char *text,
			      int flag)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | flag, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Where there is none. */
static inline void put_file(int dir, const char *name, const char *text)
{
	store_file(dir, name, text, O_EXCL);
}

/* How many names are in dir, which is closed. */
static inline int count_entries(DIR *dir)
{
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* How many descriptors this process has, and some of the count's own. */
static inline int count_fds(void)
{
	return count_entries(opendir("/proc/self/fd"));
}

#endif
