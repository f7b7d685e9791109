/*
 * The table is a list, as at most some dozen files are open at a time.
 */
#include "receiver/file_table.h"

#include <stdlib.h>
#include <string.h>

#include "fs/journal.h"
#include "receiver/file_priv.h"
#include "wire/msg.h"

enum {
	/* What is reserved at a time: large enough for files not to be in
	 * pieces, and small enough for a peer that sends one chunk of each not
	 * to take much. */
	WINDOW_LEAVES = 64,
};

struct file_table {
	/* set once */
	const struct digest_ops *digest;
	unsigned open_max;
	/* guarded by lock */
	pthread_mutex_t lock;
	struct recv_file *files;
	unsigned count;
	uint64_t bytes; /* their sizes, where these are known */
	int has_zero;   /* zero_digest was computed */
	uint8_t zero_digest[DIGEST_MAX]; /* of a leaf of zeros */
};

struct file_table *file_table_new(const struct digest_ops *ops,
				  unsigned open_max)
{
	struct file_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->digest = ops;
	t->open_max = open_max;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void file_table_free(struct file_table *t)
{
	if (!t)
		return;
	while (t->files) {
		struct recv_file *f = t->files;

		t->files = f->locked->next;
		recv_file_free(f);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}

unsigned file_table_count(struct file_table *t)
{
	unsigned count;

	pthread_mutex_lock(&t->lock);
	count = t->count;
	pthread_mutex_unlock(&t->lock);
	return count;
}

/* Locked. */
static struct recv_file *find_file(const struct file_table *t, uint64_t id)
{
	struct recv_file *f = t->files;

	while (f && f->id != id)
		f = f->locked->next;
	return f;
}

int file_table_add(struct file_table *t, struct recv_file *f, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&t->lock);
	if (f->id == 0 || find_file(t, f->id))
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender opened a file twice");
	else if (t->count >= t->open_max)
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender opened more files than allowed");
	if (rc == 0) {
		f->locked->next = t->files;
		t->files = f;
		t->count++;
		if (f->size != TREE_SIZE_UNKNOWN)
			t->bytes += f->size;
		if (f->size != TREE_SIZE_UNKNOWN &&
		    t->bytes > RECV_FILE_SIZE_MAX)
			rc = ERR_RESOURCE;
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void file_table_answer(struct file_table *t, struct recv_file *f,
		       int is_refused, struct msg_state *m)
{
	struct recv_file_locked *l = f->locked;
	const struct runs *r = &l->unverified;

	pthread_mutex_lock(&t->lock);
	m->state = is_refused ? STATE_REFUSED :
		   r->len > 0 ? STATE_RESUME :
				STATE_SEND;
	m->digest = 0;
	if (m->state == STATE_RESUME)
		m->digest = f->trusts_journal ? t->digest->id : DIGEST_SHA256;
	m->run_count = 0;
	for (size_t i = 0; m->state == STATE_RESUME && i < r->len; i++) {
		m->runs[i].first = r->v[i].first;
		m->runs[i].count = r->v[i].count;
		m->run_count++;
	}
	l->is_over |= is_refused;
	l->is_open = 1;
	pthread_mutex_unlock(&t->lock);
}

/* ---- uses ---- */

enum file_found file_table_acquire(struct file_table *t, uint64_t id,
				   struct recv_file **out)
{
	enum file_found found = FILE_FOUND;
	struct recv_file *f;

	pthread_mutex_lock(&t->lock);
	f = find_file(t, id);
	if (!f)
		found = FILE_NONE;
	else if (f->locked->is_over)
		found = FILE_DONE;
	else if (!f->locked->is_open)
		found = FILE_EARLY;
	else
		f->locked->users++;
	pthread_mutex_unlock(&t->lock);
	*out = found == FILE_FOUND ? f : NULL;
	return found;
}

enum file_left file_table_release(struct file_table *t, struct recv_file *f)
{
	struct recv_file_locked *l = f->locked;
	enum file_left left = FILE_STAYS;

	pthread_mutex_lock(&t->lock);
	if (--l->users == 0) {
		if (l->is_over)
			left = FILE_OVER;
		else if (l->has_end && tree_is_complete(l->tree))
			left = FILE_WHOLE;
	}
	/* Out of the table in the same step as the last use ends: nobody else
	 * can find the file while the caller completes or frees it. */
	if (left != FILE_STAYS) {
		struct recv_file **at = &t->files;

		while (*at != f)
			at = &(*at)->locked->next;
		*at = l->next;
		t->count--;
		if (f->size != TREE_SIZE_UNKNOWN)
			t->bytes -= f->size;
	}
	pthread_mutex_unlock(&t->lock);
	return left;
}

int file_table_give_up(struct file_table *t, struct recv_file *f)
{
	int was_over;

	pthread_mutex_lock(&t->lock);
	was_over = f->locked->is_over;
	f->locked->is_over = 1;
	pthread_mutex_unlock(&t->lock);
	return !was_over;
}

int file_table_end(struct file_table *t, struct recv_file *f,
		   const struct msg_file_end *m)
{
	struct recv_file_locked *l = f->locked;
	int ok;

	pthread_mutex_lock(&t->lock);
	if (l->has_end)
		ok = 0;
	else if (f->size != TREE_SIZE_UNKNOWN)
		ok = m->size == f->size;
	else /* no chunk may lie beyond, and a short one must end there */
		ok = m->size >= l->reach && m->size <= RECV_FILE_SIZE_MAX &&
		     (l->short_end == 0 || m->size == l->short_end) &&
		     tree_set_size(l->tree, m->size) == 0;
	if (ok) {
		l->has_end = 1;
		l->end_size = m->size;
		memcpy(l->end_digest, m->digest, sizeof(l->end_digest));
	}
	pthread_mutex_unlock(&t->lock);
	return ok ? 0 : ERR_PROTOCOL;
}

/* ---- leaves ---- */

/* Whether the chunk may lie there in a file whose size is not known yet; if so,
 * the file reaches so far.  Only its last chunk may be short.  Locked. */
static int extend_file(struct recv_file *f, const struct msg_chunk *m)
{
	struct recv_file_locked *l = f->locked;
	const uint64_t end = m->offset + m->raw_len;

	if (end > RECV_FILE_SIZE_MAX || (l->short_end && end > l->short_end))
		return 0;
	if (m->raw_len < TREE_LEAF) {
		if ((m->raw_len == 0 && m->offset > 0) || end < l->reach ||
		    (l->short_end && l->short_end != end))
			return 0;
		l->short_end = end;
	}
	if (end > l->reach)
		l->reach = end;
	return 1;
}

enum chunk_place file_table_place(struct file_table *t, struct recv_file *f,
				  const struct msg_chunk *m, int in_order)
{
	struct recv_file_locked *l = f->locked;
	const uint64_t leaf = m->offset / TREE_LEAF;
	enum chunk_place place = CHUNK_OUTSIDE;
	uint64_t size;
	int ok;

	pthread_mutex_lock(&t->lock);
	/* FILE_END may come before chunks of other streams. */
	size = l->has_end ? l->end_size : f->size;
	if (tree_has(l->tree, leaf)) {
		place = CHUNK_HERE;
	} else {
		ok = size == TREE_SIZE_UNKNOWN ?
			     extend_file(f, m) :
			     leaf < tree_leaf_count(size) &&
				     m->raw_len == tree_leaf_size(size, leaf);
		if (ok && (!in_order || leaf == tree_have_count(l->tree)))
			place = CHUNK_WANTED;
	}
	pthread_mutex_unlock(&t->lock);
	return place;
}

int file_table_put_leaf(struct file_table *t, struct recv_file *f,
			uint64_t leaf, const uint8_t *digest, struct err *e)
{
	struct recv_file_locked *l = f->locked;
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = tree_put(l->tree, leaf, digest);
	if (rc)
		l->is_over = 1;
	/* The sender need not check a leaf that it sends. */
	(void)runs_remove(&l->unverified, leaf, 1);
	pthread_mutex_unlock(&t->lock);
	return rc ? err_set(e, rc, "cannot record a chunk: %s", err_name(rc)) : 0;
}

int file_table_has_leaf(struct file_table *t, const struct recv_file *f,
			uint64_t leaf)
{
	int has;

	pthread_mutex_lock(&t->lock);
	has = tree_has(f->locked->tree, leaf);
	pthread_mutex_unlock(&t->lock);
	return has;
}

int file_table_get_leaf(struct file_table *t, const struct recv_file *f,
			uint64_t leaf, uint8_t *digest)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = tree_leaf_digest(f->locked->tree, leaf, digest);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

int file_table_get_range(struct file_table *t, const struct recv_file *f,
			 uint64_t range, uint8_t *digest)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = tree_range_digest(f->locked->tree, range, digest);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

int file_table_is_next(struct file_table *t, const struct recv_file *f,
		       uint64_t leaf)
{
	int is_next;

	pthread_mutex_lock(&t->lock);
	is_next = leaf == tree_have_count(f->locked->tree);
	pthread_mutex_unlock(&t->lock);
	return is_next;
}

/* Locked. */
static int compute_zero_digest(struct file_table *t)
{
	uint8_t *zeros;

	if (t->has_zero)
		return 0;
	zeros = calloc(1, TREE_LEAF);
	if (!zeros)
		return ERR_RESOURCE;
	t->digest->sum(zeros, TREE_LEAF, t->zero_digest);
	t->has_zero = 1;
	free(zeros);
	return 0;
}

int file_table_put_hole(struct file_table *t, struct recv_file *f,
			uint64_t leaf, uint64_t count, struct err *e)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = compute_zero_digest(t);
	if (rc == 0)
		rc = tree_put_same(f->locked->tree, leaf, count, t->zero_digest);
	pthread_mutex_unlock(&t->lock);
	if (rc == ERR_PROTOCOL)
		return err_set(e, rc, "the sender sent a hole over data");
	return rc ? err_set(e, rc, "out of memory") : 0;
}

int file_table_start_check(struct file_table *t, struct recv_file *f,
			   uint64_t leaf, uint32_t count)
{
	int ok = 1;

	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; ok && i < count; i++)
		ok = runs_has(&f->locked->unverified, leaf + i);
	if (ok && runs_remove(&f->locked->unverified, leaf, count))
		ok = 0;
	pthread_mutex_unlock(&t->lock);
	return ok;
}

/* ---- space ---- */

uint64_t file_table_outstanding(struct file_table *t)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&t->lock);
	for (const struct recv_file *f = t->files; f; f = f->locked->next) {
		struct recv_file_locked *l = f->locked;
		const uint64_t have = tree_have_count(l->tree) * TREE_LEAF;
		const uint64_t all =
			f->allocated < f->size ? f->allocated : f->size;

		/* As long as it is compared with a basis, nothing is written;
		 * those that are being opened are not counted either. */
		if (l->is_open && !l->is_over && f->basis_fd < 0 &&
		    f->size != TREE_SIZE_UNKNOWN && all > have)
			sum += all - have;
	}
	pthread_mutex_unlock(&t->lock);
	return sum;
}

void file_table_reserve(struct file_table *t, struct recv_file *f,
			uint64_t leaf, uint64_t *off, uint64_t *len)
{
	struct recv_file_locked *l = f->locked;
	const uint64_t window = leaf / WINDOW_LEAVES;
	const uint64_t start = window * WINDOW_LEAVES * TREE_LEAF;
	uint64_t ahead;

	*len = 0;
	if (f->size == TREE_SIZE_UNKNOWN || f->allocated < f->size)
		return;
	pthread_mutex_lock(&t->lock);
	ahead = runs_count(&l->reserved) * WINDOW_LEAVES;
	/* One window more than what has come, for streams that are ahead. */
	if (!runs_has(&l->reserved, window) &&
	    ahead <= tree_have_count(l->tree) + WINDOW_LEAVES &&
	    runs_add(&l->reserved, window, 1) == 0) {
		*off = start;
		*len = f->size - start;
		if (*len > (uint64_t)WINDOW_LEAVES * TREE_LEAF)
			*len = (uint64_t)WINDOW_LEAVES * TREE_LEAF;
	}
	pthread_mutex_unlock(&t->lock);
}

/* ---- flushing meanwhile ---- */

void file_table_watch(struct file_table *t, struct recv_file *f)
{
	pthread_mutex_lock(&t->lock);
	f->locked->is_watched = 1;
	pthread_mutex_unlock(&t->lock);
}

struct recv_file *file_table_next_unflushed(struct file_table *t,
					    uint64_t after, uint64_t least)
{
	struct recv_file *next = NULL;

	pthread_mutex_lock(&t->lock);
	for (struct recv_file *f = t->files; f; f = f->locked->next) {
		struct recv_file_locked *l = f->locked;

		if (!l->is_watched || l->is_over || !f->commit->journal)
			continue;
		if (f->id <= after || (next && f->id > next->id))
			continue;
		if (journal_unflushed(f->commit->journal) >= least)
			next = f;
	}
	if (next)
		next->locked->users++;
	pthread_mutex_unlock(&t->lock);
	return next;
}
