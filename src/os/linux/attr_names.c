/*
 * listxattrat(), which Linux has since 6.13; before, llistxattr() of a path
 * that begins with the directory's descriptor in /proc.
 */
#define _GNU_SOURCE 1
#include "os/attr_names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Missing in older headers; the same number on every architecture. */
enum { CALL_LISTXATTRAT = 465 };

ssize_t attr_names_of_entry(int dir_fd, const char *name, int follow, char *list,
			    size_t size)
{
	char path[NAME_MAX + 32];
	ssize_t n = syscall(CALL_LISTXATTRAT, dir_fd, name,
			    follow ? 0 : AT_SYMLINK_NOFOLLOW, list, size);
	int len;

	if (n >= 0 || errno != ENOSYS)
		return n;
	len = snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return follow ? listxattr(path, list, size) :
			llistxattr(path, list, size);
}
