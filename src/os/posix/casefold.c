/*
 * POSIX has no such attribute.
 */
#include "os/casefold.h"

int casefold_is_set(int fd)
{
	(void)fd;
	return 0;
}
