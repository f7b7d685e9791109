/*
 * lseek() alone: which file systems have to be tried, POSIX cannot tell.
 */
#include "os/size_limit.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

int size_limit_check(int fd, uint64_t size)
{
	if (size <= INT64_MAX &&
	    (lseek(fd, (off_t)size, SEEK_SET) >= 0 || errno != EINVAL))
		return 0;
	errno = EFBIG;
	return -1;
}
