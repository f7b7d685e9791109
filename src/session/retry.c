/*
 * Exponential back-off with jitter.
 */
#include "session/retry.h"

enum {
	BACK_OFF_FIRST_MS = 100,
	BACK_OFF_MAX_MS = 5000,
};

void retry_init(struct retry *r, uint64_t retry_ms, uint64_t now_ms)
{
	*r = (struct retry){
		.retry_ms = retry_ms,
		.until_ms = now_ms + retry_ms,
		.wait_ms = BACK_OFF_FIRST_MS,
	};
}

int retry_is_wanted(struct retry *r, struct err *e, int was_ready,
		    int has_progress, uint64_t now_ms)
{
	if (r->retry_ms == 0 ||
	    !(err_is_lost(e->code) || e->code == ERR_CONNECT ||
	      e->code == ERR_UNCONFIRMED))
		return 0;
	/* Time counts from the last progress; the first session that got to
	 * READY counts as progress, too. */
	if (has_progress || (was_ready && !r->has_connected)) {
		r->until_ms = now_ms + r->retry_ms;
		r->wait_ms = BACK_OFF_FIRST_MS;
	}
	r->has_connected |= was_ready;
	if (was_ready || e->code == ERR_UNCONFIRMED)
		err_clear(&r->unconfirmed);
	if (e->code == ERR_UNCONFIRMED)
		r->unconfirmed = *e;
	if (now_ms < r->until_ms)
		return 1;
	if (r->unconfirmed.code)
		*e = r->unconfirmed;
	return 0;
}

unsigned retry_next_wait_ms(struct retry *r, uint32_t random, uint64_t now_ms)
{
	const uint64_t left = r->until_ms > now_ms ? r->until_ms - now_ms : 0;
	const uint64_t ms = r->wait_ms / 2 + random % (r->wait_ms + 1);

	r->wait_ms *= 2;
	if (r->wait_ms > BACK_OFF_MAX_MS)
		r->wait_ms = BACK_OFF_MAX_MS;
	return (unsigned)(ms < left ? ms : left);
}

uint64_t retry_left_s(const struct retry *r, uint64_t now_ms)
{
	return r->until_ms > now_ms ? (r->until_ms - now_ms + 999) / 1000 : 0;
}
