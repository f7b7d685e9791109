/*
 * A list of items, with their names and targets.
 */
#include "sender/waiting.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

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

	if (!w || v->item->root == ITEM_NO_ROOT ||
	    (v->item->kind != ITEM_FILE && v->item->kind != ITEM_SYMLINK))
		return 0;
	pthread_mutex_lock(&w->lock);
	if (w->count < WAITING_MAX)
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

static int queue_large(const struct waiter *it, struct queue *q)
{
	struct outfile *f = outfile_new(it->text, it->item.name_len,
					it->item.path_off);

	if (!f)
		return ERR_RESOURCE;
	f->item.root = it->item.root;
	f->item.st = it->item.st;
	f->size = it->size;
	return queue_add_file(q, f);
}

/* Add it to *pk, or to a new pack where that is full. */
static int add_to_pack(const struct waiter *it, struct pack **pk,
		       struct queue *q)
{
	for (int i = 0; i < 2; i++) {
		struct item *item = NULL;
		int rc;

		if (!*pk)
			*pk = pack_new();
		if (*pk)
			item = pack_add(*pk, it->item.kind, it->text,
					it->item.name_len, it->item.path_off,
					it->target, it->target_len, it->size);
		if (item) {
			item->root = it->item.root;
			item->st = it->item.st;
			return 0;
		}
		if (!*pk)
			break;
		rc = queue_add_pack(q, *pk);
		*pk = NULL;
		if (rc)
			return rc;
	}
	return ERR_RESOURCE;
}

int waiting_requeue(struct waiting *w, struct queue *q, struct err *e)
{
	struct waiter *list = take_all(w);
	struct pack *pk = NULL;
	int count = 0, rc = 0;

	for (const struct waiter *it = list; it && rc == 0; it = it->next) {
		if (it->item.kind == ITEM_FILE && it->size > PACK_FILE_MAX)
			rc = queue_large(it, q);
		else
			rc = add_to_pack(it, &pk, q);
		count++;
	}
	if (pk && rc == 0)
		rc = queue_add_pack(q, pk);
	else
		pack_free(pk);
	free_list(list);
	if (rc)
		return err_set(e, rc, rc == ERR_RESOURCE ? "out of memory" :
							   "interrupted");
	return count;
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
