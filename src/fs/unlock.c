/*
 * Modes of directories.  By descriptor, as the sandbox allows no paths.
 */
#include "fs/unlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/attr_helper.h"
#include "fs/user.h"
#include "os/path_fd.h"

enum { OWNER = 0700 };

/* chmod() by a user who is not in the directory's group clears the set-gid bit,
 * which could not be restored. */
static int keeps_setgid(const struct stat *st)
{
	return !(st->st_mode & S_ISGID) || user_has_group(st->st_gid);
}

/* attrs: see unlock_dir(); fd is of os/path_fd.h if is_path. */
static int unlock(int fd, int is_path, struct attr_helper *attrs,
		  struct unlock *was)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid())
		return -1;
	if ((st.st_mode & OWNER) == OWNER)
		return 0;
	if (!keeps_setgid(&st))
		return -1;
	was->dev = (uint64_t)st.st_dev;
	was->ino = (uint64_t)st.st_ino;
	was->mode = st.st_mode & 07777;
	if (is_path)
		return path_fd_chmod(fd, was->mode | OWNER) < 0 ? -1 : 1;
	return attr_helper_chmod_dir(attrs, fd, was->mode | OWNER) < 0 ? -1 : 1;
}

int unlock_dir(int fd, struct attr_helper *attrs, struct unlock *was)
{
	return unlock(fd, 0, attrs, was);
}

int unlock_closed_dir(int path_fd, struct unlock *was)
{
	return unlock(path_fd, 1, NULL, was);
}

int unlock_restore(int fd, struct attr_helper *attrs,
		   const struct unlock *was)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if ((uint64_t)st.st_dev != was->dev ||
	    (uint64_t)st.st_ino != was->ino ||
	    (st.st_mode & 07777) != (was->mode | OWNER))
		return 0;
	return attr_helper_chmod_dir(attrs, fd, was->mode);
}
