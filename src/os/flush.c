/*
 * fdatasync() and fsync().
 */
#include "os/flush.h"

#include <errno.h>
#include <unistd.h>

int flush_data(int fd)
{
	return fdatasync(fd);
}

int flush_all(int fd)
{
	return fsync(fd);
}

int flush_is_unsupported(int error)
{
	return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}
