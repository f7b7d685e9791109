/*
 * By flags, and what is done where the file system has none.
 */
#include "os/rename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/rename_flags.h"

int rename_is_unsupported(int error)
{
	return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

int rename_link_is_unsupported(int error)
{
	/* EPERM: the file system has no hard links, or the kernel does not
	 * allow one to this file (protected_hardlinks).  EMLINK: FAT drivers
	 * say that a file may have one name. */
	return error == EPERM || error == EMLINK || rename_is_unsupported(error);
}

/* link() fails just as atomically where the name exists.  A process killed
 * between the two calls leaves the file, which is complete, with both names. */
static int link_and_unlink(int dir_fd, const char *from, const char *to)
{
	if (linkat(dir_fd, from, dir_fd, to, 0) < 0)
		return -1;
	return unlinkat(dir_fd, from, 0);
}

/* Whether name is still the empty file that *st describes. */
static int is_reserved(int dir_fd, const char *name, const struct stat *st)
{
	struct stat now;

	return fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(now.st_mode) && now.st_size == 0 &&
	       now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

/*
 * Take the name with an empty file, which fails where it exists, and rename
 * over that.  Whoever looks in between sees the empty file, and a process
 * killed there leaves it; what another process renames to the name between the
 * last look and the renaming is lost.
 */
static int reserve_and_rename(int dir_fd, const char *from, const char *to)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir_fd, to, flags, 0600), rc = -1, saved;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0) {
		errno = EEXIST;
		if (is_reserved(dir_fd, to, &st))
			rc = renameat(dir_fd, from, dir_fd, to);
		saved = errno;
		if (rc < 0 && is_reserved(dir_fd, to, &st))
			unlinkat(dir_fd, to, 0);
		errno = saved;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

int rename_new(int dir_fd, const char *from, const char *to)
{
	int rc = rename_flags_new(dir_fd, from, to);

	if (rc < 0 && rename_is_unsupported(errno))
		rc = link_and_unlink(dir_fd, from, to);
	if (rc < 0 && rename_link_is_unsupported(errno))
		rc = reserve_and_rename(dir_fd, from, to);
	return rc;
}

int rename_exchange(int dir_fd, const char *a, const char *b)
{
	return rename_flags_exchange(dir_fd, a, b);
}
