/*
 * POSIX has no types of file systems.
 */
#include "os/kernel_fs.h"

int kernel_fs_has(int fd)
{
	(void)fd;
	return 0;
}
