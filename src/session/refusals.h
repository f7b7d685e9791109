/*
 * refusals.h - messages about connections that get no session, and about
 * sessions that were lost and may be gone on with, of which a peer may cause
 * any number: the first of a minute are said, the rest are counted, and the
 * count is said once a minute.
 *
 * Layer: session.
 * Threads: any.
 */
#ifndef FERRY_SESSION_REFUSALS_H
#define FERRY_SESSION_REFUSALS_H

#include <pthread.h>
#include <stdint.h>

#include "session/events.h"

enum {
	REFUSALS_KINDS = 3, /* warnings, details, and lost sessions */
	REFUSALS_WINDOW_MS = 60 * 1000,
	/* so many are said in that time */
	REFUSALS_WARNINGS = 20,
	REFUSALS_DETAILS = 100,
};

struct refusals {
	const struct session_events *events; /* borrowed */
	pthread_mutex_t lock;
	/* guarded by lock; details and warnings are counted apart, since
	 * details are usually not shown */
	struct refusals_kind {
		uint64_t since_ms; /* clock_ms() of the first; 0: none */
		unsigned said;
		uint64_t more;
	} kinds[REFUSALS_KINDS];
};

void refusals_init(struct refusals *r, const struct session_events *events);

/* Say how many were not said, and release it. */
void refusals_release(struct refusals *r);

/* Say that a connection gets no session, or count it.  level: SESSION_WARNING
 * or SESSION_VERBOSE. */
void refusals_tell(struct refusals *r, enum session_level level,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Say that a session was lost and that its peer is waited for, which is a
 * warning, or count it. */
void refusals_tell_lost(struct refusals *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Say the counts that are due.  Returns in how many milliseconds the next one
 * will be, -1 where none is waiting. */
int refusals_tick(struct refusals *r);

#endif
