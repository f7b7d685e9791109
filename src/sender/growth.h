/*
 * growth.h - how many streams a session should have.
 *
 * Layer: sender.
 * Threads: any.  Pure, except that growth_most() asks for the number of cores.
 */
#ifndef FERRY_SENDER_GROWTH_H
#define FERRY_SENDER_GROWTH_H

#include <stdint.h>

struct growth {
	int is_ready;     /* READY has arrived */
	unsigned allowed; /* by READY: how many streams */
	int is_long;      /* the round trip is long (DIAL_LONG_RTT_US) */
	unsigned asked;   /* --streams; 0: choose */
	int is_compressing;
	/* Whether streams may connect before READY: not with a code, since
	 * there is no key before, nor where the receiver connects. */
	int may_be_early;
	unsigned backlog;      /* queue_backlog() */
	uint64_t bytes, files; /* scanned so far */
};

/*
 * How many streams there should be now, at least `started`, which there are
 * already.  Those that were asked for; else one more at a time while there is
 * work for it; with a long round trip all at once, connected while the first
 * one still waits for READY, which saves a round trip.
 */
unsigned growth_streams(const struct growth *g, unsigned started);

/* The most that there will be where --streams was not given. */
unsigned growth_most(int is_long, int is_compressing);

#endif
