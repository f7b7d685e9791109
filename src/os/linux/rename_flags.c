/*
 * RENAME_NOREPLACE and RENAME_EXCHANGE.
 */
#define _GNU_SOURCE 1
#include "os/rename_flags.h"

#include <stdio.h>

int rename_flags_new(int dir_fd, const char *from, const char *to)
{
	return renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE);
}

int rename_flags_exchange(int dir_fd, const char *a, const char *b)
{
	return renameat2(dir_fd, a, dir_fd, b, RENAME_EXCHANGE);
}
