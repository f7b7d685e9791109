/*
 * POSIX has no extended attributes.
 */
#include "os/attr_names.h"

#include <errno.h>

ssize_t attr_names_of_entry(int dir_fd, const char *name, int follow, char *list,
			    size_t size)
{
	(void)dir_fd;
	(void)name;
	(void)follow;
	(void)list;
	(void)size;
	errno = EOPNOTSUPP;
	return -1;
}
