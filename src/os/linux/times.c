/*
 * statx().
 */
#define _GNU_SOURCE 1
#include "os/times.h"

#include <fcntl.h>
#include <sys/stat.h>

static int birth_of(int fd, const char *name, int flags,
		    struct timespec *birth_out, uint32_t *mode_out)
{
	const unsigned wanted = STATX_BTIME | STATX_TYPE | STATX_MODE;
	struct statx sx = { 0 };
	const int rc = statx(fd, name, flags, wanted, &sx);

	*mode_out = sx.stx_mode;
	if (rc < 0 || !(sx.stx_mask & STATX_BTIME))
		return -1;
	birth_out->tv_sec = (time_t)sx.stx_btime.tv_sec;
	birth_out->tv_nsec = (long)sx.stx_btime.tv_nsec;
	return 0;
}

int times_of_birth(int fd, struct timespec *birth_out, uint32_t *mode_out)
{
	return birth_of(fd, "", AT_EMPTY_PATH, birth_out, mode_out);
}

int times_of_entry(int dir_fd, const char *name, struct timespec *birth_out,
		   uint32_t *mode_out)
{
	return birth_of(dir_fd, name, AT_SYMLINK_NOFOLLOW, birth_out, mode_out);
}

void times_now(struct timespec *now)
{
	/* Timestamps are those of the last tick. */
	(void)clock_gettime(CLOCK_REALTIME_COARSE, now);
}
