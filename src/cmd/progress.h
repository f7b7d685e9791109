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
	PROGRESS_SAMPLES = 16,
	PROGRESS_SAMPLE_MS = 250, /* 16 of them: the rate covers 4 seconds */
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
 * Record the progress at now_ms and write the line to dst
 * (size bytes), ASCII and without newline:
 *
 *	  42%  1.2 GiB / 2.9 GiB  310.0 MiB/s  ETA 0:05  123/456 files
 *
 * Totals that still grow are followed by "+", and percentage and ETA are left
 * out.  Without progress for PROGRESS_STALL_MS the line says "stalled".
 * Returns dst.
 */
char *progress_text(struct progress *p, uint64_t now_ms,
		    const struct session_progress *s, char *dst, size_t size);

#endif
