/*
 * sync(), of all file systems.
 */
#include <unistd.h>

#include "os/flush.h"

int flush_filesystem(int fd)
{
	(void)fd;
	sync();
	return 0;
}

int flush_filesystem_is_sure(void)
{
	return 0;
}
