/*
 * Packs and files that streams are at work on: their ids, and what was sent.
 */
#include "sender/queue_files.h"

#include "base/err.h"
#include "sender/queue_priv.h"

uint64_t queue_assign_pack_ids(struct queue *q, struct pack *pk)
{
	uint64_t id = 0;

	pthread_mutex_lock(&q->lock);
	q->busy--;
	if (pk->count > 0)
		id = inflight_add(&q->inflight, pk, NULL);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	if (!id)
		pack_free(pk);
	return id;
}

void queue_return_pack(struct queue *q, struct pack *pk)
{
	pthread_mutex_lock(&q->lock);
	q->busy--;
	queue_push_pack(q, pk);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
}

uint64_t queue_assign_file_id(struct queue *q, struct outfile *f, int is_whole)
{
	uint64_t id;

	pthread_mutex_lock(&q->lock);
	id = inflight_add(&q->inflight, NULL, f);
	if (id) {
		f->locked->state = is_whole ? FILE_SENDING : FILE_OPENING;
		if (!is_whole)
			queue_add_active(q, f);
	}
	pthread_mutex_unlock(&q->lock);
	return id;
}

void queue_requeue_file(struct queue *q, struct outfile *f)
{
	pthread_mutex_lock(&q->lock);
	queue_append_file(q, f);
	pthread_mutex_unlock(&q->lock);
}

void queue_requeue_pack(struct queue *q, struct pack *pk)
{
	pthread_mutex_lock(&q->lock);
	queue_push_pack(q, pk);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
}

int queue_is_wanted(struct queue *q, struct outfile *f)
{
	int wanted;

	pthread_mutex_lock(&q->lock);
	wanted = f->locked->state != FILE_DEAD && !q->is_closed && !q->is_paused;
	pthread_mutex_unlock(&q->lock);
	return wanted;
}

void queue_set_stdin_begun(struct queue *q, struct outfile *f)
{
	pthread_mutex_lock(&q->lock);
	f->locked->is_begun = 1;
	pthread_mutex_unlock(&q->lock);
}

uint64_t queue_add_stdin_leaf(struct queue *q, struct outfile *f, size_t n,
			      int is_end)
{
	struct outfile_locked *l = f->locked;
	uint64_t leaf;

	pthread_mutex_lock(&q->lock);
	leaf = l->next_leaf;
	if (n > 0 || (is_end && leaf == 0))
		l->next_leaf++;
	l->sent_bytes += n;
	l->is_reading = 0;
	if (is_end) {
		l->at_eof = 1;
		f->size = l->sent_bytes;
		queue_remove_active(q, f);
	}
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return leaf;
}

int queue_put_leaf(struct queue *q, struct outfile *f, uint64_t leaf,
		   const uint8_t *digest)
{
	int rc, was_known;

	pthread_mutex_lock(&q->lock);
	was_known = tree_has(f->tree, leaf);
	rc = tree_put(f->tree, leaf, digest);
	pthread_mutex_unlock(&q->lock);
	return rc ? rc : was_known;
}

int queue_leaf_sent(struct queue *q, struct outfile *f, uint64_t leaf,
		    size_t n)
{
	struct outfile_locked *l = f->locked;
	int was_sent;

	pthread_mutex_lock(&q->lock);
	l->counted += (int64_t)n;
	was_sent = runs_has(&l->sent, leaf);
	/* Without memory, the next time counts as the first one, too. */
	(void)runs_add(&l->sent, leaf, 1);
	pthread_mutex_unlock(&q->lock);
	return was_sent;
}

void queue_count_spared(struct queue *q, struct outfile *f, uint64_t n)
{
	pthread_mutex_lock(&q->lock);
	f->locked->counted += (int64_t)n;
	pthread_mutex_unlock(&q->lock);
}

int queue_leaf_digest(struct queue *q, struct outfile *f, uint64_t leaf,
		      uint8_t *out)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = tree_leaf_digest(f->tree, leaf, out);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

int queue_range_digest(struct queue *q, struct outfile *f, uint64_t range,
		       uint8_t *out)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = tree_range_digest(f->tree, range, out);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

void queue_add_check(struct queue *q, struct outfile *f)
{
	pthread_mutex_lock(&q->lock);
	if (f->locked->is_in_flight) {
		f->locked->checks++;
		q->checks_out++;
	}
	pthread_mutex_unlock(&q->lock);
}

int queue_take_end(struct queue *q, struct outfile *f)
{
	struct outfile_locked *l = f->locked;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	/* Standard input has a size only once its end was read. */
	if (l->state == FILE_SENDING && f->size != TREE_SIZE_UNKNOWN &&
	    (!f->is_stream || l->at_eof) &&
	    tree_set_size(f->tree, f->size) == 0 && tree_is_complete(f->tree)) {
		rc = tree_final(f->tree, f->item.digest);
		if (rc == 0) {
			l->state = FILE_ENDED;
			l->has_digest = 1;
			rc = 1;
		}
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

int queue_fail_file(struct queue *q, struct outfile *f)
{
	int first;

	pthread_mutex_lock(&q->lock);
	/* A refused file is FILE_DEAD too, but its verdict is still to come. */
	first = f->locked->state != FILE_DEAD;
	f->locked->state = FILE_DEAD;
	if (first)
		queue_end_flight(q, f);
	pthread_mutex_unlock(&q->lock);
	return first;
}
