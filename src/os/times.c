/*
 * statx().
 */
#include "os/times.h"

#include <fcntl.h>
#include <sys/stat.h>

int times_of_birth(int fd, struct timespec *birth_out, uint32_t *mode_out)
{
	const unsigned wanted = STATX_BTIME | STATX_TYPE | STATX_MODE;
	struct statx sx = { 0 };
	const int rc = statx(fd, "", AT_EMPTY_PATH, wanted, &sx);

	*mode_out = sx.stx_mode;
	if (rc < 0 || !(sx.stx_mask & STATX_BTIME))
		return -1;
	birth_out->tv_sec = (time_t)sx.stx_btime.tv_sec;
	birth_out->tv_nsec = (long)sx.stx_btime.tv_nsec;
	return 0;
}
