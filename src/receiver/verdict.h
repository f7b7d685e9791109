/*
 * verdict.h - the result for one item, as it is reported to both users.
 *
 * Layer: receiver.
 * Threads: none of its own.
 */
#ifndef FERRY_RECEIVER_VERDICT_H
#define FERRY_RECEIVER_VERDICT_H

#include <stdint.h>

#include "wire/msg.h"

struct verdict {
	enum file_status status;
	unsigned cause; /* enum wire_cause, with STATUS_FAILED */
	/* Bytes needed and there, with a cause that has these (see
	 * wire_cause_has_room()); else 0. */
	uint64_t need, have;
	/* With STATUS_COMMITTED and UPDATED: what of the metadata could not be
	 * kept (enum file_meta_kind); cause says why. */
	unsigned not_kept;
	/* With CAUSE_RIVAL: the path of the other item, terminated, borrowed;
	 * else NULL. */
	const char *rival;
};

#endif
