/*
 * totals.h - what became of a session's files, and what that comes to.
 *
 * Layer: session.  Uses base, chunk/digest.h, wire/msg.h.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_SESSION_TOTALS_H
#define FERRY_SESSION_TOTALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "session/events.h"
#include "wire/msg.h"

struct totals {
	uint64_t committed, unchanged, skipped;
	uint64_t failed_local;   /* this side's disk or files */
	uint64_t failed_remote;  /* the other side's */
	uint64_t failed_changed; /* sources that changed */
	int is_full;             /* a disk was full (some side's) */
	uint64_t bytes;          /* of files committed or unchanged */
	uint8_t sum[WIRE_SUM];   /* see msg.h, FINISH */
};

enum totals_side { TOTALS_LOCAL, TOTALS_REMOTE, TOTALS_CHANGED };

/* Count a regular file that was committed or unchanged. */
void totals_file(struct totals *t, enum file_status status, uint64_t id,
		uint64_t size, const uint8_t *digest, size_t digest_size);

/* Count a file that failed; cause is an enum wire_cause. */
void totals_failed(struct totals *t, enum totals_side side, unsigned cause);

/* Add what another session of the same transfer came to; but for the sum, which
 * is one session's. */
void totals_add(struct totals *t, const struct totals *more);

uint64_t totals_failed_count(const struct totals *t);

/* Fill in the counts of files, and the bytes of content. */
void totals_summary(const struct totals *t, struct session_summary *sum);

/*
 * The result for the sender (is_sender) or the receiver: 0 when all went
 * well; a full disk beats all; if every failure is a changed source,
 * ERR_CHANGED; if something was committed beside the failures,
 * ERR_SOME_FAILED; else the class the failures share, or ERR_SOME_FAILED.  A
 * skipped file is no success to the sender, which asked for it, but is one to
 * the receiver, who said --existing skip.
 */
int totals_code(const struct totals *t, int is_sender);

#endif
