/*
 * The inode flag FS_CASEFOLD_FL.
 */
#define _GNU_SOURCE 1
#include "os/casefold.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

int casefold_is_set(int fd)
{
	int flags = 0;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
	       (flags & FS_CASEFOLD_FL) != 0;
}
