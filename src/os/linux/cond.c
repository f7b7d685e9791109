/*
 * pthread_condattr_setclock().
 */
#define _GNU_SOURCE 1
#include "os/cond.h"

#include <stdint.h>
#include <time.h>

#include "base/clock.h"

void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	/* The default clock is CLOCK_REALTIME: a step of the wall clock would
	 * end or prolong a wait. */
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

void cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms)
{
	const uint64_t until_ns = clock_ns() + (uint64_t)ms * 1000000u;
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / 1000000000u),
		.tv_nsec = (long)(until_ns % 1000000000u),
	};

	(void)pthread_cond_timedwait(cond, lock, &until);
}
