/*
 * getrusage() of a thread.
 */
#define _GNU_SOURCE 1
#include "os/thread_usage.h"

#include <sys/resource.h>

static uint64_t nanoseconds(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000 +
	       (uint64_t)tv->tv_usec * 1000;
}

int thread_usage_get(struct thread_usage *u)
{
	struct rusage used;

	if (getrusage(RUSAGE_THREAD, &used))
		return -1;
	u->cpu_ns = nanoseconds(&used.ru_utime) + nanoseconds(&used.ru_stime);
	u->preemptions = (uint64_t)used.ru_nivcsw;
	return 0;
}
