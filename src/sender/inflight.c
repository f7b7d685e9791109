/*
 * What was sent and awaits its verdict, and the chunks of files that are on
 * their way.
 */
#include <stdlib.h>
#include <string.h>

#include "sender/queue_priv.h"

/* ---- what awaits a verdict ---- */

/* Drop what has its verdict. */
static void compact_awaited(struct queue *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->awaited_end; i++) {
		const struct awaited *a = &p->awaited[i];

		if (a->pack || a->file)
			p->awaited[kept++] = *a;
	}
	p->awaited_end = kept;
}

/* Room for one more: where dropping does not give much, twice as much. */
static int reserve_awaited(struct queue *p)
{
	size_t cap = p->awaited_cap ? p->awaited_cap * 2 : 256;
	struct awaited *a;

	if (p->awaited_end < p->awaited_cap)
		return 0;
	compact_awaited(p);
	if (p->awaited_end < p->awaited_cap / 2)
		return 0;
	a = reallocarray(p->awaited, cap, sizeof(*a));
	if (!a)
		return ERR_RESOURCE;
	p->awaited = a;
	p->awaited_cap = cap;
	return 0;
}

static int await(struct queue *p, uint64_t first, uint32_t count,
		 struct pack *pk, struct outfile *f)
{
	struct awaited *a;

	if (reserve_awaited(p))
		return ERR_RESOURCE;
	a = &p->awaited[p->awaited_end++];
	a->first = first;
	a->count = count;
	a->pack = pk;
	a->file = f;
	return 0;
}

/* The index of the entry that holds id or, where none does, of the first one
 * behind it. */
size_t queue_find_awaited(const struct queue *p, uint64_t id)
{
	size_t lo = 0, hi = p->awaited_end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct awaited *a = &p->awaited[mid];

		if (a->first + a->count <= id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct awaited *queue_awaited_at(struct queue *p, uint64_t id)
{
	size_t i = queue_find_awaited(p, id);

	if (i < p->awaited_end && p->awaited[i].first <= id)
		return &p->awaited[i];
	return NULL;
}

uint64_t queue_sent_pack(struct queue *p, struct pack *pk)
{
	uint64_t id = 0;

	pthread_mutex_lock(&p->lock);
	p->busy--;
	if (pk->count > 0 && await(p, p->next_id, pk->count, pk, NULL) == 0) {
		id = pk->first_id = p->next_id;
		p->next_id += pk->count;
		pk->left = pk->count;
		p->items_left += pk->count;
	}
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
	if (!id)
		pack_free(pk);
	return id;
}

uint64_t queue_sent_open(struct queue *p, struct outfile *f, int whole)
{
	uint64_t id = 0;

	pthread_mutex_lock(&p->lock);
	if (await(p, p->next_id, 1, NULL, f) == 0) {
		id = f->id = p->next_id++;
		f->is_awaited = 1;
		p->items_left++;
		p->open_count++;
		f->phase = whole ? FILE_SENDING : FILE_OPENING;
		if (!whole)
			queue_link_active(p, f);
	}
	pthread_mutex_unlock(&p->lock);
	return id;
}

void queue_stop_awaiting(struct queue *p, struct outfile *f)
{
	struct awaited *a = queue_awaited_at(p, f->id);

	if (!f->is_awaited)
		return;
	f->is_awaited = 0;
	if (a)
		a->file = NULL;
	p->checks_out -= f->checks;
	f->checks = 0;
	p->items_left--;
	p->open_count--;
	queue_unlink_active(p, f);
	pthread_cond_signal(&p->room);
}

int queue_put_back(struct queue *p, struct outfile *f, uint64_t leaf,
		  uint64_t count)
{
	if (!f->is_awaited || !queue_can_send(f))
		return 0;
	if (runs_add(&f->todo, leaf, count))
		return ERR_CORRUPT;
	queue_settle_active(p, f);
	return 0;
}

static void release(struct queue *p, const struct task *t)
{
	struct outfile *f = t->file;

	p->busy--;
	if (t->kind == TASK_CHECK)
		p->checking--;
	f->users--;
	queue_drop_if_unused(p, f);
	queue_signal(p);
}

void queue_release(struct queue *p, const struct task *t)
{
	pthread_mutex_lock(&p->lock);
	release(p, t);
	pthread_mutex_unlock(&p->lock);
}

int queue_give_back(struct queue *p, const struct task *t)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = queue_put_back(p, t->file, t->leaf, t->count);
	release(p, t);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int queue_fail_file(struct queue *p, struct outfile *f)
{
	int first;

	pthread_mutex_lock(&p->lock);
	/* One that was refused still gets its verdict. */
	first = f->phase != FILE_DEAD;
	f->phase = FILE_DEAD;
	if (first)
		queue_stop_awaiting(p, f);
	pthread_mutex_unlock(&p->lock);
	return first;
}

/* ---- chunks ---- */

uint64_t queue_stream_read(struct queue *p, struct outfile *f, size_t n, int eof)
{
	uint64_t leaf;

	pthread_mutex_lock(&p->lock);
	leaf = f->next_leaf;
	if (n > 0 || (eof && leaf == 0))
		f->next_leaf++;
	f->sent_bytes += n;
	f->is_reading = 0;
	if (eof) {
		f->at_eof = 1;
		f->size = f->sent_bytes;
		queue_unlink_active(p, f);
	}
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
	return leaf;
}

int queue_put_leaf(struct queue *p, struct outfile *f, uint64_t leaf,
		  const uint8_t *digest)
{
	int rc, again;

	pthread_mutex_lock(&p->lock);
	again = tree_has(f->tree, leaf);
	rc = tree_put(f->tree, leaf, digest);
	pthread_mutex_unlock(&p->lock);
	return rc ? rc : again;
}

int queue_leaf_digest(struct queue *p, struct outfile *f, uint64_t leaf,
		     uint8_t *out)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = tree_leaf_digest(f->tree, leaf, out);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int queue_range_digest(struct queue *p, struct outfile *f, uint64_t range,
		      uint8_t *out)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = tree_range_digest(f->tree, range, out);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

void queue_sent_check(struct queue *p, struct outfile *f)
{
	pthread_mutex_lock(&p->lock);
	if (f->is_awaited) {
		f->checks++;
		p->checks_out++;
	}
	pthread_mutex_unlock(&p->lock);
}

int queue_is_wanted(struct queue *p, struct outfile *f)
{
	int wanted;

	pthread_mutex_lock(&p->lock);
	wanted = f->phase != FILE_DEAD && !p->is_closed && !p->is_paused;
	pthread_mutex_unlock(&p->lock);
	return wanted;
}

int queue_take_end(struct queue *p, struct outfile *f)
{
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	if (f->phase == FILE_SENDING && f->size != TREE_SIZE_UNKNOWN &&
	    (!f->is_stream || f->at_eof) &&
	    tree_set_size(f->tree, f->size) == 0 &&
	    tree_is_complete(f->tree)) {
		rc = tree_final(f->tree, f->item.digest);
		if (rc == 0) {
			f->phase = FILE_ENDED;
			f->has_digest = 1;
			rc = 1;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}
