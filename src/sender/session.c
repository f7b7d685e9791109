/*
 * The state of a sending session.
 */
#include "sender/session.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/stream.h"
#include "os/cancel.h"
#include "os/wake.h"
#include "sender/queue.h"
#include "wire/frame.h"

struct send_session {
	/* set once */
	struct queue *queue;
	struct wake wake; /* the control thread's */

	struct cancel stop;      /* ends connecting */
	atomic_int is_cancelled; /* by the user */
	atomic_uint at_task;     /* streams that have begun a task */

	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t begun; /* SESSION_READY, has_failed or is_over was set */
	enum session_stage stage;
	int has_failed;
	int was_ready; /* some session of the transfer was */
	int is_over;   /* and no other follows */
	struct err err;                        /* the most telling one */
	unsigned streams;                      /* threads */
	struct stream *connected[STREAMS_MAX]; /* borrowed */
};

struct send_session *send_session_new(struct queue *queue)
{
	struct send_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->queue = queue;
	s->wake.fd = -1;
	if (cancel_init(&s->stop) || wake_open(&s->wake)) {
		cancel_release(&s->stop);
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->begun, NULL);
	return s;
}

void send_session_free(struct send_session *s)
{
	if (!s)
		return;
	cancel_release(&s->stop);
	wake_close(&s->wake);
	pthread_cond_destroy(&s->begun);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void send_session_restart(struct send_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->stage = SESSION_CONNECTING;
	s->has_failed = 0;
	err_clear(&s->err);
	cancel_reset(&s->stop);
	pthread_mutex_unlock(&s->lock);
}

/* ---- the stages ---- */

void send_session_set_stage(struct send_session *s, enum session_stage stage)
{
	pthread_mutex_lock(&s->lock);
	s->stage = stage;
	s->was_ready |= stage == SESSION_READY;
	pthread_cond_broadcast(&s->begun);
	pthread_mutex_unlock(&s->lock);
	/* The control thread may start further streams now; GREETED changes
	 * nothing for it. */
	if (stage != SESSION_GREETED)
		send_session_wake(s);
}

enum session_stage send_session_stage(struct send_session *s)
{
	enum session_stage stage;

	pthread_mutex_lock(&s->lock);
	stage = s->stage;
	pthread_mutex_unlock(&s->lock);
	return stage;
}

int send_session_has_failed(struct send_session *s)
{
	int has_failed;

	pthread_mutex_lock(&s->lock);
	has_failed = s->has_failed;
	pthread_mutex_unlock(&s->lock);
	return has_failed;
}

int send_session_await_ready(struct send_session *s)
{
	int has_failed;

	pthread_mutex_lock(&s->lock);
	while (s->stage != SESSION_READY && !s->has_failed)
		pthread_cond_wait(&s->begun, &s->lock);
	has_failed = s->has_failed;
	pthread_mutex_unlock(&s->lock);
	return has_failed ? -1 : 0;
}

int send_session_await_first(struct send_session *s)
{
	int was_ready;

	pthread_mutex_lock(&s->lock);
	while (!s->was_ready && !s->is_over)
		pthread_cond_wait(&s->begun, &s->lock);
	was_ready = s->was_ready;
	pthread_mutex_unlock(&s->lock);
	return was_ready ? 0 : -1;
}

void send_session_give_up(struct send_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_over = 1;
	pthread_cond_broadcast(&s->begun);
	pthread_mutex_unlock(&s->lock);
}

/* ---- connections ---- */

int send_session_watch_stream(struct send_session *s, unsigned index,
			      struct stream *stream)
{
	int failed;

	pthread_mutex_lock(&s->lock);
	s->connected[index] = stream;
	failed = s->has_failed;
	pthread_mutex_unlock(&s->lock);
	return failed;
}

/* ---- the end ---- */

/* The caller holds the lock. */
static void set_failure(struct send_session *s, const struct err *e)
{
	/* A thread that was interrupted because another one failed has nothing
	 * to add to that one's error. */
	if (e->code != ERR_INTERRUPTED || send_session_is_cancelled(s) ||
	    !s->has_failed)
		err_merge(&s->err, e);
	s->has_failed = 1;
	cancel_set(&s->stop);
	pthread_cond_broadcast(&s->begun);
}

void send_session_fail(struct send_session *s, const struct err *e)
{
	pthread_mutex_lock(&s->lock);
	set_failure(s, e);
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (s->connected[i])
			stream_abort(s->connected[i]);
	}
	pthread_mutex_unlock(&s->lock);
	queue_pause(s->queue);
}

int send_session_cancel(struct send_session *s)
{
	struct err e;
	int is_known;

	err_set(&e, ERR_INTERRUPTED, "interrupted");
	atomic_store(&s->is_cancelled, 1);
	pthread_mutex_lock(&s->lock);
	is_known = s->stage >= SESSION_GREETED;
	set_failure(s, &e);
	pthread_mutex_unlock(&s->lock);
	/* A receiver that is not told may wait for the sender to come back. */
	if (is_known)
		queue_wake(s->queue);
	else
		send_session_fail(s, &e);
	return is_known;
}

int send_session_is_cancelled(const struct send_session *s)
{
	return atomic_load_explicit(&s->is_cancelled, memory_order_relaxed);
}

void send_session_stop_opening(struct send_session *s)
{
	cancel_set(&s->stop);
}

const struct cancel *send_session_stop(const struct send_session *s)
{
	return &s->stop;
}

void send_session_error(struct send_session *s, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	*e = s->err;
	pthread_mutex_unlock(&s->lock);
}

/* ---- threads ---- */

int send_session_wake_fd(const struct send_session *s)
{
	return s->wake.fd;
}

void send_session_clear_wake(const struct send_session *s)
{
	wake_clear(&s->wake);
}

void send_session_wake(const struct send_session *s)
{
	wake_signal(&s->wake);
}

void send_session_add_stream(struct send_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->streams++;
	pthread_mutex_unlock(&s->lock);
}

void send_session_end_stream(struct send_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->streams--;
	pthread_mutex_unlock(&s->lock);
	send_session_wake(s);
}

unsigned send_session_count_streams(struct send_session *s)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->streams;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void send_session_begin_task(struct send_session *s)
{
	atomic_fetch_add(&s->at_task, 1);
}

void send_session_end_task(struct send_session *s)
{
	atomic_fetch_sub(&s->at_task, 1);
}

unsigned send_session_count_tasks(struct send_session *s)
{
	return atomic_load(&s->at_task);
}
