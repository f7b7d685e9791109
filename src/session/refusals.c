/*
 * A window of a minute begins with the first message after the last one.
 */
#include "session/refusals.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum { MESSAGE_MAX = 1200 };

/* Indices of kinds. */
enum { WARNINGS, DETAILS, LOST };

void refusals_init(struct refusals *r, const struct session_events *events)
{
	memset(r, 0, sizeof(*r));
	r->events = events;
	pthread_mutex_init(&r->lock, NULL);
}

static enum session_level level_of(const struct refusals *r,
				   const struct refusals_kind *k)
{
	return k == &r->kinds[DETAILS] ? SESSION_VERBOSE : SESSION_WARNING;
}

/* End the window, and say what was not said in it.  Locked. */
static void end_window(struct refusals *r, struct refusals_kind *k)
{
	const int is_lost = k == &r->kinds[LOST];
	char count[TEXT_COUNT_MAX];

	if (k->more)
		events_message(r->events, level_of(r, k),
			       "%s %s within a minute",
			       text_count(count, k->more,
					  is_lost ? "more session"
						  : "more connection"),
			       !is_lost ? "got no session" :
			       k->more == 1 ? "was lost" : "were lost");
	memset(k, 0, sizeof(*k));
}

void refusals_release(struct refusals *r)
{
	for (int i = 0; i < REFUSALS_KINDS; i++)
		end_window(r, &r->kinds[i]);
	pthread_mutex_destroy(&r->lock);
}

static void tell(struct refusals *r, int kind, const char *fmt, va_list ap)
{
	struct refusals_kind *k = &r->kinds[kind];
	const unsigned most = kind == DETAILS ? REFUSALS_DETAILS
					      : REFUSALS_WARNINGS;
	const uint64_t now = clock_ms();
	char text[MESSAGE_MAX];

	pthread_mutex_lock(&r->lock);
	if (k->since_ms && now - k->since_ms >= REFUSALS_WINDOW_MS)
		end_window(r, k);
	if (!k->since_ms)
		k->since_ms = now;
	if (k->said < most) {
		k->said++;
		vsnprintf(text, sizeof(text), fmt, ap);
		events_message(r->events, level_of(r, k), "%s", text);
	} else {
		k->more++;
	}
	pthread_mutex_unlock(&r->lock);
}

void refusals_tell(struct refusals *r, enum session_level level,
		   const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(r, level == SESSION_VERBOSE ? DETAILS : WARNINGS, fmt, ap);
	va_end(ap);
}

void refusals_tell_lost(struct refusals *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(r, LOST, fmt, ap);
	va_end(ap);
}

int refusals_tick(struct refusals *r)
{
	const uint64_t now = clock_ms();
	int next = -1;

	pthread_mutex_lock(&r->lock);
	for (int i = 0; i < REFUSALS_KINDS; i++) {
		struct refusals_kind *k = &r->kinds[i];
		const uint64_t past = now - k->since_ms;
		int left;

		if (!k->more)
			continue;
		if (past >= REFUSALS_WINDOW_MS) {
			end_window(r, k);
			continue;
		}
		left = (int)(REFUSALS_WINDOW_MS - past);
		if (next < 0 || left < next)
			next = left;
	}
	pthread_mutex_unlock(&r->lock);
	return next;
}
