/*
 * A list of directories, each with the time when it is due.
 */
#include "receiver/keeper.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "os/cancel.h"
#include "os/cond.h"
#include "os/thread.h"
#include "receiver/kept.h"
#include "receiver/senders.h"

enum { SCAN_INTERVAL_MS = 24 * 60 * 60 * 1000 };

struct root {
	struct root *next;
	int fd; /* a copy, or -1 */
	dev_t dev;
	ino_t ino;
	struct kept *kept;
	uint64_t due_ms; /* clock_ms() */
};

struct keeper {
	/* set once */
	uint64_t keep_s, max_bytes;
	const struct session_events *events;
	struct cancel stop; /* a flag */
	pthread_t thread;
	int has_thread;
	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t woken;
	struct root *roots; /* none is removed before the end */
};

struct keeper *keeper_new(uint64_t keep_s, uint64_t max_bytes,
			  const struct session_events *events)
{
	struct keeper *kr = calloc(1, sizeof(*kr));

	if (!kr)
		return NULL;
	kr->keep_s = keep_s;
	kr->max_bytes = max_bytes;
	kr->events = events;
	cancel_init_flag(&kr->stop);
	pthread_mutex_init(&kr->lock, NULL);
	cond_init(&kr->woken);
	return kr;
}

/* ---- the directories ---- */

static void free_root(struct root *r)
{
	if (!r)
		return;
	kept_free(r->kept);
	io_close(&r->fd);
	free(r);
}

static struct root *new_root(const struct keeper *kr, const struct sender *s,
			     const struct stat *st)
{
	struct root *r = calloc(1, sizeof(*r));
	struct kept_config cfg = { .root_fd = s->root_fd,
				   .keep_s = kr->keep_s,
				   .max_bytes = kr->max_bytes,
				   .events = kr->events };

	if (!r)
		return NULL;
	r->dev = st->st_dev;
	r->ino = st->st_ino;
	r->due_ms = clock_ms();
	r->fd = -1;
	if (s->name)
		r->fd = cfg.root_fd = fcntl(s->root_fd, F_DUPFD_CLOEXEC, 0);
	r->kept = cfg.root_fd < 0 ? NULL : kept_new(&cfg);
	if (r->kept)
		return r;
	free_root(r);
	return NULL;
}

struct kept *keeper_add(struct keeper *kr, const struct sender *s)
{
	struct root *r;
	struct stat st;

	if (s->root_fd < 0 || fstat(s->root_fd, &st) < 0)
		return NULL;
	pthread_mutex_lock(&kr->lock);
	for (r = kr->roots; r; r = r->next) {
		if (r->dev == st.st_dev && r->ino == st.st_ino)
			break;
	}
	if (!r) {
		r = new_root(kr, s, &st);
		if (r) {
			r->next = kr->roots;
			kr->roots = r;
			pthread_cond_signal(&kr->woken);
		}
	}
	pthread_mutex_unlock(&kr->lock);
	return r ? r->kept : NULL;
}

/* ---- the thread ---- */

/* The directory that is due next, or NULL.  Locked. */
static struct root *next_due(const struct keeper *kr)
{
	struct root *found = kr->roots;

	for (struct root *r = kr->roots; r; r = r->next) {
		if (r->due_ms < found->due_ms)
			found = r;
	}
	return found;
}

static void *keeper_main(void *arg)
{
	struct keeper *kr = arg;
	struct root *r;

	pthread_mutex_lock(&kr->lock);
	/* At least the directories that there are at first, also where the
	 * receiver ends soon. */
	while ((r = next_due(kr)) != NULL) {
		const int left_ms = clock_left_ms(r->due_ms);

		if (left_ms > 0 && cancel_is_set(&kr->stop))
			break;
		if (left_ms > 0) {
			cond_wait(&kr->woken, &kr->lock,
					(unsigned)left_ms);
			continue;
		}
		pthread_mutex_unlock(&kr->lock);
		kept_look(r->kept, &kr->stop);
		pthread_mutex_lock(&kr->lock);
		r->due_ms = clock_ms() + SCAN_INTERVAL_MS;
	}
	pthread_mutex_unlock(&kr->lock);
	return NULL;
}

int keeper_start(struct keeper *kr)
{
	if (thread_start(&kr->thread, keeper_main, kr))
		return -1;
	kr->has_thread = 1;
	return 0;
}

void keeper_free(struct keeper *kr)
{
	if (!kr)
		return;
	pthread_mutex_lock(&kr->lock);
	cancel_set(&kr->stop);
	pthread_cond_signal(&kr->woken);
	pthread_mutex_unlock(&kr->lock);
	if (kr->has_thread)
		pthread_join(kr->thread, NULL);
	while (kr->roots) {
		struct root *next = kr->roots->next;

		free_root(kr->roots);
		kr->roots = next;
	}
	cancel_release(&kr->stop);
	pthread_cond_destroy(&kr->woken);
	pthread_mutex_destroy(&kr->lock);
	free(kr);
}
