/*
 * Part files: create, write, set metadata, rename (part_kept.c opens kept
 * parts).  A transfer may have millions of small files, so each step is one
 * system call.  The order of steps that makes a file durable (flush it, rename
 * it, flush the directory) is up to the caller.
 */
#include "fs/part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/fnv.h"
#include "base/io.h"
#include "base/zeros.h"
#include "fs/attr_helper.h"
#include "fs/part_priv.h"
#include "fs/preserve.h"
#include "fs/source.h"
#include "os/entropy.h"
#include "os/flush.h"
#include "os/nameless.h"
#include "os/rename.h"
#include "os/space.h"

enum {
	/* Leftovers of one name that are removed before the next name is
	 * tried, so that two processes do not remove each other's for ever. */
	CLEAR_TRIES = 2,
	NS_PER_S = 1000000000,
	/* File systems have had limits of 4 GiB and more on a file. */
	LARGE = INT32_MAX,
	/* Of zeros that become holes: a page, and the smallest unit that
	 * divides chunks as the sender finds zeros in. */
	HOLE_UNIT_MAX = 4096,
	HOLE_UNIT_MIN = 512,
	/* Blocks are shared in units of what is their usual size, from where a
	 * system call costs less than copying. */
	SHARE_UNIT = 4096,
	SHARE_MIN = 65536,
};

/* One step of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
 * Number Generators, 2014): no value comes twice in 2^64 steps. */
static uint64_t next_number(struct part_names *names)
{
	uint64_t z = names->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void part_tag_name(char name[NAME_PART_MAX], uint64_t tag, const char *suffix)
{
	snprintf(name, NAME_PART_MAX, ".ferry-%016" PRIx64 ".%s", tag, suffix);
}

int part_open_new(int dir_fd, const char *name)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	do {
		fd = openat(dir_fd, name, flags, 0600);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

void part_reset(struct part *p)
{
	p->fd = -1;
	p->name[0] = '\0';
	p->has_mode = 0;
	p->was_copied = 0;
	p->hole_unit = 0;
	p->has_old_data = 0;
	atomic_init(&p->shares_none, 0);
}

int part_create(struct part *p, struct part_names *names, int dir_fd,
		struct err *e)
{
	part_reset(p);
	for (int i = 0; i < PART_NAME_TRIES; i++) {
		if (!names->seeded &&
		    entropy_get(&names->state, sizeof(names->state)) < 0)
			break;
		names->seeded = 1;
		part_tag_name(p->name, next_number(names), "part");
		p->fd = part_open_new(dir_fd, p->name);
		if (p->fd >= 0) {
			/* So that it does not count as left over. */
			(void)flock(p->fd, LOCK_EX | LOCK_NB);
			return 0;
		}
		if (errno != EEXIST)
			break;
		/* 64 random bits do not clash by chance: another process may be
		 * predicting the names, so start from a new seed. */
		names->seeded = 0;
	}
	p->name[0] = '\0';
	return err_sys(e, ERR_LOCAL, "create a temporary file");
}

int part_create_hidden(struct part *p, int dir_fd, uint32_t mode, int is_exact,
		       struct err *e)
{
	part_reset(p);
	p->has_mode = is_exact;
	p->fd = nameless_create(dir_fd, is_exact ? mode & 0777 : 0600);
	if (p->fd >= 0)
		return 0;
	if (errno == EOPNOTSUPP)
		return ERR_AGAIN;
	return err_sys(e, ERR_LOCAL, "create a temporary file");
}

int part_is_named(int dir_fd, const char *name, const struct stat *st)
{
	struct stat now;

	return fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

int part_check_space(struct part *p, uint64_t size, uint64_t others,
		     uint64_t *have, struct err *e)
{
	const struct space space = space_look(p->fd);
	struct stat st;
	uint64_t need;

	p->reserves = space.reserves;
	*have = space.available;
	if (size > INT64_MAX) {
		errno = EFBIG;
		return err_sys(e, ERR_LOCAL, "set the size");
	}
	/* A sparse file: shows whether there may be files so large. */
	if (p->reserves && size > LARGE && part_set_size(p, size, e))
		return e->code;
	if (__builtin_add_overflow(size, others, &need))
		need = UINT64_MAX;
	if (need <= *have)
		return 0;
	/* What the part occupies already need not be free (st_blocks counts
	 * units of 512 bytes). */
	if (fstat(p->fd, &st) == 0)
		*have += (uint64_t)st.st_blocks * 512;
	if (need <= *have)
		return 0;
	errno = ENOSPC;
	return err_sys(e, ERR_LOCAL, "reserve space");
}

void part_reserve(const struct part *p, uint64_t off, uint64_t len)
{
	if (p->reserves)
		(void)space_reserve(p->fd, off, len);
}

void part_trim(const struct part *p)
{
	struct stat st;

	/* Frees what was reserved after the end. */
	if (!p->reserves || fstat(p->fd, &st) < 0 ||
	    ftruncate(p->fd, st.st_size) < 0)
		return; /* it stays reserved, until the part is removed */
}

static int write_data(struct part *p, const void *data, size_t n, uint64_t off,
		      struct err *e)
{
	if (io_pwrite(p->fd, data, n, off) < 0)
		return err_sys(e, ERR_LOCAL, "write");
	return 0;
}

void part_make_holes(struct part *p)
{
	struct stat st;

	p->hole_unit = HOLE_UNIT_MAX;
	if (fstat(p->fd, &st) == 0 && st.st_blksize >= HOLE_UNIT_MIN &&
	    st.st_blksize < HOLE_UNIT_MAX)
		p->hole_unit = (size_t)st.st_blksize;
}

int part_write(struct part *p, const void *data, size_t n, uint64_t off,
	       struct err *e)
{
	const char *from = data;
	int is_zero, rc = 0;
	size_t run;

	if (p->hole_unit == 0)
		return write_data(p, data, n, off, e);
	for (; rc == 0 && n > 0; n -= run) {
		run = zeros_run(from, n, p->hole_unit, &is_zero);
		if (!is_zero)
			rc = write_data(p, from, run, off, e);
		else if (p->has_old_data)
			rc = part_punch(p, off, run, e);
		from += run;
		off += run;
	}
	return rc;
}

/* Whether the part has these bytes at off. */
static int has_data(const struct part *p, const char *data, size_t n,
		    uint64_t off)
{
	char have[16384];

	while (n > 0) {
		const size_t m = n < sizeof(have) ? n : sizeof(have);

		if (io_pread(p->fd, have, m, off) != (ssize_t)m ||
		    memcmp(have, data, m) != 0)
			return 0;
		data += m;
		off += m;
		n -= m;
	}
	return 1;
}

int part_may_share(const struct part *p, uint64_t from_off, size_t n,
		   uint64_t off)
{
	return n >= SHARE_MIN && (n | off | from_off) % SHARE_UNIT == 0 &&
	       !atomic_load(&p->shares_none);
}

int part_copy(struct part *p, int from, uint64_t from_off, const void *data,
	      size_t n, uint64_t off, struct err *e)
{
	int rc;

	if (!part_may_share(p, from_off, n, off))
		return part_write(p, data, n, off, e);
	if (space_share(p->fd, off, from, from_off, n) < 0) {
		atomic_store(&p->shares_none, 1);
		return part_write(p, data, n, off, e);
	}
	if (has_data(p, data, n, off))
		return 0;
	/* part_write() may leave zeros out, which are not there now. */
	rc = part_punch(p, off, n, e);
	return rc ? rc : part_write(p, data, n, off, e);
}

int part_write_all(struct part *p, const void *data, size_t n, struct err *e)
{
	const size_t last = n % HOLE_UNIT_MAX ? n % HOLE_UNIT_MAX :
						HOLE_UNIT_MAX;
	int rc;

	/* Less is a block anyway. */
	if (n < HOLE_UNIT_MAX)
		return write_data(p, data, n, 0, e);
	p->hole_unit = HOLE_UNIT_MAX;
	rc = part_write(p, data, n, 0, e);
	if (rc == 0 && zeros_only((const char *)data + n - last, last))
		rc = part_set_size(p, n, e);
	return rc;
}

int part_punch(struct part *p, uint64_t off, uint64_t count, struct err *e)
{
	static const char zeros[65536];
	int rc;

	rc = space_punch(p->fd, off, count);
	if (rc == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return err_sys(e, ERR_LOCAL, "make a hole");
	while (count > 0) {
		size_t n = count < sizeof(zeros) ? (size_t)count : sizeof(zeros);

		rc = write_data(p, zeros, n, off, e);
		if (rc < 0)
			return rc;
		off += n;
		count -= n;
	}
	return 0;
}

int part_set_size(struct part *p, uint64_t size, struct err *e)
{
	int rc;

	if (size > INT64_MAX) {
		errno = EFBIG;
		return err_sys(e, ERR_LOCAL, "set the size");
	}
	do {
		rc = ftruncate(p->fd, (off_t)size);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return err_sys(e, ERR_LOCAL, "set the size");
	return 0;
}

int part_to_times(const struct file_meta *meta, struct timespec times[2],
		  struct err *e)
{
	const time_t s = (time_t)meta->mtime_s;

	/* The peer chose these.  UTIME_NOW and UTIME_OMIT are above 10^9, so
	 * they are refused as well. */
	if ((int64_t)s != meta->mtime_s || meta->mtime_ns >= NS_PER_S) {
		errno = EINVAL;
		return err_sys(e, ERR_LOCAL, "set the time");
	}
	times[0].tv_sec = 0;
	times[0].tv_nsec = UTIME_NOW;
	times[1].tv_sec = s;
	times[1].tv_nsec = (long)meta->mtime_ns;
	return 0;
}

/* Whether the file has this mode, so that it need not be set. */
static int has_mode(int fd, mode_t mode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & 07777) == mode;
}

/* Setting the mode failed.  Returns whether that matters. */
static unsigned lost_mode(int fd, mode_t mode, struct err *e)
{
	err_sys(e, ERR_LOCAL, "set the mode");
	return has_mode(fd, mode) ? 0 : FILE_META_MODE;
}

static unsigned apply_times(int fd, const struct file_meta *meta,
			    struct err *e)
{
	struct timespec times[2];
	unsigned lost = 0;

	if (part_to_times(meta, times, e) < 0) {
		lost |= FILE_META_TIME;
	} else if (futimens(fd, times) < 0) {
		err_sys(e, ERR_LOCAL, "set the time");
		lost |= FILE_META_TIME;
	}
	return lost;
}

/* Set a mode that may have bits above 0777.  Returns what was lost: an ordinary
 * user's set-group-ID bit is dropped without an error where the group is not
 * theirs. */
static unsigned apply_mode(int fd, mode_t mode, struct err *e)
{
	unsigned lost;

	if (fchmod(fd, mode) < 0)
		lost = lost_mode(fd, mode, e);
	else
		return mode & 07000 && !has_mode(fd, mode) ? FILE_META_SETID :
							     0;
	if (lost && mode & 07000 && fchmod(fd, mode & 0777) == 0)
		lost = FILE_META_SETID;
	return lost;
}

unsigned part_set_meta(struct part *p, const struct file_meta *meta,
		       const struct preserve *how, struct err *e)
{
	int wants_mode;
	/* With its mode it was created without an inherited ACL, too. */
	unsigned lost = preserve_set(how, p->fd, meta,
				     p->has_mode && !p->is_old, &wants_mode,
				     e);
	const mode_t mode = preserve_mode(how, p->fd, meta, &lost);

	if (!p->has_mode || wants_mode || mode & 07000)
		lost |= apply_mode(p->fd, mode, e);
	return lost | apply_times(p->fd, meta, e);
}

/* Whether the directory has this metadata already.  Then nothing is set, as
 * that would change its time of change (ctime), by which backups see what is
 * new. */
static int has_dir_meta(int dir_fd, const struct stat *st,
			const struct file_meta *meta,
			const struct preserve *how)
{
	return (st->st_mode & 0777) == (meta->mode & 0777) &&
	       st->st_mtim.tv_sec == meta->mtime_s &&
	       st->st_mtim.tv_nsec == (long)meta->mtime_ns &&
	       !preserve_differs(how, dir_fd, st, meta);
}

/* Whether a time that was set is what was read: not to the nanosecond, as some
 * file systems have times of two seconds. */
static int is_near(const struct timespec *have, const struct file_meta *want)
{
	const int64_t s = (int64_t)have->tv_sec - want->mtime_s;

	return s >= -2 && s <= 2;
}

/* What was set without an error, and is not so.  created: the mode that it was
 * created with; yet another one is that of the mount. */
static unsigned ignored_meta(int fd, const struct file_meta *meta,
			     const struct preserve *how, mode_t mode,
			     mode_t created, int *is_mount_mode)
{
	unsigned ignored = 0;
	struct stat st;

	*is_mount_mode = 0;
	if (fstat(fd, &st) < 0)
		return 0;
	if ((st.st_mode & 0777) != (mode & 0777)) {
		*is_mount_mode = (st.st_mode & 0777) != created;
		if (!*is_mount_mode)
			ignored |= FILE_META_MODE;
	}
	if (!is_near(&st.st_mtim, meta))
		ignored |= FILE_META_TIME;
	return ignored | (preserve_differs(how, PRESERVE_CLOSED, &st, meta) &
			  FILE_META_OWNER);
}

unsigned part_set_dir_meta(int dir_fd, const struct stat *st,
			   const struct file_meta *meta,
			   const struct preserve *how,
			   struct attr_helper *attrs, struct err *e)
{
	unsigned lost = 0;
	int wants_mode, is_mount_mode;
	mode_t mode;

	if (has_dir_meta(dir_fd, st, meta, how))
		return 0;
	lost = preserve_set(how, dir_fd, meta, 0, &wants_mode, e);
	mode = preserve_mode(how, dir_fd, meta, &lost);
	if (file_meta_has(meta, FILE_META_TAG_SETID)) {
		lost |= apply_mode(dir_fd, mode, e);
	} else {
		mode |= st->st_mode & 07000;
		if (attr_helper_chmod_dir(attrs, dir_fd, mode) < 0)
			lost |= lost_mode(dir_fd, mode, e);
	}
	lost |= apply_times(dir_fd, meta, e);
	if (lost)
		return lost;
	lost = ignored_meta(dir_fd, meta, how, mode, 0700, &is_mount_mode);
	if (lost) {
		errno = EOPNOTSUPP;
		err_sys(e, ERR_LOCAL, "set owner, mode and time");
	}
	return lost;
}

unsigned part_ignored_meta(const struct part *p, const struct file_meta *meta,
			   const struct preserve *how, int *is_mount_mode)
{
	/* Of the bits above, apply_mode() has seen to it. */
	return ignored_meta(p->fd, meta, how, meta->mode, 0600, is_mount_mode);
}

int part_sync(struct part *p, struct err *e)
{
	/* Not to be repeated: after it has reported an error once, Linux counts
	 * the pages as clean, and the next call succeeds with the data lost. */
	if (flush_data(p->fd) < 0)
		return err_sys(e, ERR_LOCAL, "flush to the disk");
	return 0;
}

/* Some file systems refuse a name that they cannot store only here, with
 * EINVAL, which says nothing: no other argument of these calls can be
 * invalid. */
static int naming_failed(struct err *e, const char *doing)
{
	if (errno == EINVAL)
		errno = EILSEQ;
	return err_sys(e, ERR_LOCAL, "%s", doing);
}

/* Whether a file's inode by its name is the one that its descriptor shows,
 * tried with a file that nobody knows: some FUSE file systems number files anew
 * each time that they are asked.  1 where nothing can be tried. */
static int has_one_inode(int dir_fd)
{
	struct part_names names = { 0 };
	struct part p;
	struct stat st;
	struct err e;
	int is_one;

	err_clear(&e);
	if (part_create(&p, &names, dir_fd, &e) < 0)
		return 1;
	/* As with a part that has been written: a number may be given at the
	 * end. */
	if (write_data(&p, "a", 1, 0, &e) == 0)
		(void)part_check_close(&p, &e);
	is_one = fstat(p.fd, &st) < 0 || part_is_named(dir_fd, p.name, &st);
	unlinkat(dir_fd, p.name, 0);
	io_close(&p.fd);
	return is_one;
}

/*
 * Whether another file than the open one has the name.  It may be that of
 * another process, or of another sender, under a name that this file system
 * takes for ours and name_is_like_own() does not know.  What is done with the
 * name next comes after another call, so another file may still take it in
 * between; but no longer at any time while content arrives.
 *
 * Takes two calls, for parts that have a name: those of large files; of small
 * ones, only where there are no hidden parts, or one replaces another file.
 */
static int is_anothers(int fd, int dir_fd, const char *name)
{
	struct stat mine, now;

	if (fstat(fd, &mine) < 0 ||
	    fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (mine.st_dev != now.st_dev || mine.st_ino != now.st_ino) &&
	       has_one_inode(dir_fd);
}

int part_has_lost(const struct part *p, int dir_fd, const char *name)
{
	return is_anothers(p->fd, dir_fd, name);
}

static int rename_named(const struct part *p, int dir_fd, const char *final,
			int replace, struct err *e)
{
	int rc;

	if (part_has_lost(p, dir_fd, p->name)) {
		errno = EBUSY;
		return err_sys(e, ERR_LOCAL, "rename to the final name");
	}
	rc = replace ? renameat(dir_fd, p->name, dir_fd, final) :
		       rename_new(dir_fd, p->name, final);
	if (rc < 0)
		return naming_failed(e, "rename to the final name");
	return 0;
}

/* Two names with one hash do no harm: the second process finds the temporary
 * name taken and uses the next tag. */
static uint64_t name_tag(const char *name)
{
	return fnv_bytes(FNV_START, name, strlen(name));
}

void part_new_name(char name[NAME_PART_MAX], const char *final)
{
	part_tag_name(name, name_tag(final), "new");
}

int part_clear_leftover(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	/* ELOOP: a symlink. */
	int is_free = fd < 0 && (errno == ELOOP || errno == ENOENT);
	struct stat st;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		is_free = fstat(fd, &st) == 0 &&
			  part_is_named(dir_fd, name, &st);
	if (is_free)
		is_free = unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT;
	io_close(&fd);
	return is_free;
}

/*
 * Make something with a temporary name and rename it over final.  The name
 * follows from tag, so that what a killed process left is removed by the next
 * one that replaces the same file; the next tag is tried where another process
 * is using the name now, or has taken it.  Returns 0, or -1 with errno.
 */
static int make_and_replace(int dir_fd, const char *final, uint64_t tag,
			    const struct part_maker *m)
{
	char name[NAME_PART_MAX];
	int rc = -1;

	for (int i = 0; i < PART_NAME_TRIES; i++) {
		part_tag_name(name, tag, "new");
		rc = m->make(m->what, dir_fd, name);
		if (rc < 0 && errno == EEXIST) {
			if (i >= CLEAR_TRIES || !part_clear_leftover(dir_fd, name))
				tag++;
			errno = EEXIST;
			continue;
		}
		if (rc == 0 && m->has_lost(m->what, dir_fd, name)) {
			errno = EBUSY;
			rc = -1;
		}
		/* Another process took it for a leftover, as a symlink cannot
		 * be locked, and then the name. */
		if (rc < 0 && errno == EBUSY && m->can_repeat) {
			tag++;
			continue;
		}
		if (rc == 0)
			rc = renameat(dir_fd, name, dir_fd, final);
		/* ENOENT: another process removed it as a leftover. */
		if (rc == 0 || errno != ENOENT)
			break;
	}
	if (rc < 0 && errno != EEXIST) {
		int saved = errno;

		if (!m->has_lost(m->what, dir_fd, name))
			unlinkat(dir_fd, name, 0);
		errno = saved;
	}
	return rc;
}

static int make_hard_link(const void *what, int dir_fd, const char *name)
{
	return nameless_link(*(const int *)what, dir_fd, name);
}

static int has_lost_link(const void *what, int dir_fd, const char *name)
{
	return is_anothers(*(const int *)what, dir_fd, name);
}

/* Whether the error of nameless_link() says that a file without a name cannot
 * get one: there are no hard links, or the kernel allows none by descriptor and
 * /proc is missing. */
static int is_unlinkable(int error)
{
	return rename_link_is_unsupported(error) || error == ENOENT ||
	       error == EXDEV;
}

/* Copy content, size and metadata of one file to a new one; ranges without
 * data stay holes. */
static int copy_file(int from, struct part *to, struct err *e)
{
	char block[65536];
	struct stat st;
	off_t start = 0, end = 0;
	int rc = 0;

	if (fstat(from, &st) < 0)
		return err_sys(e, ERR_LOCAL, "stat");
	while (rc == 0 && space_next_data(from, end, &start, &end) == 0) {
		if (end <= start)
			end = st.st_size;
		for (ssize_t n = 0; rc == 0 && start < end; start += n) {
			const size_t want = end - start < (off_t)sizeof(block) ?
				(size_t)(end - start) : sizeof(block);

			n = io_pread(from, block, want, (uint64_t)start);
			if (n <= 0)
				return err_sys(e, ERR_LOCAL, "read");
			rc = part_write(to, block, (size_t)n, (uint64_t)start,
					e);
		}
	}
	if (rc == 0)
		rc = part_set_size(to, (uint64_t)st.st_size, e);
	if (rc == 0) {
		const struct timespec times[2] = { st.st_atim, st.st_mtim };

		/* What is refused now was refused before. */
		preserve_copy(from, to->fd);
		if (fchmod(to->fd, st.st_mode & 07777) < 0)
			(void)fchmod(to->fd, st.st_mode & 0777);
		(void)futimens(to->fd, times);
	}
	return rc;
}

/* Make the hidden part one with a name, by copying it.  The copy is flushed if
 * the part can be, as the caller may have done that with the part. */
static int copy_to_named(struct part *p, int dir_fd, struct err *e)
{
	struct part_names names = { 0 };
	struct part copy;
	int rc = part_create(&copy, &names, dir_fd, e);

	if (rc < 0)
		return rc;
	rc = copy_file(p->fd, &copy, e);
	if (rc == 0 && flush_data(copy.fd) < 0 &&
	    !flush_is_unsupported(errno))
		rc = err_sys(e, ERR_LOCAL, "flush to the disk");
	if (rc < 0) {
		part_discard(&copy, dir_fd);
		return rc;
	}
	io_close(&p->fd);
	*p = copy;
	p->was_copied = 1;
	return 0;
}

static int link_hidden(struct part *p, int dir_fd, const char *final,
		       int replace, struct err *e)
{
	const struct part_maker maker = { make_hard_link, has_lost_link,
					  &p->fd, 0 };
	int rc = nameless_link(p->fd, dir_fd, final);

	if (rc < 0 && errno == EEXIST && replace) {
		/* Against part_clear_leftover() in another process. */
		(void)flock(p->fd, LOCK_EX | LOCK_NB);
		rc = make_and_replace(dir_fd, final, name_tag(final), &maker);
	}
	if (rc < 0 && is_unlinkable(errno)) {
		rc = copy_to_named(p, dir_fd, e);
		return rc < 0 ? rc : rename_named(p, dir_fd, final, replace, e);
	}
	if (rc < 0)
		return naming_failed(e, "link to the final name");
	return 0;
}

int part_rename(struct part *p, int dir_fd, const char *final, int replace,
		struct err *e)
{
	if (!p->name[0])
		return link_hidden(p, dir_fd, final, replace, e);
	return rename_named(p, dir_fd, final, replace, e);
}

int part_check_close(const struct part *p, struct err *e)
{
	/* close() of any descriptor reports; flock() is released by the
	 * last. */
	int other = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);

	if (other < 0 || io_close(&other) < 0)
		return err_sys(e, ERR_LOCAL, "close");
	return 0;
}

int part_close(struct part *p, struct err *e)
{
	if (io_close(&p->fd) < 0)
		return err_sys(e, ERR_LOCAL, "close");
	return 0;
}

void part_discard(struct part *p, int dir_fd)
{
	/* Unlink first: once the lock is gone, another transfer may have opened
	 * the part by this name. */
	if (p->name[0] != '\0' && !part_has_lost(p, dir_fd, p->name))
		unlinkat(dir_fd, p->name, 0);
	p->name[0] = '\0';
	io_close(&p->fd);
}

int part_replace(int dir_fd, const char *final, const struct part_maker *m)
{
	/* Not the tag of link_hidden(): what is made here cannot be locked, so
	 * it must not use the temporary names of files. */
	return make_and_replace(dir_fd, final, ~name_tag(final), m);
}

int part_stat(int dir_fd, const char *name, struct stat *st, struct err *e)
{
	if (fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, ERR_LOCAL, "stat");
	return 0;
}

int part_open_existing(int dir_fd, const char *name, struct stat *st,
		       struct err *e)
{
	return source_open(dir_fd, name, 0, st, e);
}
