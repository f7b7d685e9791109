/*
 * The calls of xattr(7).
 */
#define _GNU_SOURCE 1
#include "os/xattr.h"

#include <errno.h>
#include <sys/xattr.h>

int xattr_is_known(void)
{
	return 1;
}

ssize_t xattr_list(int fd, char *list, size_t size)
{
	return flistxattr(fd, list, size);
}

ssize_t xattr_get(int fd, const char *name, void *value, size_t size)
{
	return fgetxattr(fd, name, value, size);
}

int xattr_set(int fd, const char *name, const void *value, size_t size)
{
	return fsetxattr(fd, name, value, size, 0);
}

int xattr_remove(int fd, const char *name)
{
	return fremovexattr(fd, name);
}

int xattr_is_none(int error)
{
	return error == ENODATA || error == EOPNOTSUPP;
}
