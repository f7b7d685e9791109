/*
 * A shared rate limit: a virtual clock of when the line is free again.
 */
#include "session/rate_limit.h"

#include "base/clock.h"

enum { BURST_NS = 100 * 1000 * 1000 };

int rate_limit_init(struct rate_limit *p, uint64_t rate)
{
	p->rate = rate;
	p->free_ns = 0;
	return pthread_mutex_init(&p->lock, NULL);
}

void rate_limit_release(struct rate_limit *p)
{
	pthread_mutex_destroy(&p->lock);
}

unsigned rate_limit_take(struct rate_limit *p, uint64_t n)
{
	uint64_t now, wait;

	if (p->rate == 0)
		return 0;
	now = clock_ns();
	pthread_mutex_lock(&p->lock);
	if (p->free_ns + BURST_NS < now)
		p->free_ns = now - BURST_NS;
	p->free_ns += (uint64_t)((double)n * 1e9 / (double)p->rate);
	wait = p->free_ns > now ? p->free_ns - now : 0;
	pthread_mutex_unlock(&p->lock);
	return (unsigned)(wait / 1000000u);
}
