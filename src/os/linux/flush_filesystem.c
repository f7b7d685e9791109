/*
 * syncfs().
 */
#define _GNU_SOURCE 1
#include <unistd.h>

#include "os/flush.h"

int flush_filesystem(int fd)
{
	return syncfs(fd);
}

int flush_filesystem_is_sure(void)
{
	return 1;
}
