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
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/name.h"
#include "fs/part.h"
#include "os/entropy.h"
#include "os/rename.h"

struct trial {
	int parent_fd; /* borrowed */
	int fd;        /* of the directory, or -1 */
	char name[NAME_PART_MAX];
};

enum { REMOVE_TRIES = 20, REMOVE_PAUSE_MS = 5 };

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

static int begin(struct trial *t, int dir_fd)
{
	uint64_t tag;

	t->parent_fd = dir_fd;
	t->fd = -1;
	if (entropy_get(&tag, sizeof(tag)) < 0)
		return -1;
	part_tag_name(t->name, tag, "new");
	if (mkdirat(dir_fd, t->name, 0700) < 0)
		return -1;
	t->fd = openat(dir_fd, t->name,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->fd >= 0)
		return 0;
	remove_entry(dir_fd, t->name, AT_REMOVEDIR);
	return -1;
}

static void end(struct trial *t)
{
	io_close(&t->fd);
	remove_entry(t->parent_fd, t->name, AT_REMOVEDIR);
}

/* Create an empty file.  Returns 0, or -1 with errno. */
static int create(const struct trial *t, const char *name)
{
	int fd = openat(t->fd, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);

	return fd < 0 ? -1 : io_close(&fd);
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

int trial_exchange(int dir_fd)
{
	struct trial t;
	int works;

	if (begin(&t, dir_fd) < 0)
		return 0;
	works = create(&t, "a") == 0 && create(&t, "b") == 0 &&
		rename_exchange(t.fd, "a", "b") == 0 && count_files(&t) == 2;
	remove_entry(t.fd, "a", 0);
	remove_entry(t.fd, "b", 0);
	end(&t);
	return works;
}

int trial_name(int dir_fd, const char *name)
{
	struct trial t;
	int error = 0;

	if (begin(&t, dir_fd) < 0)
		return 0;
	if (create(&t, name) < 0)
		error = errno;
	else
		remove_entry(t.fd, name, 0);
	end(&t);
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

	if (begin(&t, dir_fd) < 0)
		return 0;
	/* The second: é as one character, and as e with a combining accent. */
	folds = is_found_as(&t, "a", "A") ||
		is_found_as(&t, "\xc3\xa9", "e\xcc\x81");
	end(&t);
	return folds;
}
