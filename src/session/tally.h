/*
 * tally.h - what became of a session's files, and what that comes to.
 *
 * Layer: session.  Uses base, chunk/digest.h, wire/msg.h.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_SESSION_TALLY_H
#define FERRY_SESSION_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "session/events.h"
#include "wire/msg.h"

struct tally {
	uint64_t committed, unchanged, skipped;
	uint64_t failed_local;   /* this side's disk or files */
	uint64_t failed_remote;  /* the other side's */
	uint64_t failed_changed; /* sources that changed */
	int is_full;             /* a disk was full (some side's) */
	uint64_t bytes;          /* of files committed or unchanged */
	uint8_t sum[WIRE_SUM];   /* see msg.h, FINISH */
};

enum tally_side { TALLY_LOCAL, TALLY_REMOTE, TALLY_CHANGED };

/* Count a regular file that was committed or unchanged. */
void tally_file(struct tally *t, enum file_status status, uint64_t id,
		uint64_t size, const uint8_t *digest, size_t digest_size);

/* Count a file that failed; cause is an enum wire_cause. */
void tally_failed(struct tally *t, enum tally_side side, unsigned cause);

/* Add what another session of the same transfer came to; but for the sum, which
 * is one session's. */
void tally_add(struct tally *t, const struct tally *more);

uint64_t tally_failed_count(const struct tally *t);

/* Fill in the counts of files, and the bytes of content. */
void tally_summary(const struct tally *t, struct session_summary *sum);

/*
 * The result for the sender (is_sender) or the receiver: 0 when all went
 * well; a full disk beats all; if every failure is a changed source,
 * ERR_CHANGED; if something was committed beside the failures,
 * ERR_SOME_FAILED; else the class the failures share, or ERR_SOME_FAILED.  A
 * skipped file is no success to the sender, which asked for it, but is one to
 * the receiver, who said --existing skip.
 */
int tally_code(const struct tally *t, int is_sender);

#endif
