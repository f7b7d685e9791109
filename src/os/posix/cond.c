/*
 * The wall clock, for a second at a time.
 */
#include "os/cond.h"

#include <time.h>

enum { MOST_MS = 1000 };

void cond_init(pthread_cond_t *cond)
{
	pthread_cond_init(cond, NULL);
}

void cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms)
{
	struct timespec until;

	if (ms > MOST_MS)
		ms = MOST_MS;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += (time_t)(ms / 1000 + (unsigned)(until.tv_nsec >= 1000000000));
	until.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(cond, lock, &until);
}
