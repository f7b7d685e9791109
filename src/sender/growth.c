/*
 * How many streams a session should have.
 */
#include "sender/growth.h"

#include <unistd.h>

#include "wire/frame.h"

enum {
	/* With a long round trip one connection is limited by the kernel's
	 * buffers and starts slowly, however many cores there are: so all that
	 * are allowed; fewer where each has a compressor of some MiB. */
	LONG_MAX_STREAMS = STREAMS_MAX,
	LONG_MAX_COMPRESSING = STREAMS_MAX / 2,
	/* What makes a further stream worth its start there. */
	LONG_STREAM_BYTES = 4 << 20,
	LONG_STREAM_FILES = 512,
	/* Else one for each core, but more than four gain nothing. */
	SHORT_MAX_STREAMS = 4,
	/* Tasks that have to wait before a further stream is worth it. */
	BACKLOG_MIN = 2,
};

unsigned growth_most(int is_long, int is_compressing)
{
	long cores;

	if (is_long)
		return is_compressing ? LONG_MAX_COMPRESSING : LONG_MAX_STREAMS;
	/* A stream's thread also reads, digests and compresses, which keeps a
	 * core busy. */
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (cores < 1)
		return 1;
	return cores > SHORT_MAX_STREAMS ? SHORT_MAX_STREAMS : (unsigned)cores;
}

unsigned growth_streams(const struct growth *g, unsigned started)
{
	const unsigned allowed = g->is_ready ? g->allowed : STREAMS_MAX;
	/* With a long round trip each stream starts slowly, and is slow to take
	 * over what others leave at the end: so as many as have some chunks or
	 * packs each, as far as the scan has got. */
	const uint64_t worth = 1 + g->bytes / LONG_STREAM_BYTES +
			       g->files / LONG_STREAM_FILES;
	unsigned want = g->asked;

	if (!g->is_ready && !(g->is_long && g->may_be_early))
		return started;
	if (!want)
		want = growth_most(g->is_long, g->is_compressing);
	if (!g->asked && g->is_long && worth < want)
		want = (unsigned)worth;
	if (want > allowed)
		want = allowed;
	if (want <= started ||
	    (g->is_ready && !g->asked && g->backlog < BACKLOG_MIN))
		return started;
	return g->asked || g->is_long ? want : started + 1;
}
