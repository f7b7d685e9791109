/*
 * POSIX has no time of creation.
 */
#include "os/times.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { NS_PER_S = 1000000000, TICK_NS = 10000000 };

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
	/* Timestamps may be those of the last tick, of which some systems have
	 * 100 a second. */
	now->tv_nsec -= TICK_NS;
	if (now->tv_nsec < 0) {
		now->tv_nsec += NS_PER_S;
		now->tv_sec--;
	}
}
