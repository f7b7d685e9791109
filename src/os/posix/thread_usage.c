/*
 * POSIX does not tell how often a thread was preempted.
 */
#include "os/thread_usage.h"

int thread_usage_get(struct thread_usage *u)
{
	(void)u;
	return -1;
}
