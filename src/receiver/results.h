/*
 * results.h - the verdicts on a session's items: counted, reported to the user,
 * and kept as frames until a stream sends them.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.  Events are called without it.
 *
 * There are two outboxes: one for whichever stream comes first, and one that
 * only the first stream sends.  That has the verdicts on symlinks, for which
 * the sender does not wait before it ends its other streams.
 */
#ifndef FERRY_RECEIVER_RESULTS_H
#define FERRY_RECEIVER_RESULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "receiver/verdict.h"
#include "session/events.h"

struct commit;
struct results;
struct totals;

/* An item and its verdict. */
struct item_result {
	uint64_t id;
	uint8_t kind; /* enum item_kind */
	struct verdict v;
	const char *name; /* terminated; NULL is allowed for a directory that
			     did not fail, which is no event */
	size_t name_len;
	uint64_t size;
	const uint8_t *digest; /* or NULL */
	const char *renamed;   /* its last component now, or NULL: as sent */
	int has_replaced;      /* COMMITTED: something else had the name */
};

/* events and ops are borrowed.  NULL when out of memory or descriptors. */
struct results *results_new(const struct session_events *events,
			    const struct digest_ops *ops);
void results_free(struct results *r); /* NULL is allowed */

/* The directory that is received into (borrowed), to find out why it is full;
 * -1, as at first: none. */
void results_set_dir(struct results *r, int dir_fd);

/* The name of a sender of --config (borrowed); NULL, as at first: it has none.
 * Before the first result. */
void results_set_sender(struct results *r, const char *name);

/* Set the session's number and its peer (copied), for events.  To be called
 * before the first result. */
void results_set_session(struct results *r, uint64_t number, const char *peer);

/* How many items the session may send (--max-files); UINT64_MAX, as at first:
 * no limit.  Before the first result. */
void results_set_limit(struct results *r, uint64_t max_items);

/*
 * Whether the sender goes on though the limits were reached.  Every item is an
 * event that is never dropped: of those beyond max_items, and of those that
 * were refused for a limit, there may be RESULTS_OVER_ITEMS in a session, with
 * names of RESULTS_OVER_BYTES.  Returns 0; or ERR_LOCAL with ERR_ERRNO_LIMIT,
 * which is to end the session.  Takes no lock.
 */
enum { RESULTS_OVER_ITEMS = 1 << 16, RESULTS_OVER_BYTES = 8 << 20 };
int results_check_limit(const struct results *r, struct err *e);

/* What the sender knows (enum wire_feature); before the first result. */
void results_set_features(struct results *r, uint32_t features);

/* ---- verdicts ---- */

/* Count the item, keep its verdict for the sender, and tell the user. */
void results_add(struct results *r, const struct item_result *item);

/* In a dry run: count and tell the user what would be done with the item, plan
 * being an enum listed_state.  item->v is its verdict then. */
void results_planned(struct results *r, const struct item_result *item,
		     unsigned plan);

/* As results_add(), for a file of the committer's. */
void results_committed(struct results *r, const struct commit *c,
		       enum file_status status, unsigned cause);

/* Tell the sender that a symlink is here, and gets its verdict when it is
 * made. */
void results_deferred(struct results *r, uint64_t id);

/* Count and report a file that the sender gave up.  It knows why, so it gets no
 * verdict.  is_told: the user knows why, too, from the messages of the sender
 * that was started by ssh. */
void results_aborted(struct results *r, const char *name, size_t name_len,
		     unsigned cause, int is_told);

/* The same for an item that the sender could not even begin to send. */
void results_unsent(struct results *r, const char *name, size_t name_len,
		    unsigned cause, int is_told);

/* Count an item whose metadata the sender could not send as a whole, of these
 * kinds (enum file_meta_kind), and one that the sender did not have deleted.
 * It has told the user. */
void results_cut(struct results *r, unsigned kinds);
void results_left(struct results *r);

/* Mode and time of the directory could not be set: count that, and tell both
 * users. */
void results_note(struct results *r, const char *path, size_t len, unsigned lost,
		  int err_no);

/*
 * What is in the way of some items are directories, which may be deleted at the
 * session's end: then the sender sends these items once more.  waits: until
 * results_forget_waiting(), such an item is not counted or told as failed, and
 * has STATUS_SKIPPED with CAUSE_IS_DIR for the sender.  Before the first
 * result.
 */
void results_set_waits(struct results *r, int waits);
void results_forget_waiting(struct results *r);

/* Count and tell the user that this was deleted, or in a dry run would be; or
 * that it was to be, and why it is still there (enum wire_cause). */
void results_deleted(struct results *r, const char *path, size_t len,
		     int is_dir, int is_planned);
void results_not_deleted(struct results *r, const char *path, size_t len,
			 unsigned cause);

/* Have the streams send the verdicts that were kept so far. */
void results_push(struct results *r);

/* ---- what the streams send ---- */

/* Readable when there are frames to send, or the session's state has changed:
 * the descriptor of the first stream, or the one of all others. */
int results_wake_fd(const struct results *r, int is_first);

/* To be called before the stream checks for both, or it may miss a wake-up. */
void results_clear_wake(struct results *r, int is_first);

/* Wake all streams, or only the first. */
void results_wake(struct results *r);
void results_wake_first(struct results *r);

/*
 * Append the frames that are due to out: with is_first also those that only the
 * first stream sends; with only_first a stream that is not the first gets none.
 * Returns whether there were any.  out->failed is set where frames were lost
 * for want of memory, which must end the session.  Takes no lock if nothing is
 * due.
 */
int results_take_frames(struct results *r, int is_first, int only_first,
			struct buf *out);

/* ---- the end ---- */

/* What of the metadata could not be kept, for a sentence (losses_noun()). */
const char *results_lost(struct results *r);

/* Tell the user what of the metadata could not be kept. */
void results_tell_losses(struct results *r);

/* Whether the sender's counts and sum are the same. */
int results_match(struct results *r, const struct msg_finish *m);

void results_get_summary(struct results *r, struct msg_summary *m);
void results_get_totals(struct results *r, struct totals *t);

#endif
