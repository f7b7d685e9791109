/*
 * Two counters and their limits.
 */
#include "receiver/quota.h"

#include <pthread.h>
#include <stdlib.h>

#include "receiver/verdict.h"

struct quota {
	uint64_t max_items, max_bytes; /* set once */
	pthread_mutex_t lock;
	uint64_t items, bytes; /* taken; guarded by lock */
};

struct quota *quota_new(uint64_t max_items, uint64_t max_bytes)
{
	struct quota *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->max_items = max_items;
	q->max_bytes = max_bytes;
	pthread_mutex_init(&q->lock, NULL);
	return q;
}

void quota_free(struct quota *q)
{
	if (!q)
		return;
	pthread_mutex_destroy(&q->lock);
	free(q);
}

int quota_take(struct quota *q, unsigned items, uint64_t bytes,
	       struct verdict *v)
{
	uint64_t items_left, bytes_left;
	int is_within;

	pthread_mutex_lock(&q->lock);
	items_left = q->max_items - q->items;
	bytes_left = q->max_bytes - q->bytes;
	is_within = items <= items_left && bytes <= bytes_left;
	if (is_within) {
		q->items += items;
		q->bytes += bytes;
	}
	pthread_mutex_unlock(&q->lock);
	if (is_within)
		return 0;
	*v = (struct verdict){ .status = STATUS_FAILED, .cause = CAUSE_LIMIT };
	/* Bytes are reported only where they exceed the limit. */
	if (items <= items_left) {
		v->need = bytes;
		v->have = bytes_left;
	}
	return -1;
}

int quota_limits_items(const struct quota *q)
{
	return q->max_items != UINT64_MAX;
}

void quota_give_back(struct quota *q, unsigned items, uint64_t bytes)
{
	pthread_mutex_lock(&q->lock);
	q->items -= items;
	q->bytes -= bytes;
	pthread_mutex_unlock(&q->lock);
}
