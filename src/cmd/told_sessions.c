/*
 * A row for each sender of the last minute.
 */
#include "cmd/told_sessions.h"

#include <stdio.h>
#include <string.h>

static struct told_sessions_row *find_row(struct told_sessions *t,
					  const char *name)
{
	struct told_sessions_row *row = t->rows;
	const struct told_sessions_row *last =
		t->rows + TOLD_SESSIONS_ROWS - 1;

	while (row < last && row->name[0] &&
	       strncmp(row->name, name, sizeof(row->name) - 1) != 0)
		row++;
	return row;
}

int told_sessions_add(struct told_sessions *t, const char *name,
		      uint64_t now_ms)
{
	struct told_sessions_row *row = find_row(t, name);

	if (!row->name[0]) {
		snprintf(row->name, sizeof(row->name), "%s",
			 row == t->rows + TOLD_SESSIONS_ROWS - 1 ?
				 "other senders" : name);
		row->since_ms = now_ms;
	}
	return ++row->count <= TOLD_SESSIONS_MOST;
}

int told_sessions_end(struct told_sessions *t, uint64_t now_ms,
		      char name[TOLD_SESSIONS_NAME_MAX], uint64_t *untold)
{
	struct told_sessions_row *row = t->rows;
	size_t left;

	for (; row < t->rows + TOLD_SESSIONS_ROWS; row++) {
		if (row->name[0] &&
		    now_ms - row->since_ms >= TOLD_SESSIONS_MINUTE_MS)
			break;
	}
	if (row == t->rows + TOLD_SESSIONS_ROWS)
		return 0;
	memcpy(name, row->name, TOLD_SESSIONS_NAME_MAX);
	*untold = row->count > TOLD_SESSIONS_MOST ?
			  row->count - TOLD_SESSIONS_MOST : 0;
	/* find_row() ends at the first free one */
	left = (size_t)(t->rows + TOLD_SESSIONS_ROWS - 1 - row);
	memmove(row, row + 1, left * sizeof(*row));
	memset(t->rows + TOLD_SESSIONS_ROWS - 1, 0, sizeof(*row));
	return 1;
}
