/*
 * How many streams a session should have.
 */
#include "sender/growth.h"

#include <unistd.h>

#include "wire/frame.h"

enum {
	/* On a long line one connection is limited by the kernel's buffers and
	 * starts slowly, whatever the cores: so all that there may be; fewer
	 * where each has a compressor of some MiB. */
	LONG_MAX_STREAMS = STREAMS_MAX,
	LONG_MAX_COMPRESSING = STREAMS_MAX / 2,
	/* What is worth a stream on a long line. */
	LONG_STREAM_BYTES = 4 << 20,
	LONG_STREAM_FILES = 512,
	/* Else as many as cores, but more than four gain nothing. */
	SHORT_MAX_STREAMS = 4,
	/* Tasks that have to wait before a further stream is worth it. */
	BACKLOG_MIN = 2,
};

/* As many as cores, where each has work to do besides sending. */
static unsigned short_streams(void)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cores < 1)
		return 1;
	return cores > SHORT_MAX_STREAMS ? SHORT_MAX_STREAMS : (unsigned)cores;
}

unsigned growth_most(int is_long, int is_compressing)
{
	if (!is_long)
		return short_streams();
	return is_compressing ? LONG_MAX_COMPRESSING : LONG_MAX_STREAMS;
}

/*
 * On a long line each stream starts slowly, and takes over slowly what others
 * leave at the end: so as many as have some chunks or packs each, as far as the
 * scan has got.
 */
static unsigned long_streams(const struct growth *g)
{
	const unsigned most = growth_most(1, g->is_compressing);
	const uint64_t n = 1 + g->bytes / LONG_STREAM_BYTES +
			   g->files / LONG_STREAM_FILES;

	return n < most ? (unsigned)n : most;
}

unsigned growth_streams(const struct growth *g, unsigned started)
{
	const unsigned allowed = g->is_ready ? g->allowed : STREAMS_MAX;
	unsigned want = g->asked;

	if (!g->is_ready && !(g->is_long && g->may_be_early))
		return started;
	if (!want)
		want = g->is_long ? long_streams(g) : short_streams();
	if (want > allowed)
		want = allowed;
	if (want <= started ||
	    (g->is_ready && !g->asked && g->backlog < BACKLOG_MIN))
		return started;
	return g->asked || g->is_long ? want : started + 1;
}
