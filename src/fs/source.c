/*
 * Reading sources.  Nothing is mapped, as access to a mapping of a file that
 * shrinks raises SIGBUS, and nothing is padded: a file that does not have the
 * announced bytes is ERR_CHANGED.
 */
#include "fs/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "os/space.h"

enum {
	READ_TRIES = 3, /* of a small file that changes while it is read */
};

#define NS_PER_MS 1000000
#define NS_PER_S INT64_C(1000000000)
/* The kernel's clock for files goes in ticks of 10 ms at most; FAT has times of
 * 2 s. */
#define TICK_NS (20 * NS_PER_MS)
#define COARSE_NS (2 * NS_PER_S)

static int is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

enum source_change source_compare(const struct stat *before,
				  const struct stat *after)
{
	if (after->st_size < before->st_size ||
	    after->st_ino != before->st_ino)
		return SOURCE_CHANGED;
	if (after->st_size > before->st_size)
		return SOURCE_GREW;
	return is_same_time(before->st_mtim, after->st_mtim) &&
	       is_same_time(before->st_ctim, after->st_ctim)
		       ? SOURCE_SAME
		       : SOURCE_IN_DOUBT;
}

int source_is_recent(const struct stat *st, const struct timespec *at)
{
	/* Whole milliseconds: as good as certainly of a file system whose
	 * times are coarse. */
	const int64_t unit = st->st_ctim.tv_nsec % NS_PER_MS ? TICK_NS :
							       COARSE_NS;
	const int64_t s = (int64_t)at->tv_sec - (int64_t)st->st_ctim.tv_sec;

	return s <= 3 && s * NS_PER_S + at->tv_nsec - st->st_ctim.tv_nsec < unit;
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

/* A small file that is read. */
struct small {
	int fd;
	int growing;     /* SOURCE_GROWING */
	struct stat *st; /* as it was when last looked at */
	char *p;         /* where to, cap bytes */
	size_t cap;
	size_t len; /* how many were read */
};

/* Whether the file begins with what was read. */
static int has_content(const struct small *s)
{
	char block[16384];

	for (size_t off = 0; off < s->len; off += sizeof(block)) {
		const size_t n = s->len - off < sizeof(block) ?
					 s->len - off :
					 sizeof(block);

		if (io_pread(s->fd, block, n, off) != (ssize_t)n ||
		    memcmp(block, s->p + off, n) != 0)
			return 0;
	}
	return 1;
}

/* Whether the file ends where the first read ended. */
static int ends_here(const struct small *s)
{
	char byte;

	return io_pread(s->fd, &byte, 1, s->len) == 0;
}

/*
 * What was read began with the file as before, and ended with this change.
 * Returns whether it is the file's content, of which s->len is set to how much
 * counts.  Where that is in doubt, it is read again: if it is the same, the
 * file had all of it at the moment when the first read ended.
 */
static int is_good(struct small *s, const struct stat *before,
		   enum source_change change)
{
	if (change == SOURCE_GREW && s->growing &&
	    s->len > (size_t)before->st_size)
		s->len = (size_t)before->st_size;
	if (change == SOURCE_CHANGED ||
	    (change == SOURCE_GREW && !s->growing))
		return 0;
	/* Files of sysfs say that they have a page, and have less.  Where a
	 * second read ends at the same place, that is the end. */
	if (change == SOURCE_SAME && s->len < (size_t)before->st_size)
		return has_content(s) && ends_here(s);
	if (!is_whole(before, s->len, s->cap))
		return 0;
	return change == SOURCE_SAME || has_content(s);
}

/* Read the file again until it did not change during the read. */
static int read_again(struct small *s, struct err *e)
{
	enum source_change change = SOURCE_CHANGED;

	for (int i = 0; i < READ_TRIES; i++) {
		const struct stat before = *s->st;
		ssize_t got;
		int rc;

		if ((uint64_t)before.st_size > s->cap)
			return err_set(e, ERR_CHANGED,
				       "it grew while it was read");
		got = io_pread(s->fd, s->p, s->cap, 0);
		if (got < 0)
			return err_sys(e, ERR_LOCAL, "read");
		rc = stat_regular(s->fd, s->st, e);
		if (rc < 0)
			return rc;
		s->len = (size_t)got;
		change = source_compare(&before, s->st);
		if (is_good(s, &before, change)) {
			s->st->st_size = (off_t)s->len;
			return 0;
		}
	}
	if (change == SOURCE_GREW && !s->growing)
		return err_set(e, ERR_CHANGED,
			       "it kept growing while it was read; --growing "
			       "sends it as long as it was at the start");
	return err_set(e, ERR_CHANGED, "it kept changing while it was read");
}

/* One read() of a byte more than the file should have: if that byte is missing,
 * the read has reached the end, and no second read() is needed to see it. */
static ssize_t read_once(const struct small *s)
{
	size_t want = s->cap;
	ssize_t got;

	if (s->st->st_size >= 0 && (uint64_t)s->st->st_size < s->cap)
		want = (size_t)s->st->st_size + 1;
	do {
		got = read(s->fd, s->p, want);
	} while (got < 0 && errno == EINTR);
	return got;
}

static int read_small(struct small *s, struct err *e)
{
	struct stat now;
	ssize_t got = read_once(s);
	int rc, is_as_scanned;

	if (got < 0) {
		const int saved = errno;

		/* Most likely it is no regular file any more (EISDIR):
		 * "not a regular file" says more than read()'s errno. */
		rc = stat_regular(s->fd, &now, e);
		errno = saved;
		return rc < 0 ? rc : err_sys(e, ERR_LOCAL, "read");
	}
	rc = stat_regular(s->fd, &now, e);
	if (rc < 0)
		return rc;
	is_as_scanned = source_compare(s->st, &now) == SOURCE_SAME &&
			now.st_size == (off_t)got;
	*s->st = now;
	if (!is_as_scanned)
		return read_again(s, e);
	s->len = (size_t)got;
	return 0;
}

int source_open_small(int dir_fd, const char *name, enum source_flags flags,
		      struct err *e)
{
	const int fd = open_source(dir_fd, name, (flags & SOURCE_FOLLOW) != 0);

	return fd < 0 ? err_sys(e, ERR_LOCAL, "open") : fd;
}

int source_read_small(int fd, enum source_flags flags, struct stat *st, void *p,
		      size_t cap, size_t *len, struct err *e)
{
	struct small s = {
		.fd = fd,
		.growing = (flags & SOURCE_GROWING) != 0,
		.st = st,
		.p = p,
		.cap = cap,
	};
	int rc = read_small(&s, e);

	*len = rc == 0 ? s.len : 0;
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
	off_t first;

	if (source_allocated(st) >= (uint64_t)st->st_size)
		return 0;
	first = space_next_hole(fd, 0);
	return first < 0 ? -1 : first < st->st_size;
}
