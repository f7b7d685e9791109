/*
 * retry.h - whether and when to try another session after a lost one.
 *
 * Layer: session.  Pure.
 */
#ifndef FERRY_SESSION_RETRY_H
#define FERRY_SESSION_RETRY_H

#include <stdint.h>

#include "base/err.h"

struct retry {
	uint64_t retry_ms; /* how long to try after the last progress */
	uint64_t until_ms; /* when that time is over (clock_ms()) */
	uint64_t wait_ms;  /* the next wait, before it is varied */
	int has_connected; /* a session got as far as READY */
	/* A sender's: the ERR_UNCONFIRMED of a session in which everything was
	 * sent, where none has begun since: the user is told this, and not only
	 * that the receiver cannot be reached. */
	struct err unconfirmed;
};

/* retry_ms 0: never try again. */
void retry_init(struct retry *r, uint64_t retry_ms, uint64_t now_ms);

/*
 * A session ended with e (code 0: it succeeded).  was_ready: it got as far as
 * READY; has_progress: it brought more than those before.  Returns whether to
 * try another; if not, e is set to what the user is told.
 */
int retry_is_wanted(struct retry *r, struct err *e, int was_ready,
		    int has_progress, uint64_t now_ms);

/* How many milliseconds to wait before the next session: twice as long each
 * time, varied by up to a half, so that many senders do not connect at once.
 * random: a random number. */
unsigned retry_next_wait_ms(struct retry *r, uint32_t random, uint64_t now_ms);

/* How many seconds are left to try, rounded up. */
uint64_t retry_left_s(const struct retry *r, uint64_t now_ms);

#endif
