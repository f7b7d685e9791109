/*
 * What one session may send.  It is counted when it is offered, before
 * anything of it is written, so that nobody gets further by offering much at
 * once on several streams.
 */
#include "receiver/receiver.h"

int rsession_take(struct rsession *s, unsigned items, uint64_t bytes,
		  struct item_result *v)
{
	const struct receive_config *cfg = s->receiver->cfg;
	uint64_t items_left, bytes_left;
	int is_within;

	pthread_mutex_lock(&s->lock);
	items_left = cfg->max_files - s->taken_items;
	bytes_left = cfg->max_size - s->taken_bytes;
	is_within = items <= items_left && bytes <= bytes_left;
	if (is_within) {
		s->taken_items += items;
		s->taken_bytes += bytes;
	}
	pthread_mutex_unlock(&s->lock);
	if (is_within)
		return 0;
	v->cause = CAUSE_LIMIT;
	v->need = items <= items_left ? bytes : 0;
	v->have = items <= items_left ? bytes_left : 0;
	return STATUS_FAILED;
}

void rsession_give_back(struct rsession *s, unsigned items, uint64_t bytes)
{
	pthread_mutex_lock(&s->lock);
	s->taken_items -= items;
	s->taken_bytes -= bytes;
	pthread_mutex_unlock(&s->lock);
}
