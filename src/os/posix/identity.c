/*
 * POSIX has no time of creation.
 */
#include "os/identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void set_identity(struct identity *id, const struct stat *st)
{
	memset(id, 0, sizeof(*id));
	id->dev = (uint64_t)st->st_dev;
	id->inode = (uint64_t)st->st_ino;
	if (S_ISREG(st->st_mode)) {
		id->time = st->st_mtim;
		id->size = (uint64_t)st->st_size;
	}
}

int identity_of(int fd, struct identity *id, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return -1;
	set_identity(id, st);
	return 0;
}

int identity_of_entry(int dir_fd, const char *name, struct identity *id,
		      struct stat *st)
{
	if (fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	set_identity(id, st);
	return 0;
}
