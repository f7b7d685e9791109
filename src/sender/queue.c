/*
 * The queue of a sending session: adding to it, and what its other files share.
 */
#include "sender/queue.h"

#include <stdlib.h>

#include "base/err.h"
#include "sender/delta.h"
#include "sender/queue_priv.h"

struct queue *queue_new(void)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	if (wake_open(&q->wake)) {
		free(q);
		return NULL;
	}
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->room, NULL);
	inflight_init(&q->inflight);
	q->packs_end = &q->packs;
	q->files_end = &q->files;
	q->open_limit = 1;
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	while (q->packs) {
		struct pack *pk = q->packs;

		q->packs = pk->next;
		pack_free(pk);
	}
	while (q->files) {
		struct outfile *f = q->files;

		q->files = f->locked->next;
		outfile_free(f);
	}
	inflight_release(&q->inflight);
	wake_close(&q->wake);
	pthread_cond_destroy(&q->room);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* ---- waking streams ---- */

void queue_signal(struct queue *q)
{
	if (q->waiting == 0 || q->is_signalled)
		return;
	q->is_signalled = 1;
	wake_signal(&q->wake);
}

void queue_clear_signal(struct queue *q)
{
	if (!q->is_signalled)
		return;
	q->is_signalled = 0;
	wake_clear(&q->wake);
}

void queue_wake(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
}

void queue_pause(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_paused = 1;
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_closed = 1;
	pthread_cond_broadcast(&q->room);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
}

/* ---- packs and files that wait ---- */

/* Wait until there is room, or the queue is closed.  Returns which. */
static int wait_for_room(struct queue *q)
{
	while (!q->is_closed && (q->pack_count >= QUEUE_PACKS_MAX ||
				 q->file_count >= QUEUE_FILES_MAX ||
				 q->inflight.items >= QUEUE_INFLIGHT_MAX)) {
		q->is_full = 1;
		pthread_cond_wait(&q->room, &q->lock);
	}
	q->is_full = 0;
	return q->is_closed ? ERR_INTERRUPTED : 0;
}

int queue_add_pack(struct queue *q, struct pack *pk)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = wait_for_room(q);
	if (rc == 0) {
		*q->packs_end = pk;
		q->packs_end = &pk->next;
		q->pack_count++;
		queue_signal(q);
	}
	pthread_mutex_unlock(&q->lock);
	if (rc)
		pack_free(pk);
	return rc;
}

void queue_append_file(struct queue *q, struct outfile *f)
{
	*q->files_end = f;
	q->files_end = &f->locked->next;
	q->file_count++;
	queue_signal(q);
}

int queue_add_file(struct queue *q, struct outfile *f)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = wait_for_room(q);
	if (rc == 0)
		queue_append_file(q, f);
	pthread_mutex_unlock(&q->lock);
	if (rc)
		outfile_free(f);
	return rc;
}

void queue_push_pack(struct queue *q, struct pack *pk)
{
	pk->next = q->packs;
	if (!q->packs)
		q->packs_end = &pk->next;
	q->packs = pk;
	q->pack_count++;
}

void queue_set_scanned(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_scanned = 1;
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
}

void queue_set_waiting(struct queue *q, int is_waiting)
{
	pthread_mutex_lock(&q->lock);
	q->scan_waits = is_waiting;
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
}

void queue_set_unscanned(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_scanned = 0;
	pthread_mutex_unlock(&q->lock);
}

int queue_is_closed(struct queue *q)
{
	int closed;

	pthread_mutex_lock(&q->lock);
	closed = q->is_closed;
	pthread_mutex_unlock(&q->lock);
	return closed;
}

int queue_is_starved(struct queue *q)
{
	int starved;

	pthread_mutex_lock(&q->lock);
	starved = q->waiting > 0 && !q->packs && !q->files;
	pthread_mutex_unlock(&q->lock);
	return starved;
}

/* ---- open files ---- */

struct queue_verdict queue_describe_item(const struct inflight_entry *en,
					 uint64_t id)
{
	const struct pack *pk = en->pack;
	const struct item *it = &pk->items[id - en->first];

	return (struct queue_verdict){
		.name = pack_name(pk, it),
		.name_len = it->name_len,
		.item = it,
		.id = id,
		.size = it->kind == ITEM_FILE ? (uint64_t)it->st.st_size : 0,
		.target = it->target_len > 0 ? pack_target(pk, it) : NULL,
		.target_len = it->target_len,
	};
}

int queue_can_send(const struct outfile *f)
{
	return f->locked->state == FILE_SENDING ||
	       f->locked->state == FILE_ENDED;
}

void queue_remove_active(struct queue *q, struct outfile *f)
{
	struct outfile_locked *l = f->locked;
	struct outfile **at = &q->active;

	if (!l->is_active)
		return;
	while (*at != f)
		at = &(*at)->locked->next;
	*at = l->next;
	l->next = NULL;
	l->is_active = 0;
}

/* At the end, so that the files opened first are sent first. */
void queue_add_active(struct queue *q, struct outfile *f)
{
	struct outfile **at = &q->active;

	while (*at)
		at = &(*at)->locked->next;
	*at = f;
	f->locked->next = NULL;
	f->locked->is_active = 1;
}

void queue_settle_active(struct queue *q, struct outfile *f)
{
	struct outfile_locked *l = f->locked;

	if (f->is_stream ? l->at_eof
			 : l->todo.len == 0 && l->unverified.len == 0 &&
				   (!l->delta ||
				    delta_compare_places(l->delta) == 0))
		queue_remove_active(q, f);
	else if (!l->is_active)
		queue_add_active(q, f);
}

int queue_return_leaves(struct queue *q, struct outfile *f, uint64_t leaf,
			uint64_t count)
{
	if (!f->locked->is_in_flight || !queue_can_send(f))
		return 0;
	if (runs_add(&f->locked->todo, leaf, count))
		return ERR_CORRUPT;
	queue_settle_active(q, f);
	return 0;
}

void queue_end_flight(struct queue *q, struct outfile *f)
{
	struct outfile_locked *l = f->locked;

	q->open_count -= (unsigned)l->is_counted;
	l->is_counted = 0;
	if (!l->is_in_flight)
		return;
	inflight_end_file(&q->inflight, f);
	q->checks_out -= l->checks;
	l->checks = 0;
	if (l->delta) {
		q->compares_out -= delta_waiting(l->delta);
		delta_stop_waiting(l->delta);
	}
	queue_remove_active(q, f);
	pthread_cond_signal(&q->room);
}

void queue_drop_if_unused(struct queue *q, struct outfile *f)
{
	if (f->locked->users > 0 || f->locked->is_in_flight)
		return;
	queue_remove_active(q, f);
	outfile_free(f);
}

/* ---- how far the session is ---- */

int queue_is_done(const struct queue *q)
{
	return q->is_scanned && q->busy == 0 && !q->packs && !q->files &&
	       !q->active && q->inflight.items == q->inflight.deferred;
}

int queue_has_progress(struct queue *q)
{
	int has;

	pthread_mutex_lock(&q->lock);
	has = q->has_progress;
	pthread_mutex_unlock(&q->lock);
	return has;
}

static unsigned count_of_file(const struct outfile *f)
{
	struct outfile_locked *l = f->locked;
	const struct delta *d = l->delta;
	unsigned n = l->unverified.len > 0;

	if (d)
		n += delta_compare_places(d) > 0;
	/* Held: there is one task, to ask for pieces. */
	if (l->todo.len > 0)
		n += !d || !delta_is_held(d) ? 2 : (unsigned)delta_has_request(d);
	return n;
}

unsigned queue_count_tasks(const struct queue *q)
{
	unsigned n = q->pack_count;

	if (q->open_count < q->open_limit)
		n += q->file_count;
	for (const struct outfile *f = q->active; f; f = f->locked->next) {
		if (!queue_can_send(f))
			continue;
		if (f->is_stream)
			n += !f->locked->is_reading;
		else
			n += count_of_file(f);
	}
	return n;
}

unsigned queue_backlog(struct queue *q)
{
	unsigned n;

	pthread_mutex_lock(&q->lock);
	n = queue_count_tasks(q);
	pthread_mutex_unlock(&q->lock);
	return n;
}

/* ---- another session ---- */

int queue_can_restart(struct queue *q)
{
	int can = 1;

	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < q->inflight.len; i++) {
		const struct outfile *f = q->inflight.v[i].file;

		if (f && f->is_stream &&
		    (f->locked->is_begun || f->locked->at_eof))
			can = 0;
	}
	pthread_mutex_unlock(&q->lock);
	return can;
}

void queue_restart(struct queue *q)
{
	struct outfile *f;
	struct pack *pk;

	pthread_mutex_lock(&q->lock);
	/* From the last id back, each before the others: so what was sent first
	 * is first in the queue again. */
	while (inflight_pop(&q->inflight, &pk, &f)) {
		if (f) {
			queue_remove_active(q, f);
			outfile_restart(f);
			f->locked->next = q->files;
			if (!q->files)
				q->files_end = &f->locked->next;
			q->files = f;
			q->file_count++;
		} else {
			pack_restart(pk);
			queue_push_pack(q, pk);
		}
	}
	q->open_count = 0;
	q->open_limit = 1;
	q->busy = q->waiting = 0;
	q->checking = q->checks_out = q->compares_out = q->resends = 0;
	q->has_progress = 0;
	q->dirs = 0;
	q->is_paused = 0;
	queue_clear_signal(q);
	pthread_mutex_unlock(&q->lock);
}
