/*
 * A rate limit by virtual time, as in the generic cell rate algorithm (ITU-T
 * I.371): free_ns is when the bytes reserved so far will have been sent at the
 * given rate.
 */
#include "session/rate_limit.h"

#include "base/clock.h"

/* How much sending time a pause saves up. */
enum { BURST_NS = 100 * 1000 * 1000, SLICES_A_SECOND = 4 };

int rate_limit_init(struct rate_limit *r, uint64_t rate)
{
	r->rate = rate;
	r->free_ns = 0;
	return pthread_mutex_init(&r->lock, NULL);
}

size_t rate_limit_slice(const struct rate_limit *r)
{
	if (r->rate == 0 || r->rate / SLICES_A_SECOND > SIZE_MAX)
		return SIZE_MAX;
	return r->rate < SLICES_A_SECOND ? 1 : (size_t)(r->rate /
							SLICES_A_SECOND);
}

void rate_limit_release(struct rate_limit *r)
{
	pthread_mutex_destroy(&r->lock);
}

unsigned rate_limit_take_bytes(struct rate_limit *r, uint64_t n)
{
	uint64_t now, wait;

	if (r->rate == 0)
		return 0;
	now = clock_ns();
	pthread_mutex_lock(&r->lock);
	if (r->free_ns + BURST_NS < now)
		r->free_ns = now - BURST_NS;
	r->free_ns += (uint64_t)((double)n * 1e9 / (double)r->rate);
	wait = r->free_ns > now ? r->free_ns - now : 0;
	pthread_mutex_unlock(&r->lock);
	return (unsigned)(wait / 1000000u);
}
