/*
 * rate_limit.h - a limit on bytes a second, shared by streams.
 *
 * Layer: session.  Uses base.
 * Threads: any number may take from one struct rate_limit.
 */
#ifndef FERRY_SESSION_RATE_LIMIT_H
#define FERRY_SESSION_RATE_LIMIT_H

#include <pthread.h>
#include <stdint.h>

struct rate_limit {
	pthread_mutex_t lock;
	uint64_t rate;    /* bytes a second; 0: no limit */
	uint64_t free_ns; /* when the next byte may go (clock_ns()) */
};

int rate_limit_init(struct rate_limit *p, uint64_t rate);
void rate_limit_release(struct rate_limit *p);

/*
 * Take n bytes: says how many milliseconds the caller has to wait before it
 * sends them (0: none).  Bytes are booked at once, so callers take turns.  A
 * pause saves up at most a tenth of a second.
 */
unsigned rate_limit_take(struct rate_limit *p, uint64_t n);

#endif
