/*
 * thread_usage.h - what a thread has had of the processors (Linux:
 * getrusage()).
 *
 * Layer: os.
 * Threads: any; each asks for itself.
 */
#ifndef FERRY_OS_THREAD_USAGE_H
#define FERRY_OS_THREAD_USAGE_H

#include <stdint.h>

struct thread_usage {
	uint64_t cpu_ns;
	uint64_t preemptions; /* how often another thread took its processor */
};

/* What the calling thread has had since it began.  Returns 0, or -1 where the
 * system does not tell. */
int thread_usage_get(struct thread_usage *u);

#endif
