/*
 * idle.h - ends a session whose peer makes no progress: heart-beats alone show
 * that it is there, not that it does anything.
 *
 * Layer: session.
 * Threads: any; it consists of atomics.
 *
 * Only time in which it is the peer's turn counts.  A peer that waits for its
 * own source, disk or rate limit says so by BUSY in place of PING, and gets
 * IDLE_BUSY_FACTOR times as long, and at least IDLE_BUSY_MS.
 */
#ifndef FERRY_SESSION_IDLE_H
#define FERRY_SESSION_IDLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

enum {
	/* A longer time between two checks is one in which this process was
	 * stopped, and does not count. */
	IDLE_GAP_MS = 3000,
	IDLE_BUSY_FACTOR = 60,
	IDLE_BUSY_MS = 3600 * 1000, /* 60 times the default of 60 s */
};

struct idle {
	/* set once */
	uint64_t timeout_ms;
	/* clock_ms(): the last progress; when the peer last said, or showed by
	 * bytes of a frame or by what it has received of one, that it is at
	 * work */
	atomic_uint_fast64_t progress_ms, busy_ms;
	atomic_uint_fast64_t said_ms; /* when it said so last; 0: never */
	atomic_uint_fast64_t checked_ms; /* the last idle_check() */
	/* threads of ours that are at work, so that it is not the peer's
	 * turn */
	atomic_uint working;
};

/* Begin now; timeout_ms is ours (--timeout). */
void idle_init(struct idle *i, int timeout_ms);

/* There was progress, or it is not the peer's turn. */
void idle_progress(struct idle *i);

/* In so much of the time until now it was not the peer's turn; in place of
 * idle_check() where it still is not (0). */
void idle_worked(struct idle *i, uint64_t ms);

/* The peer showed at that time (clock_ms()) that it is at work; or said so. */
void idle_peer_is_busy(struct idle *i, uint64_t at_ms);
void idle_peer_says_busy(struct idle *i, uint64_t at_ms);

/* A thread of ours begins and ends something that the peer waits for. */
void idle_begin_work(struct idle *i);
void idle_end_work(struct idle *i);

/* Whether one is at it. */
int idle_is_working(struct idle *i);

/* When idle_check() ends the session if nothing comes any more (clock_ms()); 0:
 * never.  *is_busy: since its last progress the peer has said that it is at
 * work. */
uint64_t idle_ends_ms(struct idle *i, int *is_busy);

/* To be called about once a second.  peer: "the sender", for the text.  Returns
 * 0, or ERR_TIMEOUT when the session is to be ended. */
int idle_check(struct idle *i, const char *peer, struct err *e);

#endif
