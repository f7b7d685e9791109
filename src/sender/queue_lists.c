/*
 * Lists: their items become packs and files, or have an answer.
 */
#include "sender/queue_lists.h"

#include "base/err.h"
#include "sender/outfile.h"
#include "sender/pack.h"
#include "sender/queue_priv.h"

/* The most content of the files of a list with digests, but for a larger one
 * alone: in a dry run they have any size, and the answer is to come within an
 * hour (idle.h). */
static const uint64_t DIGESTED_MAX = (uint64_t)4 << 30;

/* The packs that items of a list are put into. */
struct sorted {
	struct queue *q;
	struct pack *content; /* to be sent */
	struct pack *digests; /* to be listed with digests, */
	uint64_t digested;    /* of so much content */
	int is_wanted; /* the receiver asked for what is to be sent */
	int was_sent;  /* so may the items have been */
};

/* Append a copy of an item to *to, a pack that is queued when it is full.
 * room: for its further metadata. */
static int put_item(struct sorted *s, struct pack **to,
		    const struct pack_texts *texts, uint32_t room,
		    const struct item *it)
{
	const int is_list = to == &s->digests;
	const uint64_t content =
		it->kind == ITEM_FILE ? (uint64_t)it->st.st_size : 0;
	const uint64_t size = is_list ? 0 : content;
	struct item *copy = NULL;

	if (is_list && *to && s->digested + content > DIGESTED_MAX) {
		queue_push_pack(s->q, *to);
		*to = NULL;
	}
	if (is_list)
		s->digested = *to ? s->digested + content : content;
	for (int tries = 0; !copy && tries < 2; tries++) {
		if (*to && tries)
			queue_push_pack(s->q, *to);
		if (!*to || tries)
			*to = pack_new();
		if (!*to)
			return ERR_RESOURCE;
		(*to)->is_list = (*to)->has_digests = is_list;
		(*to)->is_wanted = s->is_wanted && !is_list;
		(*to)->was_sent = s->was_sent;
		(*to)->item_room = room;
		copy = pack_add(*to, (enum item_kind)it->kind, texts, size);
	}
	if (!copy)
		return ERR_RESOURCE;
	item_set_source(copy, it);
	return 0;
}

static int put_file(struct sorted *s, const struct pack *from,
		    const struct item *it)
{
	struct outfile *f = outfile_new(pack_name(from, it), it->name_len,
					it->path_off);

	if (!f)
		return ERR_RESOURCE;
	item_set_source(&f->item, it);
	f->size = (uint64_t)it->st.st_size;
	f->was_listed = 1;
	queue_append_file(s->q, f);
	return 0;
}

static int put_wanted(struct sorted *s, const struct pack *from,
		      const struct item *it)
{
	const struct pack_texts texts = pack_texts_of(from, it);

	if (it->kind == ITEM_FILE && it->st.st_size > PACK_FILE_MAX)
		return put_file(s, from, it);
	return put_item(s, &s->content, &texts, from->item_room, it);
}

/* Queue what was put. */
static void end_sorting(struct sorted *s)
{
	if (s->digests)
		queue_push_pack(s->q, s->digests);
	if (s->content)
		queue_push_pack(s->q, s->content);
}

int queue_expand_list(struct queue *q, struct pack *pk)
{
	struct sorted s = { .q = q, .was_sent = pk->was_sent };
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	for (uint32_t i = 0; rc == 0 && i < pk->count; i++)
		rc = put_wanted(&s, pk, &pk->items[i]);
	end_sorting(&s);
	q->busy--;
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	pack_free(pk);
	return rc;
}

int queue_list_file(struct queue *q, struct outfile *f)
{
	const struct pack_texts texts = {
		.name = outfile_name(f),
		.name_len = f->item.name_len,
		.path_off = f->item.path_off,
	};
	struct sorted s = { .q = q };
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = put_item(&s, &s.digests, &texts, FILE_META_FIELDS_MAX, &f->item);
	end_sorting(&s);
	if (rc == 0) {
		f->locked->state = FILE_DEAD;
		queue_end_flight(q, f);
		queue_signal(q);
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

/* ---- LISTED ---- */

/* Whether the answer is one for this item of a list. */
static int is_answer(const struct pack *pk, const struct item *it,
		     unsigned state, int is_dry_run)
{
	if (state == LISTED_COMPARE)
		return it->kind == ITEM_FILE && !it->done && !pk->has_digests;
	if (is_dry_run)
		return state != LISTED_DONE && !it->done;
	return state == LISTED_DONE || (it->kind == ITEM_FILE && !it->done &&
					state <= LISTED_RENAMED);
}

/* Queue an item that has no verdict yet. */
static int sort_item(struct sorted *s, const struct pack *pk,
		     const struct item *it, unsigned state, int is_dry_run)
{
	const struct pack_texts texts = pack_texts_of(pk, it);

	/* A large file is compared when it is opened, leaf by leaf. */
	if (state == LISTED_COMPARE &&
	    (is_dry_run || it->st.st_size <= OUTFILE_WHOLE_MAX))
		return put_item(s, &s->digests, &texts, pk->item_room, it);
	return is_dry_run ? 0 : put_wanted(s, pk, it);
}

static void end_listed(struct queue *q, struct inflight_entry *en,
		       const struct msg_listed *m, queue_planned_fn fn,
		       void *ctx)
{
	/* en->pack becomes NULL with the pack's last item. */
	for (uint32_t i = 0; en->pack && i < m->count; i++) {
		struct item *it = &en->pack->items[i];
		const struct queue_verdict v =
			queue_describe_item(en, en->first + i);

		if (m->items[i].state == LISTED_DONE)
			continue;
		if (fn && m->items[i].state != LISTED_COMPARE)
			fn(ctx, &v, &m->items[i]);
		q->replies++;
		inflight_end_item(&q->inflight, en, it);
	}
}

static int take_listed(struct queue *q, struct inflight_entry *en,
		       const struct msg_listed *m, queue_planned_fn fn,
		       void *ctx)
{
	struct sorted s = { .q = q, .is_wanted = 1,
			    .was_sent = en->pack->was_sent };
	const struct pack *pk = en->pack;
	int rc = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		if (!is_answer(pk, &pk->items[i], m->items[i].state, fn != NULL))
			return ERR_PROTOCOL;
	}
	for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
		if (m->items[i].state != LISTED_DONE)
			rc = sort_item(&s, pk, &pk->items[i],
				       m->items[i].state, fn != NULL);
	}
	end_sorting(&s);
	if (rc == 0)
		end_listed(q, en, m, fn, ctx);
	return rc;
}

/* Whether all items of an answer are done. */
static int is_all_done(const struct msg_listed *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		if (m->items[i].state != LISTED_DONE)
			return 0;
	}
	return 1;
}

int queue_listed(struct queue *q, const struct msg_listed *m,
		 queue_planned_fn fn, void *ctx)
{
	struct inflight_entry *en;
	int rc;

	pthread_mutex_lock(&q->lock);
	en = inflight_at(&q->inflight, m->first_id);
	if (!inflight_was_given(&q->inflight, m->first_id, m->count))
		rc = ERR_PROTOCOL;
	/* By other streams, all its items may have had their verdicts
	 * before. */
	else if (!en)
		rc = is_all_done(m) ? 0 : ERR_PROTOCOL;
	else if (!en->pack || !en->pack->is_list || en->first != m->first_id ||
		 en->count != m->count)
		rc = ERR_PROTOCOL;
	else
		rc = take_listed(q, en, m, fn, ctx);
	pthread_cond_signal(&q->room);
	queue_signal(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}
