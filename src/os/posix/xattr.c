/*
 * POSIX has no extended attributes.
 */
#include "os/xattr.h"

#include <errno.h>

int xattr_is_known(void)
{
	return 0;
}

ssize_t xattr_list(int fd, char *list, size_t size)
{
	(void)fd;
	(void)list;
	(void)size;
	errno = EOPNOTSUPP;
	return -1;
}

ssize_t xattr_get(int fd, const char *name, void *value, size_t size)
{
	(void)name;
	return xattr_list(fd, value, size);
}

int xattr_set(int fd, const char *name, const void *value, size_t size)
{
	(void)value;
	return xattr_get(fd, name, NULL, size) < 0 ? -1 : 0;
}

int xattr_remove(int fd, const char *name)
{
	return xattr_set(fd, name, NULL, 0);
}

int xattr_is_none(int error)
{
	return error == EOPNOTSUPP;
}
