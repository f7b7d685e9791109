/*
 * totals.h - counts of the verdicts of a session, and the result that follows
 * from them.
 *
 * Layer: session.
 * Threads: a struct totals belongs to its owner, who locks it where it is
 * shared.
 */
#ifndef FERRY_SESSION_TOTALS_H
#define FERRY_SESSION_TOTALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "session/events.h"
#include "wire/msg.h"

struct totals {
	/* Files: also symlinks, hard links and special files, and no
	 * directories, but where they failed or were skipped. */
	uint64_t committed, unchanged, skipped;
	uint64_t nodes; /* of committed and unchanged: no regular files */
	uint64_t updated;        /* of unchanged: see totals_status() */
	/* of committed, counted by the receiver: those that took the place of
	 * another file, and those that got another name */
	uint64_t replaced, renamed;
	uint64_t failed_local;   /* by this side's disk or files */
	uint64_t failed_remote;  /* by the peer's */
	uint64_t failed_changed; /* sources that changed while they were sent */
	uint64_t not_kept;       /* items committed without all metadata */
	uint64_t deleted, not_deleted; /* at the receiver, by --delete */
	int is_full;             /* a disk or quota was full, on either side */
	uint64_t bytes;          /* of files committed or unchanged, */
	uint64_t new_bytes;      /* of those that were committed */
	uint8_t sum[WIRE_SUM_LEN]; /* see msg.h, FINISH */
};

enum totals_side { TOTALS_LOCAL, TOTALS_REMOTE, TOTALS_CHANGED };

/* The status that a verdict counts as: UPDATED is UNCHANGED where not all that
 * differed could be set (not_kept: enum file_meta_kind).  Whether something
 * else was set a sender does not know, and such an item counts in not_kept. */
enum file_status totals_status(enum file_status status, unsigned not_kept);

/* Count a regular file that was committed or unchanged; status is of
 * totals_status(). */
void totals_file(struct totals *t, enum file_status status, uint64_t id,
		uint64_t size, const uint8_t *digest, size_t digest_size);

/* The same for a symlink, hard link or special file, which has no content of
 * its own. */
void totals_node(struct totals *t, enum file_status status);

/* The files that FINISH and SUMMARY count: those with content. */
uint64_t totals_with_content(const struct totals *t);

/* Count a file that failed; cause is an enum wire_cause. */
void totals_failed(struct totals *t, enum totals_side side, unsigned cause);

/* Add the counts of another session of the same transfer.  The sum stays: it is
 * over the files of one session. */
void totals_add(struct totals *t, const struct totals *more);

uint64_t totals_failed_count(const struct totals *t);

/* Set sum's counts of files and its bytes; the other fields stay. */
void totals_summary(const struct totals *t, struct session_summary *sum);

/*
 * The result for the sender (is_sender) or the receiver; the first that
 * applies:
 *
 *	nothing failed		0; ERR_SOME_FAILED where metadata was lost, or
 *				something was to be deleted and is still there,
 *				and, for the sender, where files were skipped
 *	a disk was full		ERR_REMOTE for the sender, else ERR_LOCAL
 *	all are changed sources	ERR_CHANGED, unless files were skipped
 *	others were committed	ERR_SOME_FAILED; also unchanged, or skipped
 *	all on one side		ERR_LOCAL or ERR_REMOTE
 *	else			ERR_SOME_FAILED
 *
 * Skipped files count for the sender only, which wanted them to arrive; the
 * receiver was told to skip them.
 */
int totals_code(const struct totals *t, int is_sender);

/*
 * The result of a whole session.  e holds the error that ended it early (code
 * 0: none).  That takes precedence over what happened to single files, whose
 * rest is not known to have arrived; else the result is that of the files.
 * files: the text about them ("": nothing to tell); it is told in both cases.
 * Returns e->code.
 */
int totals_conclude(const struct totals *t, int is_sender, const char *files,
		    struct err *e);

#endif
