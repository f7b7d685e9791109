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
	const char *name, *text, *cut;
} kinds_known[] = {
#define X(id, number, name, text, cut) { id, name, text, cut },
	FILE_META_KIND(X)
#undef X
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

enum { MORE_SIZE = 64 };

/* " and of N more", or "" where of counts one item. */
static char *more_of(char dst[MORE_SIZE], const struct loss *of)
{
	dst[0] = '\0';
	if (of->count > 1)
		snprintf(dst, MORE_SIZE, " and of %llu more",
			 (unsigned long long)(of->count - 1));
	return dst;
}

void losses_tell(const struct losses *l, const struct session_events *events,
		 uint64_t number, const char *where)
{
	for (size_t i = 0; i < FILE_META_KINDS; i++) {
		const struct loss *of = &l->of[i];
		char more[MORE_SIZE];

		if (of->count == 0)
			continue;
		events_session_message(
			events, number, SESSION_ERROR_OF_BOTH,
			"the %s of %s%s could not be kept %s: %s",
			kinds_known[i].text, of->first, more_of(more, of),
			where,
			kinds_known[i].bit == FILE_META_SETID &&
					of->cause == CAUSE_PERMISSION ?
				"a file keeps them only with its owner and "
				"group" :
				wire_cause_text(of->cause));
	}
}

void losses_tell_cut(const struct losses *l, const struct session_events *events)
{
	char more[MORE_SIZE];

	for (size_t i = 0; i < FILE_META_KINDS; i++) {
		const struct loss *of = &l->of[i];

		if (of->count > 0 && kinds_known[i].cut)
			events_message(events, SESSION_ERROR,
				       "the metadata of %s%s was not sent "
				       "whole: %s", of->first,
				       more_of(more, of), kinds_known[i].cut);
	}
}

const char *losses_noun(const struct losses *l, unsigned more)
{
	if (more & ~(unsigned)FILE_META_BASIC_KINDS)
		return "modes, owners or other metadata";
	for (size_t i = 0; i < FILE_META_KINDS; i++) {
		if (l->of[i].count > 0 &&
		    !(kinds_known[i].bit & FILE_META_BASIC_KINDS))
			return "modes, owners or other metadata";
	}
	return "modes or times";
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
