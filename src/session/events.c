/*
 * Formatting of messages.
 */
#include "session/events.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_MAX = 1200 };

void events_message(const struct session_events *ev, enum session_level level,
		    const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;

	if (!ev->message)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ev->message(ev->ctx, level, text);
}

void events_session_message(const struct session_events *ev, uint64_t number,
			    enum session_level level, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ev->session_message)
		ev->session_message(ev->ctx, number, level, text);
	else if (ev->message)
		ev->message(ev->ctx, level, text);
}
