/*
 * Part files: create, fill, finish, rename.  Small files come through here by
 * the million, so each step is one system call; the order that makes them
 * durable (sync, rename, sync the directory) is the committer's.
 */
#include "fs/part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/sandbox.h"
#include "fs/source.h"

enum {
	NAME_TRIES = 32,
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
	snprintf(name, NAME_PART_MAX, ".ferry-%016" PRIx64 ".part",
		 next_number(names));
	return 0;
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

static int open_new(int dir_fd, const char *name)
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
	for (int i = 0; i < NAME_TRIES; i++) {
		if (next_name(names, p->name) < 0)
			break;
		p->fd = open_new(dir_fd, p->name);
		if (p->fd >= 0)
			return 0;
		if (!is_name_taken(names))
			break;
	}
	p->name[0] = '\0';
	return err_sys(e, ERR_LOCAL, "create a temporary file");
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

int part_reserve(struct part *p, uint64_t size, uint64_t *have, struct err *e)
{
	struct statfs fs;

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
	if (size <= *have)
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

static int apply_meta(int fd, mode_t mode, const struct file_meta *meta,
		      struct err *e)
{
	struct timespec times[2];
	int rc = to_times(meta, times, e);

	if (rc < 0)
		return rc;
	if (fchmod(fd, mode) < 0)
		return err_sys(e, ERR_LOCAL, "set the mode");
	if (futimens(fd, times) < 0)
		return err_sys(e, ERR_LOCAL, "set the time");
	return 0;
}

int part_set_meta(struct part *p, const struct file_meta *meta, struct err *e)
{
	return apply_meta(p->fd, meta->mode & 0777, meta, e);
}

int part_set_dir_meta(int dir_fd, const struct file_meta *meta, struct err *e)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return err_sys(e, ERR_LOCAL, "stat");
	return apply_meta(dir_fd,
			  (meta->mode & 0777) |
				  (st.st_mode & (S_ISGID | S_ISVTX)),
			  meta, e);
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

int part_rename(const struct part *p, int dir_fd, const char *final,
		int replace, struct err *e)
{
	return rename_to(dir_fd, p->name, final, replace, e);
}

int part_close(struct part *p, struct err *e)
{
	if (io_close(&p->fd) < 0)
		return err_sys(e, ERR_LOCAL, "close");
	return 0;
}

void part_discard(struct part *p, int dir_fd)
{
	io_close(&p->fd);
	if (p->name[0] != '\0')
		unlinkat(dir_fd, p->name, 0);
	p->name[0] = '\0';
}

/* A symlink under a new name of ours. */
static int link_temporary(struct part_names *names, int dir_fd,
			  const char *target, char name[NAME_PART_MAX])
{
	for (int i = 0; i < NAME_TRIES; i++) {
		if (next_name(names, name) < 0)
			return -1;
		if (symlinkat(target, dir_fd, name) == 0)
			return 0;
		if (!is_name_taken(names))
			return -1;
	}
	return -1;
}

/* A link cannot be opened but as a path, whose time can be set since Linux
 * 5.8; the sandbox allows no other way. */
static int set_link_time(int dir_fd, const char *name,
			 const struct timespec times[2], struct err *e)
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? -1 :
			  utimensat(fd, sandbox_empty_path, times,
				    AT_EMPTY_PATH);

	if (rc < 0 && errno == EINVAL)
		rc = utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW);
	if (rc < 0 && errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP)
		err_sys(e, ERR_LOCAL, "set the time");
	else
		rc = 0;
	io_close(&fd);
	return rc < 0 ? e->code : 0;
}

int part_symlink(struct part_names *names, int dir_fd, const char *final,
		 const char *target, const struct file_meta *meta, int replace,
		 struct err *e)
{
	char name[NAME_PART_MAX];
	struct timespec times[2];
	int rc = to_times(meta, times, e);

	if (rc < 0)
		return rc;
	if (link_temporary(names, dir_fd, target, name) < 0)
		return err_sys(e, ERR_LOCAL, "make the symlink");
	rc = set_link_time(dir_fd, name, times, e);
	if (rc == 0)
		rc = rename_to(dir_fd, name, final, replace, e);
	if (rc < 0)
		unlinkat(dir_fd, name, 0);
	return rc;
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
