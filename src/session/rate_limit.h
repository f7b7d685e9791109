/*
 * rate_limit.h - a limit on bytes per second, shared by all streams.
 *
 * Layer: session.
 * Threads: any; several may take from one limit at once.
 */
#ifndef FERRY_SESSION_RATE_LIMIT_H
#define FERRY_SESSION_RATE_LIMIT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct rate_limit {
	pthread_mutex_t lock;
	uint64_t rate;    /* bytes per second; 0: no limit */
	uint64_t free_ns; /* when the next byte may be sent (clock_ns()) */
};

/* Returns 0 or an errno. */
int rate_limit_init(struct rate_limit *r, uint64_t rate);
void rate_limit_release(struct rate_limit *r);

/*
 * Reserve n bytes.  Returns how many milliseconds the caller has to wait before
 * it sends them.  Does not block itself.  Callers get consecutive times, so
 * together they keep to the limit.  After a pause, at most the bytes of a tenth
 * of a second may be sent at once.
 */
unsigned rate_limit_take_bytes(struct rate_limit *r, uint64_t n);

/* How much to send or receive at once, so that it goes at an even rate: the
 * bytes of a quarter of a second; SIZE_MAX without a limit. */
size_t rate_limit_slice(const struct rate_limit *r);

#endif
