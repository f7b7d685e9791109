/*
 * statx().
 */
#define _GNU_SOURCE 1
#include "os/identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void set_time(struct timespec *t, const struct statx_timestamp *from)
{
	t->tv_sec = (time_t)from->tv_sec;
	t->tv_nsec = (long)from->tv_nsec;
}

static void set_identity(struct identity *id, const struct statx *sx)
{
	memset(id, 0, sizeof(*id));
	id->dev = makedev(sx->stx_dev_major, sx->stx_dev_minor);
	id->inode = sx->stx_ino;
	if (sx->stx_mask & STATX_BTIME) {
		set_time(&id->time, &sx->stx_btime);
	} else if (S_ISREG(sx->stx_mode)) {
		set_time(&id->time, &sx->stx_mtime);
		id->size = sx->stx_size;
	}
}

static void set_stat(struct stat *st, const struct statx *sx)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = makedev(sx->stx_dev_major, sx->stx_dev_minor);
	st->st_ino = sx->stx_ino;
	st->st_mode = sx->stx_mode;
	st->st_nlink = sx->stx_nlink;
	st->st_uid = sx->stx_uid;
	st->st_gid = sx->stx_gid;
	st->st_rdev = makedev(sx->stx_rdev_major, sx->stx_rdev_minor);
	st->st_size = (off_t)sx->stx_size;
	st->st_blksize = (blksize_t)sx->stx_blksize;
	st->st_blocks = (blkcnt_t)sx->stx_blocks;
	set_time(&st->st_atim, &sx->stx_atime);
	set_time(&st->st_mtim, &sx->stx_mtime);
	set_time(&st->st_ctim, &sx->stx_ctime);
}

static int look(int fd, const char *name, int flags, struct identity *id,
		struct stat *st)
{
	const unsigned wanted = STATX_BASIC_STATS | STATX_BTIME;
	struct statx sx;

	if (statx(fd, name, flags, wanted, &sx) < 0)
		return -1;
	set_identity(id, &sx);
	set_stat(st, &sx);
	return 0;
}

int identity_of(int fd, struct identity *id, struct stat *st)
{
	return look(fd, "", AT_EMPTY_PATH, id, st);
}

int identity_of_entry(int dir_fd, const char *name, struct identity *id,
		      struct stat *st)
{
	return look(dir_fd, name, AT_SYMLINK_NOFOLLOW, id, st);
}
