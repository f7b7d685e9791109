/*
 * pace.h - a limit on bytes a second, shared by streams.
 *
 * Layer: session.  Uses base.
 * Threads: any number may take from one struct pace.
 */
#ifndef FERRY_SESSION_PACE_H
#define FERRY_SESSION_PACE_H

#include <pthread.h>
#include <stdint.h>

struct pace {
	pthread_mutex_t lock;
	uint64_t rate;    /* bytes a second; 0: no limit */
	uint64_t free_ns; /* when the next byte may go (clock_ns()) */
};

int pace_init(struct pace *p, uint64_t rate);
void pace_release(struct pace *p);

/*
 * Take n bytes: says how many milliseconds the caller has to wait before it
 * sends them (0: none).  Bytes are booked at once, so callers take turns.  A
 * pause saves up at most a tenth of a second.
 */
unsigned pace_take(struct pace *p, uint64_t n);

#endif
