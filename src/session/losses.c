/*
 * Metadata that could not be kept.
 */
#include "session/losses.h"

#include <stdio.h>

#include "base/text.h"
#include "session/events.h"
#include "wire/msg.h"

static const struct {
	unsigned bit;
	const char *name, *text;
} kinds_known[FILE_META_KINDS] = {
	{ FILE_META_MODE, "mode", "mode" },
	{ FILE_META_TIME, "time", "modification time" },
};

void losses_add(struct losses *l, unsigned kinds, unsigned cause,
		const char *name, size_t name_len)
{
	l->items += kinds != 0;
	for (size_t i = 0; i < FILE_META_KINDS; i++) {
		struct loss *of = &l->of[i];

		if (!(kinds & kinds_known[i].bit))
			continue;
		if (of->count++ > 0)
			continue;
		of->cause = cause;
		text_escape(of->first, sizeof(of->first), name, name_len);
	}
}

void losses_tell(const struct losses *l, const struct session_events *events,
		 const char *where)
{
	for (size_t i = 0; i < FILE_META_KINDS; i++) {
		const struct loss *of = &l->of[i];
		const unsigned long long more =
			(unsigned long long)(of->count - 1);
		char others[64] = "";

		if (of->count == 0)
			continue;
		if (more > 0)
			snprintf(others, sizeof(others), " and of %llu more",
				 more);
		events_message(events, SESSION_ERROR,
			       "the %s of %s%s could not be kept %s: %s",
			       kinds_known[i].text, of->first, others, where,
			       wire_cause_text(of->cause));
	}
}

char *losses_kinds(char dst[LOSSES_KINDS_SIZE], unsigned kinds)
{
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < FILE_META_KINDS; i++) {
		if (kinds & kinds_known[i].bit)
			used += (size_t)snprintf(dst + used,
						 LOSSES_KINDS_SIZE - used,
						 "%s%s", used > 0 ? "," : "",
						 kinds_known[i].name);
	}
	return dst;
}
