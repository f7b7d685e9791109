/*
 * Choosing the next task for a stream.
 */
#include "sender/queue_tasks.h"

#include "sender/delta.h"
#include "sender/queue_priv.h"

enum {
	/* The most leaves of a TASK_COMPARE; and of all COMPAREs without an
	 * answer.  A receiver compares about one in a millisecond, so these are
	 * enough for a round trip of a quarter of a second.  While there is
	 * something to send, fewer keep it busy. */
	COMPARE_BATCH = 16,
	COMPARES_MAX = 256,
	COMPARES_FEW = 64,
	/* The most leaves of a TASK_RANGE. */
	RANGE_LEAVES_MAX = 16,
	/* The most CHECKs without an answer.  With 64 leaves of digests in
	 * each, more would not keep the receiver busier. */
	CHECKS_MAX = 16,
};

static int take_open(struct queue *q, struct task *t, int is_early)
{
	struct outfile *f = q->files;

	if (!f || q->open_count >= q->open_limit)
		return 0;
	/* Only READY tells whether it is to be listed first. */
	if (is_early && f->size <= OUTFILE_WHOLE_MAX)
		return 0;
	q->files = f->locked->next;
	if (!q->files)
		q->files_end = &q->files;
	f->locked->next = NULL;
	q->file_count--;
	/* Already here: another stream may take the next one before this one
	 * has its id. */
	q->open_count++;
	f->locked->is_counted = 1;
	f->locked->users = 1;
	t->kind = TASK_OPEN;
	t->file = f;
	return 1;
}

static int take_pack(struct queue *q, struct task *t)
{
	struct pack *pk = q->packs;

	if (!pk)
		return 0;
	q->packs = pk->next;
	if (!q->packs)
		q->packs_end = &q->packs;
	pk->next = NULL;
	q->pack_count--;
	t->kind = TASK_PACK;
	t->pack = pk;
	return 1;
}

/*
 * Take a range of a file; with or_stdin, also the next chunk of standard input.
 * Ranges become shorter the less of the file is left, so that all streams end
 * at about the same time, however fast each is (Polychronopoulos and Kuck,
 * "Guided Self-Scheduling", IEEE Trans. Computers C-36(12), 1987).
 */
static int take_range(struct queue *q, struct task *t, int or_stdin)
{
	for (struct outfile *f = q->active; f; f = f->locked->next) {
		struct outfile_locked *l = f->locked;

		if (!queue_can_send(f))
			continue;
		if (f->is_stream) {
			if (!or_stdin || l->is_reading || l->at_eof)
				continue;
			l->is_reading = 1;
			t->kind = TASK_STDIN;
		} else {
			const uint64_t n = 1 + runs_count(&l->todo) /
						       (2 * STREAMS_MAX);

			if (l->delta && l->todo.len > 0 &&
			    !delta_may_send(l->delta, l->todo.v[0].first))
				continue;
			t->kind = TASK_RANGE;
			t->count = runs_take(
				&l->todo,
				n < RANGE_LEAVES_MAX ? n : RANGE_LEAVES_MAX,
				&t->leaf);
			if (t->count == 0)
				continue;
			queue_settle_active(q, f);
		}
		l->users++;
		t->file = f;
		return 1;
	}
	return 0;
}

/* Take the first unverified leaves of a file that lie in one range of its
 * tree. */
static int take_check(struct queue *q, struct task *t)
{
	if (q->checks_out + q->checking >= CHECKS_MAX)
		return 0;
	for (struct outfile *f = q->active; f; f = f->locked->next) {
		struct outfile_locked *l = f->locked;
		uint64_t max;

		if (l->unverified.len == 0 || !queue_can_send(f) ||
		    l->todo.len > OUTFILE_RUNS_MAX / 2 ||
		    (l->delta &&
		     delta_compare_places(l->delta) > DELTA_RUNS_MAX / 2))
			continue;
		max = TREE_RANGE_LEAVES -
		      l->unverified.v[0].first % TREE_RANGE_LEAVES;
		t->kind = TASK_CHECK;
		t->count = runs_take(&l->unverified, max, &t->leaf);
		t->file = f;
		l->users++;
		q->checking++;
		queue_settle_active(q, f);
		return 1;
	}
	return 0;
}

/* Take leaves of a file to compare. */
static int take_compare(struct queue *q, struct task *t, unsigned most)
{
	for (struct outfile *f = q->active; f; f = f->locked->next) {
		struct outfile_locked *l = f->locked;
		struct delta *d = l->delta;

		if (q->compares_out >= most)
			return 0;
		if (!d || delta_compare_places(d) == 0 || !queue_can_send(f) ||
		    l->todo.len > OUTFILE_RUNS_MAX / 2)
			continue;
		t->count = delta_take_compare(d, COMPARE_BATCH, &t->leaf);
		if (t->count == 0)
			continue;
		t->kind = TASK_COMPARE;
		t->file = f;
		l->users++;
		q->compares_out += (unsigned)t->count;
		queue_settle_active(q, f);
		return 1;
	}
	return 0;
}

/* Take the task to ask for pieces of a basis. */
static int take_pieces(struct queue *q, struct task *t)
{
	for (struct outfile *f = q->active; f; f = f->locked->next) {
		struct outfile_locked *l = f->locked;

		if (!l->delta || !delta_has_request(l->delta) ||
		    l->todo.len == 0 || !queue_can_send(f))
			continue;
		delta_ask(l->delta);
		t->kind = TASK_PIECES;
		t->file = f;
		l->users++;
		return 1;
	}
	return 0;
}

/* Checks need the disk and the processor rather than the network: while there
 * is something to send, only one stream at a time does them, in turn with
 * ranges. */
static int take_data(struct queue *q, struct task *t, int was_range)
{
	if (was_range && q->checking == 0 && take_check(q, t))
		return 1;
	return take_pack(q, t) || take_compare(q, t, COMPARES_FEW) ||
	       take_range(q, t, 1) || take_check(q, t) ||
	       take_compare(q, t, COMPARES_MAX) || take_pieces(q, t);
}

enum queue_next queue_take(struct queue *q, struct task *t, int only_open)
{
	enum queue_next next = QUEUE_WAIT;
	int was_range = t->kind == TASK_RANGE;

	pthread_mutex_lock(&q->lock);
	if (t->is_waiting)
		q->waiting--;
	t->is_waiting = 0;
	queue_clear_signal(q);
	if (q->is_closed || q->is_paused)
		next = QUEUE_CLOSED;
	else if (take_open(q, t, only_open) || (!only_open && take_data(q, t, was_range)))
		next = QUEUE_TASK;
	else if (queue_is_done(q))
		next = QUEUE_DONE;
	if (next == QUEUE_TASK) {
		q->busy++;
		pthread_cond_signal(&q->room);
		/* This call cleared the signal, which was for all streams. */
		if (queue_count_tasks(q) > 0)
			queue_signal(q);
	} else if (next == QUEUE_WAIT) {
		q->waiting++;
		t->is_waiting = 1;
	} else {
		/* All other streams have to end as well. */
		queue_signal(q);
	}
	pthread_mutex_unlock(&q->lock);
	return next;
}

void queue_stop_waiting(struct queue *q, struct task *t)
{
	if (!t->is_waiting)
		return;
	pthread_mutex_lock(&q->lock);
	q->waiting--;
	pthread_mutex_unlock(&q->lock);
	t->is_waiting = 0;
}

int queue_take_range(struct queue *q, struct task *t)
{
	int got;

	pthread_mutex_lock(&q->lock);
	got = !q->is_closed && !q->is_paused && take_range(q, t, 0);
	q->busy += (unsigned)got;
	pthread_mutex_unlock(&q->lock);
	return got;
}

static void release_task(struct queue *q, const struct task *t)
{
	q->busy--;
	if (t->kind == TASK_CHECK)
		q->checking--;
	t->file->locked->users--;
	queue_drop_if_unused(q, t->file);
	queue_signal(q);
}

void queue_release_task(struct queue *q, const struct task *t)
{
	pthread_mutex_lock(&q->lock);
	release_task(q, t);
	pthread_mutex_unlock(&q->lock);
}

int queue_return_range(struct queue *q, const struct task *t)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = queue_return_leaves(q, t->file, t->leaf, t->count);
	release_task(q, t);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

int queue_wake_fd(const struct queue *q)
{
	return q->wake.fd;
}

void queue_set_open_limit(struct queue *q, unsigned allowed, unsigned own)
{
	const unsigned limit = allowed < own ? allowed : own;

	pthread_mutex_lock(&q->lock);
	q->open_limit = limit ? limit : 1;
	q->has_own_limit = own < allowed;
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
}

int queue_awaits_state(struct queue *q)
{
	int awaits = 0;

	pthread_mutex_lock(&q->lock);
	for (struct outfile *f = q->active; f; f = f->locked->next) {
		if (f->is_stream)
			continue;
		awaits = f->locked->state == FILE_OPENING;
		if (!awaits)
			break;
	}
	pthread_mutex_unlock(&q->lock);
	return awaits;
}

static int is_drained(const struct queue *q)
{
	return (q->is_scanned || q->scan_waits) && !q->packs && !q->files &&
	       !q->active;
}

int queue_is_drained(struct queue *q)
{
	int drained;

	pthread_mutex_lock(&q->lock);
	drained = is_drained(q) ||
		  (q->has_own_limit && q->open_count >= q->open_limit &&
		   q->files && !q->packs && !q->active);
	pthread_mutex_unlock(&q->lock);
	return drained;
}

int queue_has_sent_all(struct queue *q)
{
	int sent;

	pthread_mutex_lock(&q->lock);
	sent = is_drained(q);
	for (size_t i = 0; sent && i < q->inflight.len; i++) {
		const struct pack *pk = q->inflight.v[i].pack;

		sent = !pk || !pk->is_offered;
	}
	pthread_mutex_unlock(&q->lock);
	return sent;
}

int queue_is_busy(struct queue *q, unsigned blocked)
{
	int is_busy;

	pthread_mutex_lock(&q->lock);
	is_busy = q->busy > blocked || (!q->is_scanned && !q->is_full && !q->scan_waits);
	pthread_mutex_unlock(&q->lock);
	return is_busy;
}

int queue_is_over(struct queue *q)
{
	int over;

	pthread_mutex_lock(&q->lock);
	over = queue_is_done(q) && q->inflight.items == 0;
	pthread_mutex_unlock(&q->lock);
	return over;
}
