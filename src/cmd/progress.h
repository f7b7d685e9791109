/*
 * progress.h - the text of the progress line.
 *
 * Layer: cmd.  Pure: the caller passes the time and prints.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_CMD_PROGRESS_H
#define FERRY_CMD_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "session/events.h"

enum {
	PROGRESS_SAMPLES = 64,
	PROGRESS_SAMPLE_MS = 80,
	PROGRESS_RATE_MS = 4000, /* what the rate is measured over */
	PROGRESS_STALL_MS = 3000, /* without a byte or file: stalled */
	PROGRESS_LINE_MAX = 200,
};

/* All zero at first. */
struct progress {
	struct {
		uint64_t ms, bytes;
	} samples[PROGRESS_SAMPLES]; /* a ring */
	unsigned count;    /* samples ever taken */
	uint64_t began_ms;
	uint64_t moved_ms; /* when bytes or files last changed */
	uint64_t bytes, files;
};

/* Record the progress at now_ms (clock_ms()), as often as there is some. */
void progress_record(struct progress *p, uint64_t now_ms,
		     const struct session_progress *s);

/*
 * Write the line for what was recorded last to dst (PROGRESS_LINE_MAX bytes),
 * ASCII and without newline:
 *
 *	  42%  1.2 GiB / 2.9 GiB  310.0 MiB/s  ETA 0:05  123/456 files
 *
 * The rate, and the time that is left, are those of what is sent.  Totals that
 * still grow are followed by "+", and percentage and ETA are left out.  With
 * standard input as a source there is no total: "21.0 MiB  11.0 MiB/s  0:02",
 * the last being the time so far.  Without progress for PROGRESS_STALL_MS the
 * line says for how long, and when the session is given up; or that there is no
 * connection.
 *
 * who: put before it, escaped; NULL: nothing.  What does not fit in so many
 * columns (0: no limit) is left out, the least important first.  Returns dst.
 */
char *progress_text(const struct progress *p, uint64_t now_ms,
		    const struct session_progress *s, const char *who,
		    unsigned columns, char *dst);

#endif
