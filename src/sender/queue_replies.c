/*
 * How the receiver's answers change what is queued and in flight.
 */
#include "sender/queue_replies.h"

#include "base/err.h"
#include "base/text.h"
#include "fs/source.h"
#include "sender/delta.h"
#include "sender/queue_priv.h"

enum {
	/* The most RESENDs in a session.  A network that damages more is of no
	 * use, and a hostile receiver must not keep the sender busy for
	 * ever. */
	RESENDS_MAX = 4096,
};

/* ---- STATE ---- */

/* Split the leaves of a file by STATE: those that the receiver says it has are
 * to be checked (*reported: how many), the others sent. */
static int split_leaves(struct outfile *f, const struct msg_state *m,
			uint64_t *reported)
{
	struct outfile_locked *l = f->locked;
	const uint64_t leaves = tree_leaf_count(f->size);

	*reported = 0;
	f->check_digest = m->digest;
	if (f->is_stream || runs_add(&l->todo, 0, leaves))
		return ERR_PROTOCOL;
	for (uint32_t i = 0; i < m->run_count; i++) {
		const struct msg_run *run = &m->runs[i];

		if (run->first >= leaves || run->count > leaves - run->first ||
		    runs_remove(&l->todo, run->first, run->count) ||
		    runs_add(&l->unverified, run->first, run->count))
			return ERR_PROTOCOL;
		*reported += run->count;
	}
	return 0;
}

/* Count the holes of a file that is sent whole as spared, before they are sent:
 * the time that is left follows from what has to be sent.  Returns how much it
 * is: not exactly, where the file system compresses; 0 where holes cannot be
 * found, and are read as zeros. */
static uint64_t count_holes(struct outfile *f)
{
	const uint64_t allocated = source_allocated(&f->item.st);
	uint64_t holes = 0;

	if (f->has_holes > 0 && !f->locked->delta && allocated < f->size)
		holes = (f->size - allocated) / TREE_LEAF * TREE_LEAF;
	f->has_counted_holes = holes > 0;
	f->locked->counted += (int64_t)holes;
	return holes;
}

/* STATE has arrived for the file. */
static int answer_open(struct queue *q, struct outfile *f,
		       const struct msg_state *m)
{
	struct outfile_locked *l = f->locked;
	uint64_t reported = 0;
	int rc = 0;

	q->replies += l->state == FILE_OPENING;
	if (m->state == STATE_REFUSED) {
		l->state = FILE_DEAD;
		queue_remove_active(q, f);
		return 0;
	}
	/* A file that is sent whole did not wait for STATE. */
	if (l->state != FILE_OPENING)
		return m->state == STATE_RESUME ? ERR_PROTOCOL : 0;
	l->state = FILE_SENDING;
	if (m->state == STATE_RESUME)
		rc = split_leaves(f, m, &reported);
	else if (!f->is_stream)
		rc = runs_add(&l->todo, 0, tree_leaf_count(f->size));
	if (rc == 0 && l->delta)
		rc = delta_compare_leaves(l->delta, &l->todo, 0,
					  tree_leaf_count(f->size));
	/* More than in any session before: so the last one made progress. */
	if (rc == 0 && reported > l->most_reported) {
		l->most_reported = reported;
		q->has_progress = 1;
	}
	return rc;
}

/* A receiver that compares another file of the same size reports all leaves;
 * one that has a part of the file, some.  A part counts as spared from now on:
 * checks go on beside what is sent, and on a slow line come late.  A file that
 * may be another one does as it is checked. */
static void describe_resumed(struct queue_resumed *r, struct outfile *f)
{
	const char *name = outfile_name(f);
	const uint64_t leaves = tree_leaf_count(f->size);
	const uint64_t have = runs_count(&f->locked->unverified);

	if (have == 0 || have >= leaves)
		return;
	r->bytes = tree_leaves_size(f->size, have,
				    runs_has(&f->locked->unverified,
					     leaves - 1));
	f->has_counted_part = 1;
	f->locked->counted += (int64_t)r->bytes;
	r->size = f->size;
	text_escape(r->name, sizeof(r->name), name, f->item.name_len);
}

int queue_state(struct queue *q, const struct msg_state *m,
		struct queue_resumed *resumed)
{
	struct inflight_entry *en;
	int rc = 0;

	if (resumed)
		resumed->bytes = resumed->holes = 0;
	pthread_mutex_lock(&q->lock);
	en = inflight_at(&q->inflight, m->id);
	if (!inflight_was_given(&q->inflight, m->id, 1) || (en && en->pack)) {
		rc = ERR_PROTOCOL;
	} else if (en) {
		rc = answer_open(q, en->file, m);
		if (rc == 0 && resumed && m->state == STATE_RESUME)
			describe_resumed(resumed, en->file);
		else if (rc == 0 && resumed &&
			 en->file->locked->state == FILE_SENDING)
			resumed->holes = count_holes(en->file);
		queue_signal(q);
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

/* ---- CHECKED ---- */

/* Leaves that differ may still have something in common with the basis. */
static int claim_differing(struct queue *q, struct outfile *f,
			   const struct msg_checked *m)
{
	struct outfile_locked *l = f->locked;
	const uint64_t leaf = m->offset / TREE_LEAF;
	int rc = 0;

	if (!queue_can_send(f))
		return 0;
	for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
		if (m->differing >> i & 1)
			rc = delta_compare_leaves(l->delta, &l->todo, leaf + i,
						  1);
	}
	queue_settle_active(q, f);
	return rc;
}

int queue_checked(struct queue *q, const struct msg_checked *m, uint64_t *bytes)
{
	const uint64_t leaf = m->offset / TREE_LEAF;
	struct inflight_entry *en;
	struct outfile *f;
	int rc = 0;

	*bytes = 0;
	pthread_mutex_lock(&q->lock);
	en = inflight_at(&q->inflight, m->id);
	f = en ? en->file : NULL;
	if (!inflight_was_given(&q->inflight, m->id, 1) || (en && en->pack) ||
	    (f && (f->locked->checks == 0 || f->is_stream ||
		   leaf + m->count > tree_leaf_count(f->size)))) {
		rc = ERR_PROTOCOL;
	} else if (f) {
		q->replies++;
		f->locked->checks--;
		q->checks_out--;
		for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
			if (!(m->differing >> i & 1))
				continue;
			rc = queue_return_leaves(q, f, leaf + i, 1);
			*bytes += tree_leaf_size(f->size, leaf + i);
		}
		f->locked->counted -= (int64_t)*bytes;
		if (rc == 0 && f->locked->delta)
			rc = claim_differing(q, f, m);
	}
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

/* ---- VERDICT ---- */

/* Call fn for the file's verdict, and end the file. */
static void end_file(struct queue *q, struct outfile *f,
		     const struct msg_verdict *m, queue_verdict_fn fn,
		     void *ctx)
{
	struct outfile_locked *l = f->locked;
	const struct queue_verdict v = {
		.name = outfile_name(f),
		.name_len = f->item.name_len,
		.item = &f->item,
		.id = f->id,
		.size = f->size == TREE_SIZE_UNKNOWN ? 0 : f->size,
		.verdict = m,
		.has_digest = l->has_digest,
		.uncounted = (f->size == TREE_SIZE_UNKNOWN ?
				      0 : (int64_t)f->size - l->counted),
		.unanswered = l->delta ? delta_unanswered(l->delta, f->size)
				       : 0,
	};

	fn(ctx, &v);
	q->has_progress = 1;
	q->replies++;
	l->state = FILE_DEAD;
	queue_end_flight(q, f);
	queue_drop_if_unused(q, f);
}

/* Set the ids that an entry and a verdict have in common, *from to *end - 1. */
static void common_ids(const struct inflight_entry *en,
		       const struct msg_verdict *m, uint64_t *from,
		       uint64_t *end)
{
	const uint64_t ours = en->first + en->count;
	const uint64_t theirs = m->first_id + m->count;

	*from = en->first > m->first_id ? en->first : m->first_id;
	*end = ours < theirs ? ours : theirs;
}

/* An item has its verdict.  Directories are sent in each session: only more of
 * them than in any before are progress. */
static void note_progress(struct queue *q, const struct item *it)
{
	if (it->kind == ITEM_DIR && ++q->dirs <= q->most_dirs)
		return;
	if (it->kind == ITEM_DIR)
		q->most_dirs = q->dirs;
	q->has_progress = 1;
}

/* Call fn for those items of a pack that the verdict is for, and end them. */
static void end_items(struct queue *q, struct inflight_entry *en,
		      const struct msg_verdict *m, queue_verdict_fn fn,
		      void *ctx)
{
	uint64_t id, end;

	common_ids(en, m, &id, &end);
	/* en->pack becomes NULL with the pack's last item. */
	for (; en->pack && id < end; id++) {
		struct item *it = &en->pack->items[id - en->first];
		struct queue_verdict v = queue_describe_item(en, id);

		if (it->done)
			continue;
		v.verdict = m;
		v.has_digest = it->kind == ITEM_FILE && !en->pack->is_list;
		v.uncounted = en->pack->is_offered ? (int64_t)v.size : 0;
		fn(ctx, &v);
		q->replies++;
		note_progress(q, it);
		inflight_end_item(&q->inflight, en, it);
	}
}

int queue_verdict(struct queue *q, const struct msg_verdict *m,
		  queue_verdict_fn fn, void *ctx)
{
	const uint64_t end = m->first_id + m->count;
	struct inflight *in = &q->inflight;
	int rc = ERR_PROTOCOL;

	pthread_mutex_lock(&q->lock);
	if (!inflight_was_given(in, m->first_id, m->count))
		goto out;
	for (size_t i = inflight_index(in, m->first_id);
	     i < in->len && in->v[i].first < end; i++) {
		if (in->v[i].file)
			end_file(q, in->v[i].file, m, fn, ctx);
		else if (in->v[i].pack)
			end_items(q, &in->v[i], m, fn, ctx);
	}
	pthread_cond_signal(&q->room);
	queue_signal(q);
	rc = 0;
out:
	pthread_mutex_unlock(&q->lock);
	return rc;
}

static int defer_symlinks(struct queue *q, const struct inflight_entry *en,
			  const struct msg_verdict *m)
{
	uint64_t id, end;

	common_ids(en, m, &id, &end);
	for (; id < end; id++) {
		struct item *it = &en->pack->items[id - en->first];

		if (it->kind < ITEM_SYMLINK)
			return ERR_PROTOCOL;
		q->replies += !it->done && !it->is_deferred;
		inflight_defer(&q->inflight, it);
	}
	return 0;
}

int queue_deferred(struct queue *q, const struct msg_verdict *m)
{
	const uint64_t end = m->first_id + m->count;
	struct inflight *in = &q->inflight;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	if (!inflight_was_given(in, m->first_id, m->count))
		rc = ERR_PROTOCOL;
	for (size_t i = inflight_index(in, m->first_id);
	     rc == 0 && i < in->len && in->v[i].first < end; i++) {
		if (in->v[i].file)
			rc = ERR_PROTOCOL;
		else if (in->v[i].pack)
			rc = defer_symlinks(q, &in->v[i], m);
	}
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

/* ---- RESEND ---- */

/* Queue a pack again, to be read and sent with new ids.  Only as a whole and
 * before any of its items has an answer, or items would have two. */
static int resend_pack(struct queue *q, struct inflight_entry *en,
		       const struct msg_resend *m, uint64_t *bytes)
{
	const struct pack *pk = en->pack;

	if (m->id != en->first || pk->left < pk->count)
		return ERR_PROTOCOL;
	for (uint32_t i = 0; i < pk->count; i++) {
		if (pk->items[i].is_deferred)
			return ERR_PROTOCOL;
	}
	*bytes = pk->is_offered ? 0 : pk->bytes;
	queue_push_pack(q, inflight_take_pack(&q->inflight, en));
	return 0;
}

static int resend_leaf(struct queue *q, struct outfile *f,
		       const struct msg_resend *m, uint64_t *bytes)
{
	const uint64_t leaf = m->offset / TREE_LEAF;

	/* What was read from a pipe cannot be read again. */
	if (f->is_stream)
		return ERR_CORRUPT;
	if (leaf >= tree_leaf_count(f->size))
		return ERR_PROTOCOL;
	*bytes = tree_leaf_size(f->size, leaf);
	f->locked->counted -= (int64_t)*bytes;
	return queue_return_leaves(q, f, leaf, 1);
}

/* Whether a recipe did not make that chunk, as the basis has changed; if so,
 * *rc is as for resend_leaf(). */
static int resend_misfit(struct queue *q, struct outfile *f,
			 const struct msg_resend *m, int *rc)
{
	struct outfile_locked *l = f->locked;
	const uint64_t leaf = m->offset / TREE_LEAF;

	if (!l->delta || !delta_misfit(l->delta, &l->todo, leaf, rc))
		return 0;
	if (*rc == 0)
		*rc = queue_return_leaves(q, f, leaf, 1);
	return 1;
}

uint64_t queue_count_replies(struct queue *q)
{
	return atomic_load(&q->replies);
}

int queue_resend(struct queue *q, const struct msg_resend *m, int *is_misfit,
		 uint64_t *bytes)
{
	struct inflight_entry *en;
	int rc = 0;

	*is_misfit = 0;
	*bytes = 0;
	pthread_mutex_lock(&q->lock);
	en = inflight_at(&q->inflight, m->id);
	if (!inflight_was_given(&q->inflight, m->id, 1))
		rc = ERR_PROTOCOL;
	else if (en && en->file && resend_misfit(q, en->file, m, &rc))
		*is_misfit = 1;
	else if (++q->resends > RESENDS_MAX)
		rc = ERR_CORRUPT;
	else if (en && en->pack)
		rc = resend_pack(q, en, m, bytes);
	else if (en && en->file)
		rc = resend_leaf(q, en->file, m, bytes);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

/* ---- OFFERED ---- */

/* Queue the items that are wanted as a pack.  They get no verdicts under the
 * ids of the offer. */
static int queue_wanted(struct queue *q, struct inflight_entry *en,
			const struct msg_offered *m)
{
	struct pack *wanted;
	int rc = pack_wanted(en->pack, m, &wanted);

	if (rc || !wanted)
		return rc;
	for (uint32_t i = 0; en->pack && i < m->count; i++) {
		if (pack_is_wanted(m, i))
			inflight_end_item(&q->inflight, en,
					  &en->pack->items[i]);
	}
	q->replies++;
	queue_push_pack(q, wanted);
	return 0;
}

int queue_offered(struct queue *q, const struct msg_offered *m)
{
	struct inflight_entry *en;
	int rc;

	pthread_mutex_lock(&q->lock);
	en = inflight_at(&q->inflight, m->first_id);
	if (!inflight_was_given(&q->inflight, m->first_id, 1))
		rc = ERR_PROTOCOL;
	/* By other streams, all its items may have had their verdicts before:
	 * then nothing of it can be wanted. */
	else if (!en)
		rc = pack_count_wanted(m) > 0 ? ERR_PROTOCOL : 0;
	else if (!en->pack || en->first != m->first_id || en->count != m->count)
		rc = ERR_PROTOCOL;
	else
		rc = queue_wanted(q, en, m);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}
