/*
 * progress_lines.h - shows the progress of the sessions that there are: a line
 * for each, redrawn on a terminal, or printed from time to time.
 *
 * Layer: cmd.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_CMD_PROGRESS_LINES_H
#define FERRY_CMD_PROGRESS_LINES_H

#include <stdint.h>

#include "session/events.h"

enum progress_mode {
	PROGRESS_HIDDEN,  /* only kept, for progress_lines_text() */
	PROGRESS_REDRAWN, /* about ten times a second */
	PROGRESS_PRINTED, /* every 30 s, and the first after a second */
};

struct outputs;
struct progress_lines;

/* out is borrowed.  in_background: redraw also where the terminal belongs to
 * another job.  NULL when out of memory. */
struct progress_lines *progress_lines_new(struct outputs *out,
					  enum progress_mode mode,
					  int in_background);
void progress_lines_free(struct progress_lines *l); /* NULL is allowed */

/* A session begins.  who: put before its line, escaped (copied, and cut);
 * NULL: nothing.  Without memory it has no line. */
void progress_lines_begin(struct progress_lines *l, uint64_t number,
			  const char *who);

/* It ends, and its line is erased. */
void progress_lines_end(struct progress_lines *l, uint64_t number);

/* The line of a session at now_ms, without its name, to dst (PROGRESS_LINE_MAX
 * bytes); and of how many streams.  Returns 0 where it has told nothing. */
int progress_lines_text(const struct progress_lines *l, uint64_t number,
			uint64_t now_ms, char *dst, unsigned *streams);

/* Whether to erase the lines and draw none until it is called with 0. */
void progress_lines_pause(struct progress_lines *l, int is_paused);

/* How far a session is at now_ms (clock_ms()); one that was not begun is
 * ignored. */
void progress_lines_update(struct progress_lines *l, uint64_t number,
			   uint64_t now_ms, const struct session_progress *p);

#endif
