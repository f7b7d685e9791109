/*
 * Reading sources.  Nothing is mapped, as access to a mapping of a file that
 * shrinks raises SIGBUS, and nothing is padded: a file that does not have the
 * announced bytes is ERR_CHANGED.
 */
#include "fs/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/io.h"
#include "os/space.h"

enum {
	READ_TRIES = 3, /* of a small file that changes while it is read */
};

static int is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

enum source_change source_compare(const struct stat *a, const struct stat *b)
{
	if (a->st_size != b->st_size || a->st_ino != b->st_ino ||
	    !is_same_time(a->st_mtim, b->st_mtim))
		return SOURCE_CHANGED;
	/* mtime can be set back, ctime cannot. */
	return is_same_time(a->st_ctim, b->st_ctim) ? SOURCE_SAME
						    : SOURCE_IN_DOUBT;
}

/* O_NONBLOCK: where another process has put a FIFO in the file's place, open()
 * must not wait for a writer. */
static int open_source(int dir_fd, const char *name, int follow)
{
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, fd;

	if (!follow)
		flags |= O_NOFOLLOW;
	do {
		fd = openat(dir_fd, name, flags);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

static int stat_regular(int fd, struct stat *st, struct err *e)
{
	if (fstat(fd, st) < 0)
		return err_sys(e, ERR_LOCAL, "stat");
	if (S_ISREG(st->st_mode))
		return 0;
	err_set(e, ERR_LOCAL, "not a regular file");
	/* The receiver's and the sender's causes are derived from an errno. */
	if (e)
		e->sys_errno = EINVAL;
	return ERR_LOCAL;
}

int source_open(int dir_fd, const char *name, int follow, struct stat *st,
		struct err *e)
{
	int fd = open_source(dir_fd, name, follow);
	int rc;

	if (fd < 0)
		return err_sys(e, ERR_LOCAL, "open");
	rc = stat_regular(fd, st, e);
	if (rc < 0) {
		io_close(&fd);
		return rc;
	}
	return fd;
}

/*
 * Whether got bytes are the whole of a file with this stat.  Files of /proc say
 * that they have 0 bytes, although they have content: these are whole when the
 * read ended before cap, which means at the end of the file.
 */
static int is_whole(const struct stat *st, size_t got, size_t cap)
{
	return (uint64_t)st->st_size == got || (st->st_size == 0 && got < cap);
}

/* Read the file again until it did not change during the read.  *st is from
 * before the first one. */
static int read_again(int fd, struct stat *st, void *p, size_t cap, size_t *len,
		      struct err *e)
{
	for (int i = 0; i < READ_TRIES; i++) {
		const struct stat before = *st;
		enum source_change change;
		ssize_t got;
		int rc;

		if ((uint64_t)before.st_size > cap)
			return err_set(e, ERR_CHANGED,
				       "it grew while it was read");
		got = io_pread(fd, p, cap, 0);
		if (got < 0)
			return err_sys(e, ERR_LOCAL, "read");
		rc = stat_regular(fd, st, e);
		if (rc < 0)
			return rc;
		change = source_compare(&before, st);
		/* Metadata that changes during every read is no reason to fail:
		 * a writer that sets the mtime back as often is not to be
		 * expected. */
		if (change == SOURCE_IN_DOUBT && i == READ_TRIES - 1)
			change = SOURCE_SAME;
		if (change == SOURCE_SAME && is_whole(st, (size_t)got, cap)) {
			*len = (size_t)got;
			st->st_size = (off_t)got;
			return 0;
		}
	}
	return err_set(e, ERR_CHANGED, "it kept changing while it was read");
}

/* One read() of a byte more than the file should have: if that byte is missing,
 * the read has reached the end, and no second read() is needed to see it. */
static ssize_t read_once(int fd, const struct stat *st, void *p, size_t cap)
{
	size_t want = cap;
	ssize_t got;

	if (st->st_size >= 0 && (uint64_t)st->st_size < cap)
		want = (size_t)st->st_size + 1;
	do {
		got = read(fd, p, want);
	} while (got < 0 && errno == EINTR);
	return got;
}

static int read_small(int fd, struct stat *st, void *p, size_t cap, size_t *len,
		      struct err *e)
{
	struct stat now;
	ssize_t got = read_once(fd, st, p, cap);
	int rc, is_as_scanned;

	if (got < 0) {
		const int saved = errno;

		/* Most likely it is no regular file any more (EISDIR):
		 * "not a regular file" says more than read()'s errno. */
		rc = stat_regular(fd, &now, e);
		errno = saved;
		return rc < 0 ? rc : err_sys(e, ERR_LOCAL, "read");
	}
	rc = stat_regular(fd, &now, e);
	if (rc < 0)
		return rc;
	is_as_scanned = source_compare(st, &now) == SOURCE_SAME &&
			now.st_size == (off_t)got;
	*st = now;
	if (!is_as_scanned)
		return read_again(fd, st, p, cap, len, e);
	*len = (size_t)got;
	return 0;
}

int source_read_small(int dir_fd, const char *name, int follow, struct stat *st,
		      void *p, size_t cap, size_t *len, struct err *e)
{
	int fd = open_source(dir_fd, name, follow);
	int rc;

	*len = 0;
	if (fd < 0)
		return err_sys(e, ERR_LOCAL, "open");
	rc = read_small(fd, st, p, cap, len, e);
	io_close(&fd);
	return rc;
}

int source_read(int fd, void *p, size_t n, uint64_t off, struct err *e)
{
	ssize_t got = io_pread(fd, p, n, off);

	if (got < 0)
		return err_sys(e, ERR_LOCAL, "read");
	if ((size_t)got < n)
		return err_set(e, ERR_CHANGED,
			       "it shrank to %llu bytes while it was read",
			       (unsigned long long)(off + (uint64_t)got));
	return 0;
}

/* SEEK_DATA found nothing (ENXIO).  That means a hole up to the end only if the
 * file still has size bytes. */
static int check_final_hole(int fd, uint64_t size, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_LOCAL, "stat");
	if (st.st_size >= 0 && (uint64_t)st.st_size >= size)
		return 0;
	return err_set(e, ERR_CHANGED,
		       "it shrank to %lld bytes while it was read",
		       (long long)st.st_size);
}

int source_next_data(int fd, uint64_t off, uint64_t size, uint64_t *start,
		     uint64_t *end, struct err *e)
{
	off_t data, stop;

	*start = size;
	*end = size;
	if (off >= size)
		return 0;
	if (off > INT64_MAX)
		return err_set(e, ERR_INTERNAL, "an offset out of range");
	if (space_next_data(fd, (off_t)off, &data, &stop) < 0) {
		if (errno == ENXIO)
			return check_final_hole(fd, size, e);
		/* The file system cannot tell (EINVAL and the like). */
		*start = off;
		return 0;
	}
	if ((uint64_t)data >= size)
		return 0;
	*start = (uint64_t)data;
	if (stop > 0 && (uint64_t)stop < size)
		*end = (uint64_t)stop;
	return 0;
}

uint64_t source_allocated(const struct stat *st)
{
	/* of 512 bytes each, whatever st_blksize is */
	return (uint64_t)st->st_blocks * 512;
}

int source_has_holes(int fd, const struct stat *st)
{
	return source_allocated(st) < (uint64_t)st->st_size &&
	       space_next_hole(fd, 0) < st->st_size;
}
