/*
 * The progress line.  The rate is that of the last seconds, from a ring of
 * samples: a mean over the whole run would hide that a transfer slows down.
 */
#include "cmd/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { PART_MAX = 32 };

/* Record a sample if the last one is old enough.  Returns bytes per second,
 * 0 if it is not known yet. */
static double sample_rate(struct progress *p, uint64_t now_ms, uint64_t bytes)
{
	const unsigned last = (p->count + PROGRESS_SAMPLES - 1) %
			      PROGRESS_SAMPLES;
	unsigned oldest;

	if (p->count == 0 ||
	    now_ms - p->samples[last].ms >= PROGRESS_SAMPLE_MS) {
		p->samples[p->count % PROGRESS_SAMPLES].ms = now_ms;
		p->samples[p->count % PROGRESS_SAMPLES].bytes = bytes;
		p->count++;
	}
	oldest = p->count < PROGRESS_SAMPLES ? 0 :
		 p->count % PROGRESS_SAMPLES;
	if (now_ms <= p->samples[oldest].ms ||
	    bytes <= p->samples[oldest].bytes)
		return 0;
	return (double)(bytes - p->samples[oldest].bytes) * 1000.0 /
	       (double)(now_ms - p->samples[oldest].ms);
}

/* "0:05", "1:02:03", or "-" for 100 hours and more. */
static void duration_text(char *dst, size_t size, double seconds)
{
	unsigned long s;

	if (!(seconds < 100 * 3600.0)) {
		snprintf(dst, size, "-");
		return;
	}
	s = (unsigned long)(seconds + 0.5);
	if (s >= 3600)
		snprintf(dst, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60,
			 s % 60);
	else
		snprintf(dst, size, "%lu:%02lu", s / 60, s % 60);
}

static void percent_text(char *dst, size_t size,
			 const struct session_progress *s)
{
	double percent = 100;

	if (!s->total_is_final) {
		snprintf(dst, size, "  --%%");
		return;
	}
	/* rounded down, and 100 only when all is done: bytes or files */
	if (s->total_bytes > 0)
		percent = 100.0 * (double)s->bytes / (double)s->total_bytes;
	else if (s->total_files > 0)
		percent = 100.0 * (double)s->files / (double)s->total_files;
	if (percent > 99 && s->files < s->total_files)
		percent = 99;
	if (percent > 100)
		percent = 100;
	snprintf(dst, size, "%4d%%", (int)percent);
}

char *progress_text(struct progress *p, uint64_t now_ms,
		    const struct session_progress *s, char *dst, size_t size)
{
	const double rate = sample_rate(p, now_ms, s->bytes);
	const char *plus = s->total_is_final ? "" : "+";
	const uint64_t left = s->total_bytes > s->bytes ?
			      s->total_bytes - s->bytes : 0;
	char percent[PART_MAX], done[PART_MAX], total[PART_MAX];
	char speed[PART_MAX], eta[PART_MAX], status[3 * PART_MAX];

	if (p->moved_ms == 0 || s->bytes != p->bytes) {
		p->moved_ms = now_ms;
		p->bytes = s->bytes;
	}
	percent_text(percent, sizeof(percent), s);
	text_size(done, sizeof(done), (double)s->bytes);
	text_size(total, sizeof(total), (double)s->total_bytes);
	text_size(speed, sizeof(speed), rate);
	if (now_ms - p->moved_ms >= PROGRESS_STALL_MS &&
	    (left > 0 || s->files < s->total_files)) {
		snprintf(status, sizeof(status), "stalled");
	} else if (s->total_is_final && left > 0 && rate > 0) {
		duration_text(eta, sizeof(eta), (double)left / rate);
		snprintf(status, sizeof(status), "%s/s  ETA %s", speed, eta);
	} else {
		snprintf(status, sizeof(status), "%s/s", speed);
	}
	snprintf(dst, size, "%s  %s / %s%s  %s  %llu/%llu%s files", percent,
		 done, total, plus, status, (unsigned long long)s->files,
		 (unsigned long long)s->total_files, plus);
	return dst;
}
