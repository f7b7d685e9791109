/*
 * retry.h - whether and when there is another session after a lost one.
 *
 * Layer: sender.  Uses base.
 * Threads: pure; the control thread's.
 */
#ifndef FERRY_SENDER_RETRY_H
#define FERRY_SENDER_RETRY_H

#include <stdint.h>

#include "base/err.h"

struct retry {
	uint64_t retry_ms; /* how long to try since the last progress */
	uint64_t until_ms; /* clock_ms(): when that ends */
	uint64_t wait_ms;  /* the next wait, about */
	int has_connected; /* some session got as far as READY */
	/* The last session that got anywhere ended with everything sent: its
	 * error, which tells more than that the receiver cannot be reached. */
	struct err unconfirmed;
};

/* retry_ms 0: never. */
void retry_init(struct retry *r, uint64_t retry_ms, uint64_t now_ms);

/*
 * A session ended with e (code 0: well).  was_ready: it got as far as READY;
 * has_progress: queue_has_progress().  Returns whether there is to be another;
 * where there is none, e is what the user is told.
 */
int retry_is_wanted(struct retry *r, struct err *e, int was_ready,
		    int has_progress, uint64_t now_ms);

/* How long to wait before the next session: twice as long each time, and by
 * chance longer or shorter, so that many senders do not come back at once.
 * random: any number. */
unsigned retry_next_wait_ms(struct retry *r, uint32_t random, uint64_t now_ms);

/* How many seconds are left to try, for the user. */
uint64_t retry_left_s(const struct retry *r, uint64_t now_ms);

#endif
