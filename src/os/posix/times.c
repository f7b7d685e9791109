/*
 * POSIX has no time of creation.
 */
#include "os/times.h"

#include <fcntl.h>
#include <sys/stat.h>

int times_of_birth(int fd, struct timespec *birth_out, uint32_t *mode_out)
{
	struct stat st;

	(void)birth_out;
	*mode_out = fstat(fd, &st) == 0 ? st.st_mode : 0;
	return -1;
}

int times_of_entry(int dir_fd, const char *name, struct timespec *birth_out,
		   uint32_t *mode_out)
{
	struct stat st;

	(void)birth_out;
	*mode_out = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
			    ? st.st_mode
			    : 0;
	return -1;
}

void times_now(struct timespec *now)
{
	(void)clock_gettime(CLOCK_REALTIME, now);
}
