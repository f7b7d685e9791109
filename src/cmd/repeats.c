/*
 * Counts by kind.
 */
#include "cmd/repeats.h"

#include <stdio.h>
#include <string.h>

static struct repeats_row *find_row(struct repeats *r, const char *kind)
{
	const size_t len = REPEATS_TEXT_MAX - 1;
	struct repeats_row *row = r->rows;
	struct repeats_row *last = r->rows + REPEATS_KINDS - 1;

	for (; row < last; row++) {
		if (row->count == 0)
			snprintf(row->kind, sizeof(row->kind), "%s", kind);
		if (strncmp(row->kind, kind, len) == 0)
			return row;
	}
	snprintf(last->kind, sizeof(last->kind), "other failures");
	return last;
}

uint64_t repeats_add(struct repeats *r, const char *kind)
{
	return ++find_row(r, kind)->count;
}

uint64_t repeats_unnamed(const struct repeats_row *row)
{
	return row->count > REPEATS_NAMED ? row->count - REPEATS_NAMED : 0;
}
