/*
 * The renameat() of POSIX has no flags.
 */
#include "os/rename_flags.h"

#include <errno.h>

int rename_flags_new(int dir_fd, const char *from, const char *to)
{
	(void)dir_fd;
	(void)from;
	(void)to;
	errno = ENOSYS;
	return -1;
}

int rename_flags_exchange(int dir_fd, const char *a, const char *b)
{
	return rename_flags_new(dir_fd, a, b);
}
