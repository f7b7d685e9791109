/*
 * What the receiver answers, and beginning anew when it does not any more.
 */
#include <stdlib.h>

#include "sender/queue_priv.h"

/* ---- replies ---- */

/* The receiver has some of the file. */
static int take_claims(struct outfile *f, const struct msg_state *m)
{
	uint64_t leaves = tree_leaf_count(f->size), claimed = 0;

	if (f->is_stream || runs_add(&f->todo, 0, leaves))
		return ERR_PROTOCOL;
	for (uint32_t i = 0; i < m->run_count; i++) {
		const struct msg_run *run = &m->runs[i];

		if (run->first >= leaves || run->count > leaves - run->first ||
		    runs_remove(&f->todo, run->first, run->count) ||
		    runs_add(&f->claims, run->first, run->count))
			return ERR_PROTOCOL;
		claimed += run->count;
	}
	return claimed > f->claimed ? (f->claimed = claimed, 1) : 0;
}

/* The answer to an OPEN that did not wait for it needs nothing done. */
static int file_state(struct queue *p, struct outfile *f,
		      const struct msg_state *m)
{
	int rc = 0;

	if (m->state == STATE_REFUSED) {
		f->phase = FILE_DEAD;
		queue_unlink_active(p, f);
	} else if (f->phase == FILE_OPENING) {
		f->phase = FILE_SENDING;
		if (m->state == STATE_RESUME)
			rc = take_claims(f, m);
		else if (!f->is_stream)
			rc = runs_add(&f->todo, 0, tree_leaf_count(f->size));
		if (rc == 1)
			p->has_progress = 1;
	} else if (m->state == STATE_RESUME) {
		rc = ERR_PROTOCOL;
	}
	return rc < 0 ? rc : 0;
}

int queue_state(struct queue *p, const struct msg_state *m)
{
	struct awaited *a;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	a = queue_awaited_at(p, m->id);
	if (m->id == 0 || m->id >= p->next_id) {
		rc = ERR_PROTOCOL;
	} else if (a && a->file) {
		rc = file_state(p, a->file, m);
		queue_signal(p);
	} else if (a && a->pack) {
		rc = ERR_PROTOCOL;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int queue_checked(struct queue *p, const struct msg_checked *m, uint64_t *bytes)
{
	uint64_t leaf = m->offset / TREE_LEAF;
	struct awaited *a;
	struct outfile *f;
	int rc = 0;

	*bytes = 0;
	pthread_mutex_lock(&p->lock);
	a = queue_awaited_at(p, m->id);
	f = a ? a->file : NULL;
	/* The verdict may have come by another stream, before this. */
	if (m->id == 0 || m->id >= p->next_id || (a && a->pack)) {
		rc = ERR_PROTOCOL;
	} else if (f && (f->checks == 0 || f->is_stream ||
			 leaf + m->count > tree_leaf_count(f->size))) {
		rc = ERR_PROTOCOL;
	} else if (f) {
		f->checks--;
		p->checks_out--;
		for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
			if (!(m->differing >> i & 1))
				continue;
			rc = queue_put_back(p, f, leaf + i, 1);
			*bytes += tree_leaf_size(f->size, leaf + i);
		}
	}
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static void file_verdict(struct queue *p, struct awaited *a,
			 const struct msg_verdict *m, queue_verdict_fn fn,
			 void *ctx)
{
	struct outfile *f = a->file;
	struct queue_verdict v = {
		.name = outfile_name(f),
		.name_len = f->item.name_len,
		.item = &f->item,
		.id = f->id,
		.size = f->size == TREE_SIZE_UNKNOWN ? 0 : f->size,
		.verdict = m,
		.has_digest = f->has_digest,
	};

	fn(ctx, &v);
	f->phase = FILE_DEAD;
	queue_stop_awaiting(p, f);
	queue_drop_if_unused(p, f);
}

static void pack_verdict(struct queue *p, struct awaited *a, uint64_t from,
			 uint64_t to, const struct msg_verdict *m,
			 queue_verdict_fn fn, void *ctx)
{
	struct pack *pk = a->pack;

	for (uint64_t id = from; id < to; id++) {
		struct item *it = &pk->items[id - a->first];
		struct queue_verdict v = {
			.name = pack_name(pk, it),
			.name_len = it->name_len,
			.item = it,
			.id = id,
			.verdict = m,
			.has_digest = it->kind == ITEM_FILE,
		};

		if (it->done)
			continue;
		if (it->kind == ITEM_FILE)
			v.size = (uint64_t)it->st.st_size;
		fn(ctx, &v);
		it->done = 1;
		pk->left--;
		p->items_left--;
		p->links_deferred -= it->held;
	}
	if (pk->left == 0) {
		a->pack = NULL;
		pack_free(pk);
	}
}

/* Whether all the ids of a verdict were. */
static int was_given(const struct queue *p, const struct msg_verdict *m)
{
	return m->first_id > 0 && m->first_id < p->next_id &&
	       m->count <= p->next_id - m->first_id;
}

/* What a verdict and an entry have in common: from the first on, before the
 * end. */
static uint64_t first_of(const struct awaited *a, const struct msg_verdict *m)
{
	return a->first > m->first_id ? a->first : m->first_id;
}

static uint64_t end_of(const struct awaited *a, const struct msg_verdict *m)
{
	uint64_t ours = a->first + a->count, its = m->first_id + m->count;

	return ours < its ? ours : its;
}

int queue_verdict(struct queue *p, const struct msg_verdict *m,
		 queue_verdict_fn fn, void *ctx)
{
	uint64_t end = m->first_id + m->count;
	int rc = ERR_PROTOCOL;

	pthread_mutex_lock(&p->lock);
	if (!was_given(p, m))
		goto out;
	for (size_t i = queue_find_awaited(p, m->first_id);
	     i < p->awaited_end && p->awaited[i].first < end; i++) {
		struct awaited *a = &p->awaited[i];

		if (a->file)
			file_verdict(p, a, m, fn, ctx);
		else if (a->pack)
			pack_verdict(p, a, first_of(a, m), end_of(a, m), m, fn,
				     ctx);
	}
	p->has_progress = 1;
	pthread_cond_signal(&p->room);
	queue_signal(p);
	rc = 0;
out:
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static int hold_links(struct queue *p, const struct awaited *a, uint64_t from,
		      uint64_t to)
{
	for (uint64_t id = from; id < to; id++) {
		struct item *it = &a->pack->items[id - a->first];

		if (it->kind != ITEM_LINK)
			return ERR_PROTOCOL;
		if (it->done || it->held)
			continue;
		it->held = 1;
		p->links_deferred++;
	}
	return 0;
}

int queue_deferred(struct queue *p, const struct msg_verdict *m)
{
	uint64_t end = m->first_id + m->count;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	if (!was_given(p, m))
		rc = ERR_PROTOCOL;
	for (size_t i = queue_find_awaited(p, m->first_id);
	     rc == 0 && i < p->awaited_end && p->awaited[i].first < end; i++) {
		const struct awaited *a = &p->awaited[i];

		if (a->file)
			rc = ERR_PROTOCOL;
		else if (a->pack)
			rc = hold_links(p, a, first_of(a, m), end_of(a, m));
	}
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* To be sent next. */
static void push_pack(struct queue *p, struct pack *pk)
{
	pk->next = p->packs;
	if (!p->packs)
		p->packs_end = &pk->next;
	p->packs = pk;
	p->pack_count++;
}

static int has_held(const struct pack *pk)
{
	for (uint32_t i = 0; i < pk->count; i++) {
		if (pk->items[i].held)
			return 1;
	}
	return 0;
}

/* The whole pack is read and sent anew, with new ids. */
static uint64_t requeue_pack(struct queue *p, struct awaited *a)
{
	struct pack *pk = a->pack;
	uint64_t bytes = pk->bytes;

	a->pack = NULL;
	p->items_left -= pk->left;
	push_pack(p, pk);
	return bytes;
}

int queue_resend(struct queue *p, const struct msg_resend *m, uint64_t *bytes)
{
	struct awaited *a;
	int rc = 0;

	*bytes = 0;
	pthread_mutex_lock(&p->lock);
	a = queue_awaited_at(p, m->id);
	if (m->id == 0 || m->id >= p->next_id) {
		rc = ERR_PROTOCOL;
	} else if (++p->resends > RESENDS_MAX) {
		rc = ERR_CORRUPT;
	} else if (a && a->pack && m->id == a->first &&
		   a->pack->left == a->count && !has_held(a->pack)) {
		*bytes = requeue_pack(p, a);
	} else if (a && a->file && !a->file->is_stream &&
		   m->offset / TREE_LEAF < tree_leaf_count(a->file->size)) {
		rc = queue_put_back(p, a->file, m->offset / TREE_LEAF, 1);
	} else if (a && (a->pack || a->file)) {
		/* what is read from a pipe cannot be read again */
		rc = a->file && a->file->is_stream ? ERR_CORRUPT : ERR_PROTOCOL;
	}
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* ---- offers ---- */

static int is_wanted(const struct msg_offered *m, uint32_t i)
{
	return m->wanted[i / 8] >> (i % 8) & 1;
}

/* A pack of the wanted items, with the same texts. */
static struct pack *wanted_pack(const struct pack *from,
				const struct msg_offered *m, uint32_t count)
{
	struct pack *pk = pack_new();

	if (!pk)
		return NULL;
	pk->items = calloc(count, sizeof(*pk->items));
	buf_put(&pk->names, from->names.data, from->names.len);
	if (!pk->items || pk->names.failed) {
		pack_free(pk);
		return NULL;
	}
	pk->cap = count;
	pk->is_wanted = 1;
	pk->was_sent = from->was_sent;
	pk->table_len = from->table_len;
	for (uint32_t i = 0; i < m->count; i++) {
		if (!is_wanted(m, i))
			continue;
		pk->items[pk->count++] = from->items[i];
		pk->bytes += (uint64_t)from->items[i].st.st_size;
	}
	return pk;
}

static int wants_any(const struct msg_offered *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		if (is_wanted(m, i))
			return 1;
	}
	return 0;
}

/* How many items are wanted; -1 where the answer makes no sense. */
static int count_wanted(const struct pack *pk, const struct msg_offered *m)
{
	int n = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		if (!is_wanted(m, i))
			continue;
		if (pk->items[i].kind != ITEM_FILE || pk->items[i].done)
			return -1;
		n++;
	}
	return n;
}

/* They get no verdict under these ids. */
static void forget_wanted(struct queue *p, struct awaited *a,
			  const struct msg_offered *m)
{
	struct pack *pk = a->pack;

	for (uint32_t i = 0; i < m->count; i++) {
		if (!is_wanted(m, i))
			continue;
		pk->items[i].done = 1;
		pk->left--;
		p->items_left--;
	}
	if (pk->left == 0) {
		a->pack = NULL;
		pack_free(pk);
	}
}

static int take_offered(struct queue *p, struct awaited *a,
			const struct msg_offered *m)
{
	int n = count_wanted(a->pack, m);
	struct pack *pk;

	if (n < 0)
		return ERR_PROTOCOL;
	if (n == 0)
		return 0;
	pk = wanted_pack(a->pack, m, (uint32_t)n);
	if (!pk)
		return ERR_RESOURCE;
	forget_wanted(p, a, m);
	push_pack(p, pk);
	return 0;
}

int queue_offered(struct queue *p, const struct msg_offered *m)
{
	struct awaited *a;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	a = queue_awaited_at(p, m->first_id);
	if (m->first_id == 0 || m->first_id >= p->next_id)
		rc = ERR_PROTOCOL;
	/* All its other items may have had their verdicts: then it is gone, and
	 * nothing of it can be wanted. */
	else if (!a || (!a->pack && !a->file))
		rc = wants_any(m) ? ERR_PROTOCOL : 0;
	else if (!a->pack || a->first != m->first_id || a->count != m->count)
		rc = ERR_PROTOCOL;
	else
		rc = take_offered(p, a, m);
	queue_signal(p);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* ---- a new session ---- */

int queue_can_restart(struct queue *p)
{
	int can = 1;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->awaited_end; i++) {
		const struct outfile *f = p->awaited[i].file;

		if (f && f->is_stream && (f->next_leaf > 0 || f->at_eof))
			can = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return can;
}

int queue_has_progress(struct queue *p)
{
	int has;

	pthread_mutex_lock(&p->lock);
	has = p->has_progress;
	pthread_mutex_unlock(&p->lock);
	return has;
}

static void restart_file(struct queue *p, struct outfile *f)
{
	queue_unlink_active(p, f);
	f->id = 0;
	f->users = 0;
	f->is_awaited = 0;
	f->is_reading = 0;
	f->phase = FILE_QUEUED;
	f->checks = 0;
	f->has_digest = 0;
	runs_release(&f->todo);
	runs_release(&f->claims);
	f->next = p->files;
	if (!p->files)
		p->files_end = &f->next;
	p->files = f;
	p->file_count++;
}

static void restart_pack(struct queue *p, struct pack *pk)
{
	uint64_t bytes = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < pk->count; i++) {
		if (pk->items[i].done)
			continue;
		if (pk->items[i].kind == ITEM_FILE)
			bytes += (uint64_t)pk->items[i].st.st_size;
		pk->items[i].held = 0;
		if (kept != i)
			pk->items[kept] = pk->items[i];
		kept++;
	}
	pk->count = kept;
	pk->bytes = bytes;
	pk->first_id = 0;
	pk->was_sent = 1;
	pk->is_wanted = 0;
	push_pack(p, pk);
}

void queue_restart(struct queue *p)
{
	pthread_mutex_lock(&p->lock);
	/* From the end, so that what was sent first is first again. */
	while (p->awaited_end > 0) {
		struct awaited *a = &p->awaited[--p->awaited_end];

		if (a->file)
			restart_file(p, a->file);
		else if (a->pack)
			restart_pack(p, a->pack);
	}
	p->next_id = 1;
	p->items_left = p->links_deferred = 0;
	p->open_count = 0;
	p->open_limit = 1;
	p->busy = p->waiting = 0;
	p->checking = p->checks_out = p->resends = 0;
	p->has_progress = 0;
	p->is_paused = 0;
	queue_clear_signal(p);
	pthread_mutex_unlock(&p->lock);
}
