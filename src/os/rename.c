/*
 * renameat2() with RENAME_NOREPLACE and RENAME_EXCHANGE.
 */
#include "os/rename.h"

#include <errno.h>
#include <stdio.h>

int rename_new(int dir_fd, const char *from, const char *to)
{
	return renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE);
}

int rename_exchange(int dir_fd, const char *a, const char *b)
{
	return renameat2(dir_fd, a, dir_fd, b, RENAME_EXCHANGE);
}

int rename_is_unsupported(int error)
{
	return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}
