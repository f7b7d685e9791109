/*
 * progress.h - the text of the progress line.
 *
 * Layer: cmd.  Uses base, session/events.h.  Pure: the caller brings the time
 * and prints.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_CMD_PROGRESS_H
#define FERRY_CMD_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "session/events.h"

enum {
	PROGRESS_SAMPLES = 16,
	PROGRESS_SAMPLE_MS = 250, /* so the rate is that of 4 seconds */
	PROGRESS_STALL_MS = 3000, /* without a byte: stalled */
	PROGRESS_LINE_MAX = 160,
};

/* All zero at first. */
struct progress {
	struct {
		uint64_t ms, bytes;
	} samples[PROGRESS_SAMPLES]; /* a ring */
	unsigned count;    /* samples ever taken */
	uint64_t moved_ms; /* when bytes last grew */
	uint64_t bytes;
};

/*
 * Take note of where the transfer is at now_ms and write its line to dst
 * (size bytes), ASCII and without newline:
 *
 *	  42%  1.2 GiB / 2.9 GiB  310.0 MiB/s  ETA 0:05  123/456 files
 *
 * Totals that still grow have a "+" behind them, and then there is neither
 * percentage nor ETA.  A transfer that does not move says "stalled".
 * Returns dst.
 */
char *progress_text(struct progress *p, uint64_t now_ms,
		    const struct session_progress *s, char *dst, size_t size);

#endif
