/*
 * The thread that flushes large files while they are received.
 */
#include "receiver/flusher.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "os/cond.h"
#include "os/thread.h"
#include "receiver/file_use.h"
#include "receiver/transfer.h"

enum {
	CHECK_MS = 500,
	/* A file is flushed when it has this many leaves (of 1 MiB) that are
	 * not flushed; all are after so long. */
	FLUSH_LEAVES = 256,
	FLUSH_MS = 5000,
};

struct flusher {
	struct transfer *transfer; /* set once */
	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t stop;
	int is_running, is_stopping;
	pthread_t thread;
	uint64_t flushed_ms; /* its thread's: when all were flushed */
};

static void *flusher_main(void *arg)
{
	struct flusher *fl = arg;

	pthread_mutex_lock(&fl->lock);
	while (!fl->is_stopping) {
		uint64_t id = 0;
		int all;

		cond_wait(&fl->stop, &fl->lock, CHECK_MS);
		if (fl->is_stopping)
			break;
		/* Not locked: flusher_start() must not wait for the disk. */
		pthread_mutex_unlock(&fl->lock);
		all = clock_ms() - fl->flushed_ms >= FLUSH_MS;
		while (file_use_flush_next(fl->transfer, &id,
					   all ? 1 : FLUSH_LEAVES))
			;
		if (all)
			fl->flushed_ms = clock_ms();
		pthread_mutex_lock(&fl->lock);
	}
	pthread_mutex_unlock(&fl->lock);
	return NULL;
}

struct flusher *flusher_new(struct transfer *t)
{
	struct flusher *fl = calloc(1, sizeof(*fl));

	if (!fl)
		return NULL;
	fl->transfer = t;
	pthread_mutex_init(&fl->lock, NULL);
	cond_init(&fl->stop);
	return fl;
}

void flusher_start(struct flusher *fl)
{
	if (fl->transfer->sync == SYNC_NONE)
		return;
	pthread_mutex_lock(&fl->lock);
	if (!fl->is_running && !fl->is_stopping) {
		fl->flushed_ms = clock_ms();
		fl->is_running = thread_start(&fl->thread, flusher_main,
					      fl) == 0;
	}
	pthread_mutex_unlock(&fl->lock);
}

void flusher_free(struct flusher *fl)
{
	if (!fl)
		return;
	pthread_mutex_lock(&fl->lock);
	fl->is_stopping = 1;
	pthread_cond_signal(&fl->stop);
	pthread_mutex_unlock(&fl->lock);
	if (fl->is_running)
		pthread_join(fl->thread, NULL);
	pthread_cond_destroy(&fl->stop);
	pthread_mutex_destroy(&fl->lock);
	free(fl);
}
