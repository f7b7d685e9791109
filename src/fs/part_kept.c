/*
 * Kept parts: found again by their names, and locked by whoever has them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/part_priv.h"

/* The lock belongs to the open file description: it goes with the last
 * descriptor of it, and does not keep our own threads apart.  Of flock()'s kind,
 * which also those can have that may only be read. */
static int lock_whole(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int may_be_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid();
}

int part_is_ours(const struct stat *st)
{
	return may_be_ours(st) && st->st_nlink == 1 &&
	       (st->st_mode & 07777) == 0600;
}

/* What cannot be used is removed.  -1 with errno, ENOENT for success. */
static int clear_away(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0)
		errno = ENOENT;
	return -1;
}

int part_is_keepable(uint32_t mode)
{
	return mode & 0600 || geteuid() == 0;
}

/* Open what may be a part that has got its final mode already. */
static int open_any(int dir_fd, const char *name)
{
	static const int ways[] = { O_RDWR, O_RDONLY, O_WRONLY };
	int fd = -1;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		fd = openat(dir_fd, name,
			    ways[i] | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 || errno != EACCES)
			break;
	}
	return fd;
}

/* The file is open, and may be ours: as take_over(). */
static int lock_ours(int fd, int dir_fd, const char *name, int of_any_mode)
{
	struct stat st;

	/* First of all, as one that is about to be committed has other modes
	 * than those we leave. */
	if (lock_whole(fd) < 0) {
		/* A file system without locks has no kept parts; NFS (EBADF)
		 * has none for what may only be read. */
		return errno == EAGAIN || errno == EACCES || errno == EBADF ?
			       ERR_AGAIN :
			       -1;
	}
	if (fstat(fd, &st) < 0)
		return -1;
	if (!part_is_named(dir_fd, name, &st)) {
		/* Committed or removed while we looked. */
		errno = ENOENT;
		return -1;
	}
	return of_any_mode || part_is_ours(&st) ? fd :
						  clear_away(dir_fd, name);
}

/* What is there under the name: a descriptor, locked; ERR_AGAIN when somebody
 * else has it; -1 with errno (ENOENT: nothing that could be used, any more). */
static int take_over(int dir_fd, const char *name, int of_any_mode)
{
	int fd = open_any(dir_fd, name), rc, saved;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return -1;
	/* It may be one that is about to be committed, and which not even we
	 * may open. */
	if (fd < 0 && errno == EACCES &&
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    may_be_ours(&st))
		return ERR_AGAIN;
	if (fd < 0 || fstat(fd, &st) < 0 || !may_be_ours(&st)) {
		io_close(&fd);
		return clear_away(dir_fd, name);
	}
	rc = lock_ours(fd, dir_fd, name, of_any_mode);
	if (rc >= 0)
		return rc;
	saved = errno;
	io_close(&fd);
	errno = saved;
	return rc;
}

static int create_kept(int dir_fd, const char *name)
{
	int fd = part_open_new(dir_fd, name), saved;

	if (fd < 0 || lock_whole(fd) == 0)
		return fd;
	saved = errno;
	io_close(&fd);
	if (saved == EAGAIN || saved == EACCES) {
		/* Another one was faster, and it is his now. */
		errno = EEXIST;
		return -1;
	}
	unlinkat(dir_fd, name, 0);
	errno = saved;
	return -1;
}

int part_open_kept(struct part *p, int dir_fd, uint64_t tag, int *was_there,
		   struct err *e)
{
	p->fd = -1;
	p->has_mode = 0;
	part_tag_name(p->name, tag, "part");
	for (int i = 0; i < PART_NAME_TRIES; i++) {
		*was_there = 1;
		p->fd = take_over(dir_fd, p->name, 0);
		if (p->fd >= 0)
			return 0;
		if (p->fd == ERR_AGAIN)
			break;
		if (errno != ENOENT)
			break;
		*was_there = 0;
		p->fd = create_kept(dir_fd, p->name);
		if (p->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	p->name[0] = '\0';
	if (p->fd == ERR_AGAIN) {
		p->fd = -1;
		return ERR_AGAIN;
	}
	return err_sys(e, ERR_LOCAL, "create a temporary file");
}

int part_take_kept(struct part *p, int dir_fd, uint64_t tag, int *was_there)
{
	p->has_mode = 0;
	part_tag_name(p->name, tag, "part");
	p->fd = take_over(dir_fd, p->name, 1);
	*was_there = p->fd >= 0 || errno != ENOENT;
	if (p->fd >= 0)
		return 0;
	p->name[0] = '\0';
	p->fd = -1;
	return -1;
}
