/*
 * Part files: create, fill, finish, name (part_kept.c has those that are
 * kept).  Small files come through here by
 * the million, so each step is one system call; the order that makes them
 * durable (sync, rename, sync the directory) is the committer's.
 */
#include "fs/part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/part_priv.h"
#include "fs/sandbox.h"
#include "fs/source.h"

enum {
	CLEAR_TRIES = 2,
	NS_PER_S = 1000000000,
};

/* f_type of the file systems that reserve a file's space in one step. */
static const uint32_t extent_fs[] = {
	0xef53,     /* ext4 (ext2 and ext3 say EOPNOTSUPP) */
	0x58465342, /* xfs */
	0x9123683e, /* btrfs */
	0xf2f52010, /* f2fs */
};

static int seed(struct part_names *names)
{
	ssize_t got;

	do {
		got = getrandom(&names->state, sizeof(names->state), 0);
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(names->state)) {
		if (got >= 0)
			errno = EIO;
		return -1;
	}
	names->seeded = 1;
	return 0;
}

/* One step of splitmix64 (Steele, Lea, Flood 2014): all 2^64 values in an
 * order that looks random. */
static uint64_t next_number(struct part_names *names)
{
	uint64_t z = names->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int next_name(struct part_names *names, char name[NAME_PART_MAX])
{
	if (!names->seeded && seed(names) < 0)
		return -1;
	part_tag_name(name, next_number(names), "part");
	return 0;
}

void part_tag_name(char name[NAME_PART_MAX], uint64_t tag, const char *suffix)
{
	snprintf(name, NAME_PART_MAX, ".ferry-%016" PRIx64 ".%s", tag, suffix);
}

/* Whether to go on with another name after this failure. */
static int is_name_taken(struct part_names *names)
{
	if (errno != EEXIST)
		return 0;
	/* Chance does not bring this about, so do not be predictable. */
	names->seeded = 0;
	return 1;
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

int part_create(struct part *p, struct part_names *names, int dir_fd,
		struct err *e)
{
	p->fd = -1;
	p->has_mode = 0;
	for (int i = 0; i < PART_NAME_TRIES; i++) {
		if (next_name(names, p->name) < 0)
			break;
		p->fd = part_open_new(dir_fd, p->name);
		if (p->fd >= 0)
			return 0;
		if (!is_name_taken(names))
			break;
	}
	p->name[0] = '\0';
	return err_sys(e, ERR_LOCAL, "create a temporary file");
}

/* Whether errno says that there are no files without a name here: old kernels
 * take the flag for that of a directory. */
static int lacks_hidden(void)
{
	return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT ||
	       errno == EINVAL || errno == ENOSYS;
}

int part_create_hidden(struct part *p, int dir_fd, uint32_t mode, int is_exact,
		       struct err *e)
{
	p->name[0] = '\0';
	p->has_mode = is_exact;
	do {
		p->fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
			       is_exact ? mode & 0777 : 0600);
	} while (p->fd < 0 && errno == EINTR);
	if (p->fd >= 0)
		return 0;
	if (lacks_hidden())
		return ERR_AGAIN;
	return err_sys(e, ERR_LOCAL, "create a temporary file");
}

int part_is_named(int dir_fd, const char *name, const struct stat *st)
{
	struct stat now;

	return fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

static int has_extents(const struct statfs *fs)
{
	for (size_t i = 0; i < sizeof(extent_fs) / sizeof(extent_fs[0]); i++) {
		if ((uint32_t)fs->f_type == extent_fs[i])
			return 1;
	}
	return 0;
}

/* The space there is for us; UINT64_MAX where the file system does not say
 * (all zero, as on an unlimited tmpfs). */
static uint64_t free_space(const struct statfs *fs)
{
	const uint64_t unit = (uint64_t)(fs->f_frsize > 0 ? fs->f_frsize
							  : fs->f_bsize);
	uint64_t bytes;

	if (fs->f_blocks == 0)
		return UINT64_MAX;
	if (__builtin_mul_overflow((uint64_t)fs->f_bavail, unit, &bytes))
		return UINT64_MAX;
	return bytes;
}

static int allocate(int fd, uint64_t size)
{
	int rc;

	do {
		rc = fallocate(fd, 0, 0, (off_t)size);
	} while (rc < 0 && errno == EINTR);
	return rc;
}

/* What a kept part occupies already need not be free. */
static uint64_t occupied(const struct part *p)
{
	struct stat st;

	return fstat(p->fd, &st) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

int part_reserve(struct part *p, uint64_t size, uint64_t *have, struct err *e)
{
	struct statfs fs;
	uint64_t own;

	*have = UINT64_MAX;
	if (size == 0)
		return 0;
	if (size > INT64_MAX) {
		errno = EFBIG;
		return err_sys(e, ERR_LOCAL, "reserve space");
	}
	if (fstatfs(p->fd, &fs) < 0)
		return err_sys(e, ERR_LOCAL, "ask for the free space");
	*have = free_space(&fs);
	if (has_extents(&fs)) {
		if (allocate(p->fd, size) == 0)
			return 0;
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return err_sys(e, ERR_LOCAL, "reserve space");
	}
	own = occupied(p);
	if (size <= own || size - own <= *have)
		return 0;
	errno = ENOSPC;
	return err_sys(e, ERR_LOCAL, "reserve space");
}

int part_write(struct part *p, const void *data, size_t n, uint64_t off,
	       struct err *e)
{
	if (io_pwrite(p->fd, data, n, off) < 0)
		return err_sys(e, ERR_LOCAL, "write");
	return 0;
}

int part_punch(struct part *p, uint64_t off, uint64_t count, struct err *e)
{
	static const char zeros[65536];
	int rc;

	do {
		rc = fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       (off_t)off, (off_t)count);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return err_sys(e, ERR_LOCAL, "make a hole");
	while (count > 0) {
		size_t n = count < sizeof(zeros) ? (size_t)count : sizeof(zeros);

		rc = part_write(p, zeros, n, off, e);
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

/* Access time now and modification time as given, for utimensat(). */
static int to_times(const struct file_meta *meta, struct timespec times[2],
		    struct err *e)
{
	const time_t s = (time_t)meta->mtime_s;

	/* UTIME_NOW and UTIME_OMIT are above, and so never what a peer says */
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

static int apply_meta(int fd, mode_t mode, int has_mode,
		      const struct file_meta *meta, struct err *e)
{
	struct timespec times[2];
	int rc = to_times(meta, times, e);

	if (rc < 0)
		return rc;
	if (!has_mode && fchmod(fd, mode) < 0)
		return err_sys(e, ERR_LOCAL, "set the mode");
	if (futimens(fd, times) < 0)
		return err_sys(e, ERR_LOCAL, "set the time");
	return 0;
}

int part_set_meta(struct part *p, const struct file_meta *meta, struct err *e)
{
	return apply_meta(p->fd, meta->mode & 0777, p->has_mode, meta, e);
}

int part_set_dir_meta(int dir_fd, const struct file_meta *meta, struct err *e)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return err_sys(e, ERR_LOCAL, "stat");
	return apply_meta(dir_fd,
			  (meta->mode & 0777) |
				  (st.st_mode & (S_ISGID | S_ISVTX)),
			  0, meta, e);
}

int part_sync(struct part *p, struct err *e)
{
	/* Never tried again: after an error the pages count as clean. */
	if (fdatasync(p->fd) < 0)
		return err_sys(e, ERR_LOCAL, "make durable");
	return 0;
}

/*
 * Without RENAME_NOREPLACE, a link refuses an existing name just as
 * atomically.  A death in between leaves both names, of one whole file.
 */
static int link_new(int dir_fd, const char *from, const char *to)
{
	if (linkat(dir_fd, from, dir_fd, to, 0) < 0)
		return -1;
	return unlinkat(dir_fd, from, 0);
}

static int rename_to(int dir_fd, const char *from, const char *final,
		     int replace, struct err *e)
{
	int rc;

	if (replace) {
		rc = renameat(dir_fd, from, dir_fd, final);
	} else {
		rc = renameat2(dir_fd, from, dir_fd, final, RENAME_NOREPLACE);
		if (rc < 0 && (errno == EINVAL || errno == ENOSYS))
			rc = link_new(dir_fd, from, final);
	}
	if (rc < 0)
		return err_sys(e, ERR_LOCAL, "rename to the final name");
	return 0;
}

/*
 * Give a file without a name one.  The first way is allowed only to some (root;
 * from Linux 6.10 on whoever opened it), the second needs /proc.
 */
static int link_fd(int fd, int dir_fd, const char *name)
{
	char path[40];

	if (linkat(fd, "", dir_fd, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOENT && errno != EPERM && errno != EACCES &&
	    errno != EINVAL)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW);
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits: for names of ours, where nothing hangs on
 * whether two are the same. */
static uint64_t name_tag(const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return h;
}

void part_new_name(char name[NAME_PART_MAX], const char *final)
{
	part_tag_name(name, name_tag(final), "new");
}

/* Whether a name of ours is free now: what a dead process left there was cleared
 * away.  A live one has its file locked; a link, which has names of its own, is
 * made again where it is taken away from a live one. */
static int is_left_over(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
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

/* What make() makes under a name of ours, with this tag or one of the next, is
 * renamed over final.  It is always the same one unless another is at it, so
 * that what a dead process left is cleared away by the next that comes this
 * way. */
static int make_and_replace(int dir_fd, const char *final, uint64_t tag,
			    int (*make)(const void *what, int dir_fd,
					const char *name),
			    const void *what)
{
	char name[NAME_PART_MAX];
	int rc = -1;

	for (int i = 0; i < PART_NAME_TRIES; i++) {
		part_tag_name(name, tag, "new");
		rc = make(what, dir_fd, name);
		if (rc < 0 && errno == EEXIST) {
			/* Two links do not fight for it for ever. */
			if (i >= CLEAR_TRIES || !is_left_over(dir_fd, name))
				tag++;
			errno = EEXIST;
			continue;
		}
		if (rc == 0)
			rc = renameat(dir_fd, name, dir_fd, final);
		if (rc == 0 || errno != ENOENT)
			break;
		/* A link, which another one cleared away. */
	}
	if (rc < 0 && errno != EEXIST) {
		int saved = errno;

		unlinkat(dir_fd, name, 0);
		errno = saved;
	}
	return rc;
}

static int make_link(const void *what, int dir_fd, const char *name)
{
	return link_fd(*(const int *)what, dir_fd, name);
}

static int link_hidden(int fd, int dir_fd, const char *final, int replace,
		       struct err *e)
{
	int rc = link_fd(fd, dir_fd, final);

	if (rc < 0 && errno == EEXIST && replace) {
		/* Nobody is to take it for a left-over. */
		(void)flock(fd, LOCK_EX | LOCK_NB);
		rc = make_and_replace(dir_fd, final, name_tag(final),
				      make_link, &fd);
	}
	if (rc < 0)
		return err_sys(e, ERR_LOCAL, "link to the final name");
	return 0;
}

int part_rename(const struct part *p, int dir_fd, const char *final,
		int replace, struct err *e)
{
	if (!p->name[0])
		return link_hidden(p->fd, dir_fd, final, replace, e);
	return rename_to(dir_fd, p->name, final, replace, e);
}

int part_settle(const struct part *p, struct err *e)
{
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
	/* First, while it is locked: then the name is ours. */
	if (p->name[0] != '\0')
		unlinkat(dir_fd, p->name, 0);
	p->name[0] = '\0';
	io_close(&p->fd);
}

/* A link cannot be opened but as a path, whose time can be set since Linux
 * 5.8; the sandbox allows no other way. */
static int set_link_time(int dir_fd, const char *name,
			 const struct timespec times[2])
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? -1 :
			  utimensat(fd, sandbox_empty_path, times,
				    AT_EMPTY_PATH);
	int saved;

	if (rc < 0 && errno == EINVAL)
		rc = utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW);
	if (rc < 0 && (errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP))
		rc = 0;
	saved = errno;
	io_close(&fd);
	errno = saved;
	return rc;
}

struct symlink {
	const char *target;
	struct timespec times[2];
};

static int make_symlink(const void *what, int dir_fd, const char *name)
{
	const struct symlink *l = what;
	int rc = symlinkat(l->target, dir_fd, name);

	return rc < 0 ? rc : set_link_time(dir_fd, name, l->times);
}

int part_symlink(int dir_fd, const char *final, const char *target,
		 const struct file_meta *meta, int replace, struct err *e)
{
	struct symlink l = { .target = target };
	int rc = to_times(meta, l.times, e);

	if (rc < 0)
		return rc;
	/* It is whole at once: no other name is needed for that. */
	rc = make_symlink(&l, dir_fd, final);
	if (rc < 0 && errno == EEXIST && replace)
		rc = make_and_replace(dir_fd, final, ~name_tag(final),
				      make_symlink, &l);
	if (rc < 0)
		return err_sys(e, ERR_LOCAL, "make the symlink");
	return 0;
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
