/*
 * growth.h - how many streams a session should have.
 *
 * Layer: sender.
 * Threads: pure but for what it reads of the system; the control thread's.
 */
#ifndef FERRY_SENDER_GROWTH_H
#define FERRY_SENDER_GROWTH_H

#include <stdint.h>

struct growth {
	int is_ready; /* READY came, and allowed so many streams */
	unsigned allowed;
	int is_long;    /* it is connected, by a long line (dial.h) */
	unsigned asked; /* --streams; 0: choose */
	int is_compressing;
	/* Streams may connect before READY: not in code mode, where there is no
	 * key before, nor where the receiver connects. */
	int may_be_early;
	unsigned backlog;      /* queue_backlog() */
	uint64_t bytes, files; /* scanned so far */
};

/*
 * How many streams there should be now, where there are `started`: at least so
 * many.  All that were asked for, or one more at a time while there is work for
 * it; on a long line all at once, connected while the first one still waits for
 * READY, which saves a round trip.
 */
unsigned growth_streams(const struct growth *g, unsigned started);

/* How many there may come to be, where nobody asked for a number. */
unsigned growth_most(int is_long, int is_compressing);

#endif
