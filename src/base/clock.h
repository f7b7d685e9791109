/*
 * clock.h - time that only goes forward.
 *
 * Layer: base.  Thread-safe.  Steps of the wall clock have no effect.
 */
#ifndef FERRY_BASE_CLOCK_H
#define FERRY_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>

/* Milliseconds and nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_ms(void);
uint64_t clock_ns(void);

/* Milliseconds from now until the deadline (clock_ms()), 0 when it passed,
 * at most INT_MAX: fit for poll(2). */
int clock_left_ms(uint64_t deadline_ms);

/* A condition variable for clock_cond_wait(); pthread_cond_destroy() ends it. */
void clock_cond_init(pthread_cond_t *cond);

/* As pthread_cond_wait(), but for ms milliseconds at most. */
void clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms);

#endif
