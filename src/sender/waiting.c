/*
 * A list of items, with their names and targets.
 */
#include "sender/waiting.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fs/name.h"
#include "sender/links.h"
#include "sender/outfile.h"
#include "sender/pack.h"
#include "sender/queue.h"
#include "sender/queue_replies.h"

/* Less than the queue takes without a wait. */
enum { WAITING_MAX = 256 };

struct waiter {
	struct waiter *next;
	struct item item;
	uint64_t id, size;
	const char *target; /* in text, or NULL */
	size_t target_len;
	char text[]; /* the name and the target, each terminated */
};

struct waiting {
	pthread_mutex_t lock;
	struct waiter *list;
	unsigned count;
	int is_over;
};

struct waiting *waiting_new(void)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (w)
		pthread_mutex_init(&w->lock, NULL);
	return w;
}

static void free_list(struct waiter *list)
{
	while (list) {
		struct waiter *next = list->next;

		free(list);
		list = next;
	}
}

void waiting_free(struct waiting *w)
{
	if (!w)
		return;
	free_list(w->list);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int waiting_add(struct waiting *w, const struct queue_verdict *v)
{
	const size_t target = v->target ? v->target_len + 1 : 0;
	struct waiter *it = NULL;

	if (!w || v->item->root == ITEM_NO_ROOT || v->item->kind == ITEM_DIR)
		return 0;
	pthread_mutex_lock(&w->lock);
	if (w->count < WAITING_MAX && !w->is_over)
		it = malloc(sizeof(*it) + v->name_len + 1 + target);
	if (it) {
		*it = (struct waiter){ .next = w->list,
				       .item = *v->item,
				       .id = v->id,
				       .size = v->size,
				       .target_len = v->target_len };
		memcpy(it->text, v->name, v->name_len + 1);
		if (target > 0) {
			it->target = it->text + v->name_len + 1;
			memcpy(it->text + v->name_len + 1, v->target, target);
		}
		w->list = it;
		w->count++;
	}
	pthread_mutex_unlock(&w->lock);
	return it != NULL;
}

void waiting_end(struct waiting *w, int is_over)
{
	pthread_mutex_lock(&w->lock);
	w->is_over = is_over;
	pthread_mutex_unlock(&w->lock);
}

int waiting_has(struct waiting *w, const char *path, size_t len)
{
	int has = 0;

	pthread_mutex_lock(&w->lock);
	for (const struct waiter *it = w->list; it && !has; it = it->next)
		has = it->item.name_len == len &&
		      memcmp(it->text, path, len) == 0;
	pthread_mutex_unlock(&w->lock);
	return has;
}

static struct waiter *take_all(struct waiting *w)
{
	struct waiter *list;

	pthread_mutex_lock(&w->lock);
	list = w->list;
	w->list = NULL;
	w->count = 0;
	pthread_mutex_unlock(&w->lock);
	return list;
}

/* What is queued once more. */
struct requeuing {
	struct queue *q;
	struct links *links;
	int is_dry_run;  /* they are listed */
	struct pack *pk; /* or NULL */
	struct buf first; /* of a hard link */
	int count;
};

static int queue_large(struct requeuing *r, const struct item *it,
		       const char *name, uint64_t size)
{
	struct outfile *f = outfile_new(name, it->name_len, it->path_off);

	if (!f)
		return ERR_RESOURCE;
	item_set_source(&f->item, it);
	f->size = size;
	return queue_add_file(r->q, f);
}

/* Add it to the pack, or to a new one where that is full. */
static int add_to_pack(struct requeuing *r, const struct item *it,
		       const struct pack_texts *texts, uint64_t size)
{
	for (int i = 0; i < 2; i++) {
		struct item *item;
		int rc;

		if (!r->pk)
			r->pk = pack_new();
		if (!r->pk)
			break;
		r->pk->is_list = r->is_dry_run;
		item = pack_add(r->pk, (enum item_kind)it->kind, texts, size);
		if (item) {
			item_set_source(item, it);
			return 0;
		}
		rc = queue_add_pack(r->q, r->pk);
		r->pk = NULL;
		if (rc)
			return rc;
	}
	return ERR_RESOURCE;
}

/* Queue a file with several names: as a file, as a hard link, or not before the
 * receiver has another name of it. */
static int requeue_named(struct requeuing *r, struct item *it,
			 struct pack_texts *texts, uint64_t *size)
{
	const struct links_name n = { texts->name, it->name_len, it->path_off,
				      it->root, &it->st };

	switch (links_find(r->links, &n, &it->linked, &r->first)) {
	case LINKS_FIRST:
	case LINKS_FULL:
		break;
	case LINKS_THERE:
		it->kind = ITEM_LINK;
		texts->target = (const char *)r->first.data;
		texts->target_len = r->first.len - 1;
		*size = 0;
		break;
	case LINKS_LATER:
		return 1;
	}
	return 0;
}

static int requeue(struct requeuing *r, const struct item *from,
		   const struct pack_texts *given, uint64_t size)
{
	struct item it = *from;
	struct pack_texts texts = *given;

	r->count++;
	if (it.linked && requeue_named(r, &it, &texts, &size))
		return 0;
	if (r->is_dry_run)
		size = 0; /* no content takes room in the pack */
	if (it.kind == ITEM_FILE && size > PACK_FILE_MAX)
		return queue_large(r, &it, texts.name, size);
	return add_to_pack(r, &it, &texts, size);
}

/* Queue the pack that is being filled.  rc: of what was done before.  Returns
 * how many were queued, or an error. */
static int end_requeuing(struct requeuing *r, int rc, struct err *e)
{
	if (r->pk && rc == 0)
		rc = queue_add_pack(r->q, r->pk);
	else
		pack_free(r->pk);
	buf_release(&r->first);
	if (rc)
		return err_set(e, rc, rc == ERR_RESOURCE ? "out of memory" :
							   "interrupted");
	return r->count;
}

int waiting_requeue(struct waiting *w, struct queue *q, struct links *links,
		    int is_dry_run, struct err *e)
{
	struct waiter *list = take_all(w);
	struct requeuing r = { .q = q, .links = links,
			       .is_dry_run = is_dry_run };
	int rc = 0;

	buf_init(&r.first, NAME_PATH_MAX + 1);
	for (const struct waiter *it = list; it && rc == 0; it = it->next) {
		const struct pack_texts texts = {
			it->text, it->item.name_len, it->item.path_off,
			it->target, it->target_len,
		};

		rc = requeue(&r, &it->item, &texts, it->size);
	}
	free_list(list);
	return end_requeuing(&r, rc, e);
}

int waiting_requeue_names(struct queue *q, struct links *links, int is_dry_run,
			  struct err *e)
{
	struct requeuing r = { .q = q, .links = links,
			       .is_dry_run = is_dry_run };
	struct links_name n;
	struct stat st;
	struct buf name;
	size_t left;
	int rc = 0;

	buf_init(&r.first, NAME_PATH_MAX + 1);
	buf_init(&name, NAME_PATH_MAX + 1);
	while (rc == 0 && links_next(links, &n, &st, &name, &left)) {
		const struct item it = { .kind = ITEM_FILE,
					 .root = n.root,
					 .name_len = (uint32_t)n.name_len,
					 .path_off = (uint32_t)n.path_off,
					 .linked = 1, /* which, is looked up */
					 .st = st };
		const struct pack_texts texts = { n.name, n.name_len,
						  n.path_off, NULL, 0 };

		rc = requeue(&r, &it, &texts, (uint64_t)st.st_size);
	}
	buf_release(&name);
	return end_requeuing(&r, rc, e);
}

void waiting_fail(struct waiting *w,
		  void (*fn)(void *ctx, const struct queue_verdict *v),
		  void *ctx)
{
	struct waiter *list = take_all(w);

	for (const struct waiter *it = list; it; it = it->next) {
		const struct msg_verdict m = { .first_id = it->id,
					       .count = 1,
					       .status = STATUS_FAILED,
					       .cause = CAUSE_IS_DIR };
		const struct queue_verdict v = {
			.name = it->text,
			.name_len = it->item.name_len,
			.item = &it->item,
			.id = it->id,
			.size = it->size,
			.verdict = &m,
		};

		fn(ctx, &v);
	}
	free_list(list);
}
