/*
 * POSIX has no such attributes.
 */
#include "os/protection.h"

int protection_is_set(int dir_fd, const char *name)
{
	(void)dir_fd;
	(void)name;
	return 0;
}
