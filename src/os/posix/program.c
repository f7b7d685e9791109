/*
 * POSIX cannot tell which file a process runs.
 */
#include "os/program.h"

#include <errno.h>

int program_map(const void **data, size_t *size)
{
	(void)data;
	(void)size;
	errno = ENOSYS;
	return -1;
}

void program_unmap(const void *data, size_t size)
{
	(void)data;
	(void)size;
}
