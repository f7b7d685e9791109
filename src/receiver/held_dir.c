/*
 * Shared descriptors of directories.
 */
#include "receiver/held_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/io.h"
#include "os/xattr.h"

struct held_dir {
	atomic_uint refs;
	int fd;
	int is_root_fs;
	int is_exact;
	atomic_int exchanges;
};

struct held_dir *held_dir_new(int fd, uint64_t root_dev)
{
	struct held_dir *d = calloc(1, sizeof(*d));
	struct stat st;

	if (!d)
		return NULL;
	atomic_init(&d->refs, 1);
	/* 3: never one of the standard descriptors. */
	d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (d->fd < 0 || fstat(d->fd, &st)) {
		held_dir_unref(d);
		return NULL;
	}
	d->is_root_fs = (uint64_t)st.st_dev == root_dev;
	/* The directory has no default ACL, or the file system has none. */
	d->is_exact = xattr_get(d->fd, "system.posix_acl_default", NULL, 0) < 0 &&
		      xattr_is_none(errno);
	return d;
}

struct held_dir *held_dir_ref(struct held_dir *d)
{
	atomic_fetch_add(&d->refs, 1);
	return d;
}

void held_dir_unref(struct held_dir *d)
{
	int saved = errno;

	if (d && atomic_fetch_sub(&d->refs, 1) == 1) {
		io_close(&d->fd);
		free(d);
	}
	errno = saved;
}

int held_dir_fd(const struct held_dir *d)
{
	return d->fd;
}

int held_dir_is_root_fs(const struct held_dir *d)
{
	return d->is_root_fs;
}

atomic_int *held_dir_exchanges(struct held_dir *d)
{
	return &d->exchanges;
}

int held_dir_is_exact(const struct held_dir *d)
{
	return d->is_exact;
}
