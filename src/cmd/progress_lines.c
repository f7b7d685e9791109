/*
 * A line for each session.
 */
#include "cmd/progress_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/outputs.h"
#include "cmd/progress.h"

enum {
	DRAW_MS = 100,    /* between two redraws */
	FIRST_MS = 1000,  /* to the first line that is printed, */
	PRINT_MS = 30000, /* and between two */
	TURN_MS = 2000,   /* how long each is shown where there is one row */
	ROWS_MAX = 6,
	WHO_MAX = 48,
};

_Static_assert((int)ROWS_MAX * (int)PROGRESS_LINE_MAX <= (int)WRITER_SHOWN_MAX,
	       "the lines can be shown");

struct entry {
	struct entry *next; /* later sessions */
	uint64_t number;
	uint64_t print_ms; /* when it is printed next */
	struct progress progress;
	struct session_progress last;
	int has_told; /* there is something in last */
	char who[WHO_MAX]; /* "": none */
};

struct progress_lines {
	struct outputs *out;
	enum progress_mode mode;
	int in_background;
	int is_paused;
	uint64_t drawn_ms;
	unsigned count;
	struct entry *entries; /* owned */
};

struct progress_lines *progress_lines_new(struct outputs *out,
					  enum progress_mode mode,
					  int in_background)
{
	struct progress_lines *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->out = out;
	l->mode = mode;
	l->in_background = in_background;
	return l;
}

void progress_lines_free(struct progress_lines *l)
{
	struct entry *en, *next;

	if (!l)
		return;
	for (en = l->entries; en; en = next) {
		next = en->next;
		free(en);
	}
	free(l);
}

void progress_lines_begin(struct progress_lines *l, uint64_t number,
			  const char *who)
{
	struct entry **at = &l->entries;
	struct entry *en;

	en = calloc(1, sizeof(*en));
	if (!en)
		return;
	while (*at)
		at = &(*at)->next;
	*at = en;
	l->count++;
	en->number = number;
	if (who)
		snprintf(en->who, sizeof(en->who), "%s", who);
}

void progress_lines_end(struct progress_lines *l, uint64_t number)
{
	struct entry **at = &l->entries, *en;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	en = *at;
	if (!en)
		return;
	*at = en->next;
	l->count--;
	free(en);
	if (l->mode == PROGRESS_REDRAWN)
		outputs_draw_progress(l->out, "");
}

/* ---- showing ---- */

/* Whether the terminal belongs to another job.  That changes with ^Z, bg and
 * fg, so it is asked each time. */
static int is_in_background(void)
{
	const pid_t owner = tcgetpgrp(STDERR_FILENO);

	return owner > 0 && owner != getpgrp();
}

static void entry_text(const struct entry *en, uint64_t now_ms,
		       unsigned columns, char *dst)
{
	progress_text(&en->progress, now_ms, &en->last,
		      en->who[0] ? en->who : NULL, columns, dst);
}

/* All of them, a row each; in one row, one after the other in turn. */
static void draw(struct progress_lines *l, uint64_t now_ms)
{
	char text[ROWS_MAX * PROGRESS_LINE_MAX], *end = text;
	const unsigned columns = outputs_columns(l->out);
	unsigned rows = outputs_rows(l->out), skip = 0, left = l->count;
	const struct entry *en = l->entries;

	if (rows > ROWS_MAX)
		rows = ROWS_MAX;
	if (rows == 1)
		skip = (unsigned)(now_ms / TURN_MS % l->count);
	while (skip-- > 0)
		en = en->next;
	for (unsigned i = 0; en && i < rows; i++, en = en->next, left--) {
		if (i > 0)
			*end++ = '\n';
		if (rows > 1 && i == rows - 1 && left > 1)
			snprintf(end, PROGRESS_LINE_MAX - 1,
				 "and %u more sessions", left);
		else
			entry_text(en, now_ms, columns, end);
		end += strlen(end);
	}
	outputs_draw_progress(l->out, text);
}

static void print(struct progress_lines *l, struct entry *en, uint64_t now_ms)
{
	char text[PROGRESS_LINE_MAX];

	if (en->print_ms == 0)
		en->print_ms = now_ms + FIRST_MS;
	if (now_ms < en->print_ms)
		return;
	en->print_ms = now_ms + PRINT_MS;
	entry_text(en, now_ms, 0, text);
	outputs_print_progress(l->out, text);
}

int progress_lines_text(const struct progress_lines *l, uint64_t number,
			uint64_t now_ms, char *dst, unsigned *streams)
{
	const struct entry *en = l->entries;

	while (en && en->number != number)
		en = en->next;
	if (!en || !en->has_told)
		return 0;
	progress_text(&en->progress, now_ms, &en->last, NULL, 0, dst);
	*streams = en->last.streams;
	return 1;
}

void progress_lines_pause(struct progress_lines *l, int is_paused)
{
	l->is_paused = is_paused;
	if (is_paused && l->mode == PROGRESS_REDRAWN)
		outputs_draw_progress(l->out, "");
}

void progress_lines_update(struct progress_lines *l, uint64_t number,
			   uint64_t now_ms, const struct session_progress *p)
{
	struct entry *en = l->entries;

	while (en && en->number != number)
		en = en->next;
	if (!en)
		return;
	en->last = *p;
	en->has_told = 1;
	progress_record(&en->progress, now_ms, p);
	if (l->mode == PROGRESS_HIDDEN || l->is_paused)
		return;
	if (l->mode == PROGRESS_PRINTED) {
		print(l, en, now_ms);
		return;
	}
	if (now_ms - l->drawn_ms < DRAW_MS ||
	    (!l->in_background && is_in_background()))
		return;
	l->drawn_ms = now_ms;
	draw(l, now_ms);
}
