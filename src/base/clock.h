/*
 * clock.h - the monotonic clock, which changes of the wall clock do not affect.
 *
 * Layer: base.
 * Threads: any.
 */
#ifndef FERRY_BASE_CLOCK_H
#define FERRY_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds and nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_ms(void);
uint64_t clock_ns(void);

/* Milliseconds from now until deadline_ms (of clock_ms()): 0 when it has
 * passed, at most INT_MAX, as poll(2) takes them. */
int clock_left_ms(uint64_t deadline_ms);

#endif
