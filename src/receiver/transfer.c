/*
 * Counters that the streams of a session share.
 */
#include "receiver/transfer.h"

void transfer_see_id(struct transfer *t, uint64_t id)
{
	uint64_t max = atomic_load(&t->max_id);

	while (id > max &&
	       !atomic_compare_exchange_weak(&t->max_id, &max, id))
		;
}
