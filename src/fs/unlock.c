/*
 * Modes of directories.  By descriptor, as the sandbox allows no paths.
 */
#include "fs/unlock.h"

#include <sys/stat.h>
#include <unistd.h>

enum { OWNER = 0700, GROUPS_MAX = 1024 };

/* chmod() by a user who is not in the directory's group clears the set-gid bit,
 * which could not be restored. */
static int keeps_setgid(const struct stat *st)
{
	gid_t groups[GROUPS_MAX];
	const int n = getgroups(GROUPS_MAX, groups);

	if (!(st->st_mode & S_ISGID) || st->st_gid == getegid())
		return 1;
	for (int i = 0; i < n; i++) {
		if (groups[i] == st->st_gid)
			return 1;
	}
	return 0;
}

int unlock_dir(int fd, struct unlock *was)
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
	return fchmod(fd, was->mode | OWNER) < 0 ? -1 : 1;
}

int unlock_restore(int fd, const struct unlock *was)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if ((uint64_t)st.st_dev != was->dev ||
	    (uint64_t)st.st_ino != was->ino ||
	    (st.st_mode & 07777) != (was->mode | OWNER))
		return 0;
	return fchmod(fd, was->mode);
}
