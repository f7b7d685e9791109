/*
 * The progress line.  The rate is that of the last seconds, from a ring of
 * samples: a mean over the whole run would hide that a transfer slows down.
 */
#include "cmd/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum {
	PART_MAX = 80,
	/* No newer sample for so long, nor for twice the time between the last
	 * two: nothing has arrived since. */
	STALE_MS = 1000,
};

/* ---- the rate ---- */

void progress_record(struct progress *p, uint64_t now_ms,
		     const struct session_progress *s)
{
	const unsigned last = (p->count + PROGRESS_SAMPLES - 1) %
			      PROGRESS_SAMPLES;

	if (!p->began_ms)
		p->began_ms = now_ms;
	if (!p->moved_ms || s->bytes != p->bytes || s->files != p->files)
		p->moved_ms = now_ms;
	p->bytes = s->bytes;
	p->files = s->files;
	/* Each with the time at which it was known, which may be some time ago:
	 * with that of now, the rate would sway. */
	if (s->at_ms == 0 ||
	    (p->count > 0 && s->at_ms < p->samples[last].ms +
						PROGRESS_SAMPLE_MS))
		return;
	p->samples[p->count % PROGRESS_SAMPLES].ms = s->at_ms;
	p->samples[p->count % PROGRESS_SAMPLES].bytes = s->sent_bytes;
	p->count++;
}

/* Bytes per second, 0 if it is not known yet: the slope of the line through the
 * samples of the last PROGRESS_RATE_MS that fits best (least squares).  Between
 * the first and the last alone, bursts of a chunk or of a rate limit's slice
 * would make it sway by a tenth. */
static double rate_of(const struct progress *p, uint64_t now_ms)
{
	const unsigned kept = p->count < PROGRESS_SAMPLES ? p->count :
							    PROGRESS_SAMPLES;
	const unsigned newest = (p->count - 1) % PROGRESS_SAMPLES;
	const uint64_t end_ms = p->samples[newest].ms;
	double n = 0, t = 0, b = 0, tt = 0, tb = 0, span = 0, slope;
	uint64_t stale_ms = STALE_MS;

	for (unsigned i = 0; i < kept; i++) {
		const unsigned at = (p->count - 1 - i) % PROGRESS_SAMPLES;
		const double age = (double)(end_ms - p->samples[at].ms);
		const double less = (double)(p->samples[newest].bytes -
					     p->samples[at].bytes);

		/* two at least, however old */
		if (i > 1 && age > (double)PROGRESS_RATE_MS)
			break;
		if (i == 1 && stale_ms < 2 * (uint64_t)age)
			stale_ms = 2 * (uint64_t)age;
		n++;
		t += age;
		b += less;
		tt += age * age;
		tb += age * less;
		span = age;
	}
	if (n < 2 || n * tt - t * t <= 0)
		return 0;
	slope = (n * tb - t * b) / (n * tt - t * t);
	/* nothing has come since */
	if (now_ms > end_ms + stale_ms)
		slope *= span / (span + (double)(now_ms - end_ms));
	return slope > 0 ? slope * 1000 : 0;
}

/* ---- the parts ---- */

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

/* Why nothing moves.  Returns 0 where something does, or nothing is left. */
static int stall_text(char *dst, size_t size, const struct progress *p,
		      uint64_t now_ms, const struct session_progress *s)
{
	const uint64_t ms = now_ms - p->moved_ms;
	const unsigned long long since = ms / 1000;

	if (ms < PROGRESS_STALL_MS)
		return 0;
	if (s->is_unconnected) {
		snprintf(dst, size, "no connection for %llu s", since);
		return 1;
	}
	if (s->is_endless ||
	    (s->bytes >= s->total_bytes && s->files >= s->total_files))
		return 0;
	if (s->is_busy)
		snprintf(dst, size, "other side busy for %llu s", since);
	else if (s->give_up_ms > now_ms)
		snprintf(dst, size, "stalled %llu s, giving up in %llu s",
			 since,
			 (unsigned long long)(s->give_up_ms - now_ms) / 1000);
	else
		snprintf(dst, size, "stalled %llu s", since);
	return 1;
}

/* In the order of the line. */
enum part { WHO, PERCENT, AMOUNT, RATE, TIME, FILES, PARTS };

struct line {
	char text[PARTS][PART_MAX]; /* "": left out */
};

static size_t line_width(const struct line *l)
{
	size_t n = 0;

	for (unsigned i = 0; i < PARTS; i++) {
		if (l->text[i][0])
			n += strlen(l->text[i]) + (n > 0 ? 2 : 0);
	}
	return n;
}

/* Leave out what does not fit. */
static void shorten(struct line *l, unsigned columns)
{
	static const enum part least[] = { FILES, AMOUNT, WHO };
	const char *eta = l->text[TIME];

	for (size_t i = 0; i < sizeof(least) / sizeof(least[0]); i++) {
		if (line_width(l) > columns)
			l->text[least[i]][0] = '\0';
	}
	/* Where it stalls, the time is in place of the rate. */
	if (line_width(l) > columns && l->text[TIME][0])
		l->text[RATE][0] = '\0';
	if (line_width(l) > columns && strncmp(eta, "ETA ", 4) == 0)
		memmove(l->text[TIME], eta + 4, strlen(eta + 4) + 1);
}

static void put_amount(struct line *l, const struct session_progress *s)
{
	const char *plus = s->total_is_final ? "" : "+";
	char done[32], total[32];

	text_size(done, sizeof(done), (double)s->bytes);
	text_size(total, sizeof(total), (double)s->total_bytes);
	if (s->is_endless)
		snprintf(l->text[AMOUNT], PART_MAX, "%s", done);
	else
		snprintf(l->text[AMOUNT], PART_MAX, "%s / %s%s", done, total,
			 plus);
	if (!s->is_endless || s->total_files > 1)
		snprintf(l->text[FILES], PART_MAX, "%llu/%llu%s files",
			 (unsigned long long)s->files,
			 (unsigned long long)s->total_files, plus);
}

static void put_rate(struct line *l, const struct progress *p, uint64_t now_ms,
		     const struct session_progress *s)
{
	const double rate = rate_of(p, now_ms);
	const uint64_t left = s->total_bytes > s->bytes ?
				      s->total_bytes - s->bytes : 0;
	char text[32];

	if (stall_text(l->text[RATE], PART_MAX, p, now_ms, s))
		return;
	text_size(text, sizeof(text), rate);
	snprintf(l->text[RATE], PART_MAX, "%s/s", text);
	if (s->is_endless) {
		duration_text(l->text[TIME], PART_MAX,
			      (double)(now_ms - p->began_ms) / 1000);
	} else if (s->total_is_final && left > 0 && rate > 0) {
		duration_text(text, sizeof(text), (double)left / rate);
		snprintf(l->text[TIME], PART_MAX, "ETA %s", text);
	}
}

char *progress_text(const struct progress *p, uint64_t now_ms,
		    const struct session_progress *s, const char *who,
		    unsigned columns, char *dst)
{
	struct line l = { 0 };
	size_t used = 0;

	if (who)
		snprintf(l.text[WHO], PART_MAX, "%s", who);
	if (!s->is_endless)
		percent_text(l.text[PERCENT], PART_MAX, s);
	put_amount(&l, s);
	put_rate(&l, p, now_ms, s);
	if (columns > 0)
		shorten(&l, columns);
	dst[0] = '\0';
	for (unsigned i = 0; i < PARTS && used < PROGRESS_LINE_MAX; i++) {
		if (l.text[i][0])
			used += (size_t)snprintf(dst + used,
						 PROGRESS_LINE_MAX - used,
						 "%s%s", used > 0 ? "  " : "",
						 l.text[i]);
	}
	return dst;
}
