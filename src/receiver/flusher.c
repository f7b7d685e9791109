/*
 * The flusher: what arrived of large files is made durable from time to time
 * and marked so in their journals.  A thread of its own, for a flush may take
 * as long as the disk likes.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "fs/journal.h"
#include "receiver/receiver.h"

enum {
	LOOK_MS = 500,
	/* When a file is flushed: so many leaves (of 1 MiB), or so long. */
	FLUSH_LEAVES = 256,
	FLUSH_MS = 5000,
};

struct flusher {
	struct rsession *session;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	int is_stopping; /* guarded by lock */
	uint64_t flushed_ms; /* its thread's */
};

/* The next file behind one with id `after` that has something to flush, in use
 * by the caller. */
static struct infile *next_due(struct rsession *s, uint64_t after, int all)
{
	struct infile *due = NULL;

	pthread_mutex_lock(&s->lock);
	for (struct infile *f = s->files; f; f = f->next) {
		struct journal *j =
			f->is_flushed && !f->is_dead ? f->commit->journal : NULL;

		if (!j || f->id <= after || (due && f->id > due->id))
			continue;
		if (journal_unflushed(j) >= (all ? 1 : FLUSH_LEAVES))
			due = f;
	}
	if (due)
		due->users++;
	pthread_mutex_unlock(&s->lock);
	return due;
}

static void flush_due(struct flusher *fl)
{
	int all = clock_ms() - fl->flushed_ms >= FLUSH_MS;
	struct rsession *s = fl->session;
	struct infile *f;
	uint64_t id = 0;
	struct err e;

	while ((f = next_due(s, id, all))) {
		id = f->id;
		err_clear(&e);
		if (journal_flush(f->commit->journal, &f->commit->part, &e))
			rfile_fail(s, f, wire_cause_of_errno(e.sys_errno));
		rfile_release(s, f);
	}
	if (all)
		fl->flushed_ms = clock_ms();
}

/* Returns whether to go on. */
static int wait_a_while(struct flusher *fl)
{
	int stops;

	pthread_mutex_lock(&fl->lock);
	if (!fl->is_stopping)
		clock_cond_wait(&fl->stop, &fl->lock, LOOK_MS);
	stops = fl->is_stopping;
	pthread_mutex_unlock(&fl->lock);
	return !stops;
}

static void *flusher_main(void *arg)
{
	struct flusher *fl = arg;

	while (wait_a_while(fl))
		flush_due(fl);
	return NULL;
}

struct flusher *flusher_start(struct rsession *s)
{
	struct flusher *fl = calloc(1, sizeof(*fl));

	if (!fl)
		return NULL;
	fl->session = s;
	fl->flushed_ms = clock_ms();
	pthread_mutex_init(&fl->lock, NULL);
	clock_cond_init(&fl->stop);
	if (pthread_create(&fl->thread, NULL, flusher_main, fl) == 0)
		return fl;
	pthread_cond_destroy(&fl->stop);
	pthread_mutex_destroy(&fl->lock);
	free(fl);
	return NULL;
}

void flusher_stop(struct flusher *fl)
{
	if (!fl)
		return;
	pthread_mutex_lock(&fl->lock);
	fl->is_stopping = 1;
	pthread_cond_signal(&fl->stop);
	pthread_mutex_unlock(&fl->lock);
	pthread_join(fl->thread, NULL);
	pthread_cond_destroy(&fl->stop);
	pthread_mutex_destroy(&fl->lock);
	free(fl);
}
