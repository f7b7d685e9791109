/*
 * cond.h - waiting on a condition for some time (Linux: by the monotonic clock;
 * POSIX: by the wall clock, whose steps may end a wait, or prolong it to a
 * second, as not all systems can choose the clock).
 *
 * Layer: os.  Uses base/clock.h.
 * Threads: any.
 */
#ifndef FERRY_OS_COND_H
#define FERRY_OS_COND_H

#include <pthread.h>

/* Initialise a condition variable for cond_wait().  The caller destroys it with
 * pthread_cond_destroy(). */
void cond_init(pthread_cond_t *cond);

/* As pthread_cond_wait(), for ms milliseconds at most; the caller checks its
 * condition and its time again in any case. */
void cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms);

#endif
