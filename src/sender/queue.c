/*
 * The work queue of a sending session.
 */
#include "sender/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "sender/queue_priv.h"

struct queue *queue_new(void)
{
	struct queue *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0) {
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->room, NULL);
	p->packs_end = &p->packs;
	p->files_end = &p->files;
	p->next_id = 1;
	p->open_limit = 1;
	return p;
}

void queue_free(struct queue *p)
{
	if (!p)
		return;
	while (p->packs) {
		struct pack *pk = p->packs;

		p->packs = pk->next;
		pack_free(pk);
	}
	while (p->files) {
		struct outfile *f = p->files;

		p->files = f->next;
		outfile_free(f);
	}
	for (size_t i = 0; i < p->awaited_end; i++) {
		pack_free(p->awaited[i].pack);
		outfile_free(p->awaited[i].file);
	}
	free(p->awaited);
	io_close(&p->wake_fd);
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int queue_wake_fd(const struct queue *p)
{
	return p->wake_fd;
}

/* Make waiting streams look again. */
void queue_signal(struct queue *p)
{
	uint64_t one = 1;

	if (p->waiting == 0 || p->is_signalled)
		return;
	p->is_signalled = 1;
	while (write(p->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void queue_clear_signal(struct queue *p)
{
	uint64_t count;

	if (!p->is_signalled)
		return;
	p->is_signalled = 0;
	while (read(p->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

void queue_wake(struct queue *p)
{
	pthread_mutex_lock(&p->lock);
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
}

void queue_pause(struct queue *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_paused = 1;
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
}

void queue_close(struct queue *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_closed = 1;
	pthread_cond_broadcast(&p->room);
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
}

/* ---- the scanner ---- */

static int has_room(const struct queue *p)
{
	return p->pack_count < QUEUE_PACKS_MAX &&
	       p->file_count < QUEUE_FILES_MAX && p->items_left < ITEMS_MAX;
}

int queue_add_pack(struct queue *p, struct pack *pk)
{
	int rc = ERR_INTERRUPTED;

	pthread_mutex_lock(&p->lock);
	while (!p->is_closed && !has_room(p))
		pthread_cond_wait(&p->room, &p->lock);
	if (!p->is_closed) {
		*p->packs_end = pk;
		p->packs_end = &pk->next;
		p->pack_count++;
		queue_signal(p);
		rc = 0;
	}
	pthread_mutex_unlock(&p->lock);
	if (rc)
		pack_free(pk);
	return rc;
}

static void queue_file(struct queue *p, struct outfile *f)
{
	*p->files_end = f;
	p->files_end = &f->next;
	p->file_count++;
	queue_signal(p);
}

int queue_add_file(struct queue *p, struct outfile *f)
{
	int rc = ERR_INTERRUPTED;

	pthread_mutex_lock(&p->lock);
	while (!p->is_closed && !has_room(p))
		pthread_cond_wait(&p->room, &p->lock);
	if (!p->is_closed) {
		queue_file(p, f);
		rc = 0;
	}
	pthread_mutex_unlock(&p->lock);
	if (rc)
		outfile_free(f);
	return rc;
}

void queue_requeue_file(struct queue *p, struct outfile *f)
{
	pthread_mutex_lock(&p->lock);
	queue_file(p, f);
	pthread_mutex_unlock(&p->lock);
}

void queue_scan_done(struct queue *p)
{
	pthread_mutex_lock(&p->lock);
	p->scan_done = 1;
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
}

void queue_scan_again(struct queue *p)
{
	pthread_mutex_lock(&p->lock);
	p->scan_done = 0;
	pthread_mutex_unlock(&p->lock);
}

int queue_is_closed(struct queue *p)
{
	int closed;

	pthread_mutex_lock(&p->lock);
	closed = p->is_closed;
	pthread_mutex_unlock(&p->lock);
	return closed;
}

int queue_is_starved(struct queue *p)
{
	int hungry;

	pthread_mutex_lock(&p->lock);
	hungry = p->waiting > 0 && !p->packs && !p->files;
	pthread_mutex_unlock(&p->lock);
	return hungry;
}

void queue_set_open_limit(struct queue *p, unsigned limit)
{
	pthread_mutex_lock(&p->lock);
	p->open_limit = limit ? limit : 1;
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
}

/* ---- taking ---- */

void queue_unlink_active(struct queue *p, struct outfile *f)
{
	struct outfile **at = &p->active;

	if (!f->is_active)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->next = NULL;
	f->is_active = 0;
}

/* At the end, so that the files opened first are sent first. */
void queue_link_active(struct queue *p, struct outfile *f)
{
	struct outfile **at = &p->active;

	while (*at)
		at = &(*at)->next;
	*at = f;
	f->next = NULL;
	f->is_active = 1;
}

/* Nobody uses the file and nothing is awaited of it: free it. */
void queue_drop_if_unused(struct queue *p, struct outfile *f)
{
	if (f->users > 0 || f->is_awaited)
		return;
	queue_unlink_active(p, f);
	outfile_free(f);
}

static int take_open(struct queue *p, struct task *t)
{
	struct outfile *f = p->files;

	if (!f || p->open_count >= p->open_limit)
		return 0;
	p->files = f->next;
	if (!p->files)
		p->files_end = &p->files;
	f->next = NULL;
	p->file_count--;
	f->users = 1;
	t->kind = TASK_OPEN;
	t->file = f;
	return 1;
}

static int take_pack(struct queue *p, struct task *t)
{
	struct pack *pk = p->packs;

	if (!pk)
		return 0;
	p->packs = pk->next;
	if (!p->packs)
		p->packs_end = &p->packs;
	pk->next = NULL;
	p->pack_count--;
	t->kind = TASK_PACK;
	t->pack = pk;
	return 1;
}

int queue_can_send(const struct outfile *f)
{
	return f->phase == FILE_SENDING || f->phase == FILE_ENDED;
}

/* A file with nothing left to take goes off the list. */
void queue_settle_active(struct queue *p, struct outfile *f)
{
	if (f->is_stream ? f->at_eof : f->todo.len == 0 && f->claims.len == 0)
		queue_unlink_active(p, f);
	else if (!f->is_active)
		queue_link_active(p, f);
}

/* A range of what is left of a file: shorter towards its end, so that all
 * streams end together, however fast each of them is (Polychronopoulos and
 * Kuck, "Guided Self-Scheduling", IEEE Trans. Computers C-36(12), 1987). */
static uint64_t range_leaves(const struct outfile *f)
{
	uint64_t n = runs_count(&f->todo) / (2 * STREAMS_MAX) + 1;

	return n < RANGE_LEAVES ? n : RANGE_LEAVES;
}

static int take_range(struct queue *p, struct task *t, int streams_too)
{
	for (struct outfile *f = p->active; f; f = f->next) {
		if (!queue_can_send(f))
			continue;
		if (f->is_stream) {
			if (!streams_too || f->is_reading || f->at_eof)
				continue;
			f->is_reading = 1;
			t->kind = TASK_STREAM;
		} else {
			t->kind = TASK_RANGE;
			t->count = runs_take(&f->todo, range_leaves(f),
					     &t->leaf);
			if (t->count == 0)
				continue;
			queue_settle_active(p, f);
		}
		f->users++;
		t->file = f;
		return 1;
	}
	return 0;
}

/* One range of the tree, or what is claimed of it. */
static int take_check(struct queue *p, struct task *t)
{
	if (p->checks_out + p->checking >= CHECKS_MAX)
		return 0;
	for (struct outfile *f = p->active; f; f = f->next) {
		uint64_t max;

		if (f->claims.len == 0 || !queue_can_send(f) ||
		    f->todo.len > TODO_RUNS_MAX / 2)
			continue;
		max = TREE_RANGE_LEAVES -
		      f->claims.v[0].first % TREE_RANGE_LEAVES;
		t->kind = TASK_CHECK;
		t->count = runs_take(&f->claims, max, &t->leaf);
		t->file = f;
		f->users++;
		p->checking++;
		queue_settle_active(p, f);
		return 1;
	}
	return 0;
}

/* Checks need the source and the processor more than the line, so one stream at
 * a time takes turns with them while there is something to send. */
static int take_data(struct queue *p, struct task *t, int was_range)
{
	if (was_range && p->checking == 0 && take_check(p, t))
		return 1;
	return take_pack(p, t) || take_range(p, t, 1) || take_check(p, t);
}

/* Everything was sent and all verdicts are in, but for links that the receiver
 * holds: these come before the summary. */
static int is_done(const struct queue *p)
{
	return p->scan_done && p->busy == 0 && !p->packs && !p->files &&
	       !p->active && p->items_left == p->links_deferred;
}

static unsigned backlog(const struct queue *p)
{
	unsigned n = p->pack_count;

	if (p->open_count < p->open_limit)
		n += p->file_count;
	for (const struct outfile *f = p->active; f; f = f->next) {
		if (!queue_can_send(f))
			continue;
		if (f->is_stream)
			n += !f->is_reading;
		else
			n += (f->todo.len > 0 ? 2u : 0u) +
			     (f->claims.len > 0 ? 1u : 0u);
	}
	return n;
}

int queue_take_range(struct queue *p, struct task *t)
{
	int got;

	pthread_mutex_lock(&p->lock);
	got = !p->is_closed && !p->is_paused && take_range(p, t, 0);
	p->busy += (unsigned)got;
	pthread_mutex_unlock(&p->lock);
	return got;
}

int queue_awaits_state(struct queue *p)
{
	int awaits = 0;

	pthread_mutex_lock(&p->lock);
	for (struct outfile *f = p->active; f; f = f->next) {
		if (f->is_stream)
			continue;
		awaits = f->phase == FILE_OPENING;
		if (!awaits)
			break;
	}
	pthread_mutex_unlock(&p->lock);
	return awaits;
}

enum queue_next queue_take(struct queue *p, struct task *t, int only_open)
{
	enum queue_next next = QUEUE_WAIT;
	int was_range = t->kind == TASK_RANGE;

	pthread_mutex_lock(&p->lock);
	if (t->waiting)
		p->waiting--;
	t->waiting = 0;
	queue_clear_signal(p);
	if (p->is_closed || p->is_paused)
		next = QUEUE_CLOSED;
	else if (take_open(p, t) || (!only_open && take_data(p, t, was_range)))
		next = QUEUE_TASK;
	else if (is_done(p))
		next = QUEUE_DONE;
	if (next == QUEUE_TASK) {
		p->busy++;
		pthread_cond_signal(&p->room);
		if (backlog(p) > 0)
			queue_signal(p);
	} else if (next == QUEUE_WAIT) {
		p->waiting++;
		t->waiting = 1;
	} else {
		/* the others shall see it as well */
		queue_signal(p);
	}
	pthread_mutex_unlock(&p->lock);
	return next;
}

int queue_is_drained(struct queue *p)
{
	int drained;

	pthread_mutex_lock(&p->lock);
	drained = p->scan_done && !p->packs && !p->files && !p->active;
	pthread_mutex_unlock(&p->lock);
	return drained;
}

int queue_is_over(struct queue *p)
{
	int over;

	pthread_mutex_lock(&p->lock);
	over = is_done(p) && p->items_left == 0;
	pthread_mutex_unlock(&p->lock);
	return over;
}

unsigned queue_backlog(struct queue *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = backlog(p);
	pthread_mutex_unlock(&p->lock);
	return n;
}
