/*
 * The deltas of files in flight.
 */
#include "sender/queue_delta.h"

#include <stdlib.h>

#include "base/err.h"
#include "sender/delta.h"
#include "sender/queue_priv.h"

void queue_delta_begin(struct queue *q, int may_find, uint64_t salt)
{
	pthread_mutex_lock(&q->lock);
	q->may_find = may_find;
	q->salt = salt;
	q->compares_none = 0;
	pthread_mutex_unlock(&q->lock);
}

int queue_delta_stop(struct queue *q)
{
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	q->compares_none = 1;
	for (struct outfile *f = q->active; rc == 0 && f; f = f->locked->next) {
		if (f->locked->delta && queue_can_send(f))
			rc = delta_stop(f->locked->delta, &f->locked->todo);
	}
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

/* ---- SIGNATURE ---- */

/* Before STATE. */
static int take_basis(struct queue *q, struct outfile *f,
		      const struct msg_signature *m)
{
	struct outfile_locked *l = f->locked;

	if (l->delta || f->is_stream)
		return ERR_PROTOCOL;
	/* A file that is sent whole is not compared, nor is one that failed. */
	if (l->state != FILE_OPENING)
		return 0;
	if (q->compares_none)
		return 0;
	q->replies++;
	l->delta = delta_new(m->offset, tree_leaf_count(f->size), q->may_find,
			     q->salt);
	return l->delta ? 0 : ERR_RESOURCE;
}

static int take_same(struct queue *q, struct outfile *f,
		     const struct msg_signature *m, uint64_t *same)
{
	struct outfile_locked *l = f->locked;
	const uint64_t leaf = m->offset / TREE_LEAF;
	const unsigned waiting = delta_waiting(l->delta);
	int rc = delta_same(l->delta, &l->todo, leaf, m->count);

	q->compares_out -= waiting - delta_waiting(l->delta);
	queue_settle_active(q, f);
	for (uint32_t i = 0; rc == 0 && i < m->count; i++)
		*same += tree_leaf_size(f->size, leaf + i);
	l->counted += (int64_t)*same;
	return rc;
}

static int take_blocks(struct queue *q, struct outfile *f,
		       const struct msg_signature *m)
{
	struct outfile_locked *l = f->locked;
	const uint64_t leaf = m->offset / TREE_LEAF;
	const unsigned waiting = delta_waiting(l->delta);
	int rc = delta_differs(l->delta, &l->todo, leaf, m->list, m->count);

	q->compares_out -= waiting - delta_waiting(l->delta);
	queue_settle_active(q, f);
	return rc;
}

static int take_signature(struct queue *q, struct outfile *f,
			  const struct msg_signature *m, uint64_t *same)
{
	if (m->kind == SIGNATURE_BASIS)
		return take_basis(q, f, m);
	/* A file that failed on this side may still get answers. */
	if (!queue_can_send(f))
		return 0;
	if (!f->locked->delta)
		return ERR_PROTOCOL;
	/* Each of these is accepted once. */
	q->replies++;
	switch ((enum signature_kind)m->kind) {
	case SIGNATURE_SAME:
		return take_same(q, f, m, same);
	case SIGNATURE_BLOCKS:
		return take_blocks(q, f, m);
	case SIGNATURE_PIECES:
		return delta_pieces(f->locked->delta, m);
	case SIGNATURE_END:
		return delta_pieces_end(f->locked->delta, m);
	case SIGNATURE_BASIS:
		break;
	}
	return ERR_PROTOCOL;
}

int queue_delta_signature(struct queue *q, const struct msg_signature *m,
			  uint64_t *same)
{
	struct inflight_entry *en;
	int rc = 0;

	*same = 0;
	pthread_mutex_lock(&q->lock);
	en = inflight_at(&q->inflight, m->id);
	if (!inflight_was_given(&q->inflight, m->id, 1) || (en && en->pack))
		rc = ERR_PROTOCOL;
	else if (en)
		rc = take_signature(q, en->file, m, same);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

/* ---- COMPARE ---- */

void queue_delta_compare(struct queue *q, struct outfile *f,
			 struct delta_leaf *list)
{
	pthread_mutex_lock(&q->lock);
	while (list) {
		struct delta_leaf *l = list;

		list = l->next;
		/* It has failed meanwhile: its answers are not waited for. */
		if (f->locked->is_in_flight)
			delta_add(f->locked->delta, l);
		else
			free(l);
	}
	pthread_mutex_unlock(&q->lock);
}

int queue_delta_skip(struct queue *q, struct outfile *f, unsigned count)
{
	struct outfile_locked *l = f->locked;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	if (l->is_in_flight) {
		q->compares_out -= count;
		rc = delta_skip(l->delta, &l->todo, count);
		queue_settle_active(q, f);
		queue_signal(q);
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

void queue_delta_request(struct queue *q, struct outfile *f,
			 struct delta_request *out)
{
	pthread_mutex_lock(&q->lock);
	*out = delta_request(f->locked->delta);
	pthread_mutex_unlock(&q->lock);
}

/* ---- sending ---- */

void queue_delta_take(struct queue *q, struct outfile *f, uint64_t leaf,
		      struct delta_take *out)
{
	struct outfile_locked *l = f->locked;

	*out = (struct delta_take){ .way = DELTA_AS_IS };
	/* Set before STATE, so before there are leaves to be sent. */
	if (!l->delta)
		return;
	pthread_mutex_lock(&q->lock);
	delta_take(l->delta, leaf, runs_has(&l->sent, leaf), out);
	pthread_mutex_unlock(&q->lock);
}

int queue_delta_give(struct queue *q, struct outfile *f,
		     struct delta_take *t, uint64_t leaf, int as_recipe,
		     uint64_t found)
{
	int is_held = 0;

	if (t->way == DELTA_AS_IS && !t->leaf)
		return 0;
	pthread_mutex_lock(&q->lock);
	is_held = delta_give(f->locked->delta, t, leaf, as_recipe, found);
	if (is_held)
		queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return is_held;
}

int queue_delta_hold(struct queue *q, struct outfile *f, uint64_t leaf,
		     uint64_t count)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = queue_return_leaves(q, f, leaf, count);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}
