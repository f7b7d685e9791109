/*
 * Formatting of messages.
 */
#include "session/events.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_MAX = 1200 };

/* number: of a session; 0: it is about none. */
static void tell(const struct session_events *ev, uint64_t number,
		 enum session_level level, const char *fmt, va_list ap)
{
	char text[MESSAGE_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (number && ev->session_message)
		ev->session_message(ev->ctx, number, level, text);
	else if (ev->message)
		ev->message(ev->ctx, level, text);
}

void events_message(const struct session_events *ev, enum session_level level,
		    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(ev, 0, level, fmt, ap);
	va_end(ap);
}

void events_session_message(const struct session_events *ev, uint64_t number,
			    enum session_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(ev, number, level, fmt, ap);
	va_end(ap);
}
