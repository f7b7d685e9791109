/*
 * results.h - what became of a session's items: counted, told to the user, and
 * kept as frames until a stream sends them.
 *
 * Layer: receiver.  Uses session/, wire/, verdict.h, commit.h.
 * Threads: any; it has a lock of its own.  Events are called without it.
 *
 * There are two outboxes.  What goes to whichever stream comes first, and what
 * only the first stream sends: verdicts on symlinks, which the sender does not
 * wait for before it ends its other streams.
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

/* An item and what became of it. */
struct item_result {
	uint64_t id;
	uint8_t kind; /* enum item_kind */
	struct verdict v;
	const char *name; /* terminated; NULL is allowed for a directory that
			     did not fail, which is no event */
	size_t name_len;
	uint64_t size;
	const uint8_t *digest; /* or NULL */
	const char *renamed;   /* its last component is this one, or NULL */
};

/* events and ops are borrowed.  NULL when out of memory or descriptors. */
struct results *results_new(const struct session_events *events,
			    const struct digest_ops *ops);
void results_free(struct results *r); /* NULL is allowed */

/* The session's number and its sender (copied), for events; before the first
 * result. */
void results_set_session(struct results *r, uint64_t number, const char *peer);

/* ---- what became of an item ---- */

/* Count it, keep its verdict for the sender, tell the user. */
void results_add(struct results *r, const struct item_result *item);

/* The same for a file that came as far as the committer. */
void results_committed(struct results *r, const struct commit *c,
		       enum file_status status, unsigned cause);

/* The symlink is here, and has its verdict when it is made. */
void results_deferred(struct results *r, uint64_t id);

/* The sender gave up the file: it knows why, so it gets no verdict. */
void results_aborted(struct results *r, const char *name, size_t name_len,
		     unsigned cause);

/* Mode and time of the directory could not be set: count, tell both users. */
void results_note(struct results *r, const char *path, size_t len, int err_no);

/* Let the verdicts kept so far go out. */
void results_push(struct results *r);

/* ---- what the streams send ---- */

/* Readable when a stream has to look for frames, or at the session's state: the
 * first stream's descriptor, or the one of all others. */
int results_wake_fd(const struct results *r, int is_first);

/* The stream looks now.  To be called before it does, so nothing is missed. */
void results_clear_wake(struct results *r, int is_first);

/* Wake all streams, or only the first. */
void results_wake(struct results *r);
void results_wake_first(struct results *r);

/*
 * Append the frames that are due to out: with is_first also those for the first
 * stream only; with only_first the others are left to it.  Returns whether there
 * were any.  out->failed is set where frames are missing, which must end the
 * session.  Takes no lock where nothing is due.
 */
int results_take_frames(struct results *r, int is_first, int only_first,
			struct buf *out);

/* ---- the end ---- */

/* Whether the sender counted the same. */
int results_match(struct results *r, const struct msg_finish *m);

void results_get_summary(struct results *r, struct msg_summary *m);
void results_get_totals(struct results *r, struct totals *t);

#endif
