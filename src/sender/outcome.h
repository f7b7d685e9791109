/*
 * outcome.h - counts what became of a transfer's files, and reports it.
 *
 * Layer: sender.
 * Threads: any; every function locks what it needs.  Events are called without
 * the outcome's lock, but in outcome_verdict() with the queue's.
 */
#ifndef FERRY_SENDER_OUTCOME_H
#define FERRY_SENDER_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "session/events.h"
#include "wire/msg.h"

struct buf;
struct counters;
struct item;
struct listed_item;
struct outcome;
struct queue_verdict;
struct scan_item;
struct send_config;

/* cfg and count are borrowed.  NULL when out of memory. */
struct outcome *outcome_new(const struct send_config *cfg,
			    struct counters *count);
void outcome_free(struct outcome *o); /* NULL is allowed */

/* Begin the counts of another session.  Those of the one before count in
 * outcome_sum_up() only. */
void outcome_restart(struct outcome *o);

/* ---- single files ---- */

/* The receiver's verdict on an item; peer is the receiver's name, escaped.
 * Called with the queue locked. */
void outcome_verdict(struct outcome *o, const struct queue_verdict *v,
		     const char *peer);

/* In a dry run: what would be done with an item (its state is neither
 * LISTED_DONE, LISTED_COMPARE nor LISTED_WAITING).  As outcome_verdict();
 * v->verdict is not looked at. */
void outcome_planned(struct outcome *o, const struct queue_verdict *v,
		     const struct listed_item *plan, const char *peer);

/* NOTE: the metadata of a directory could not be set. */
void outcome_note(struct outcome *o, const struct msg_note *m,
		  const char *peer);

/* An item (with its name, terminated) could not be sent because of a failure on
 * this side.  e says why; it becomes ERR_CHANGED for a file that is gone. */
void outcome_item_failed(struct outcome *o, const struct item *it,
			 const char *name, struct err *e);

/* The same for one that the receiver does not hear of otherwise, as nothing of
 * it was sent: outcome_take_notes() tells of it. */
void outcome_item_unsent(struct outcome *o, const struct item *it,
			 const char *name, struct err *e);

/* Of what was to be deleted at the receiver: it was, or in a dry run would be
 * (cause 0), or is still there (enum wire_cause). */
void outcome_deletion(struct outcome *o, const char *path, size_t len,
		      int is_dir, unsigned cause, const char *peer);

/* So many were left there, though they are not here. */
void outcome_left(struct outcome *o, uint64_t count);

/* How many files failed so far, in all sessions. */
uint64_t outcome_count_failed(struct outcome *o);

/* The scan found something that cannot be sent (SCAN_ERROR). */
void outcome_scan_failed(struct outcome *o, const struct scan_item *si);

/* The scan has come to its end: all that is to be sent is known. */
void outcome_set_scanned(struct outcome *o);

/* ---- the session and the transfer ---- */

/* Append the NOTE frames about what was not sent to out, which the first stream
 * sends before FINISH. */
void outcome_take_notes(struct outcome *o, struct buf *out);

/* Fill in FINISH: what the receiver has committed, by its verdicts. */
void outcome_finish(struct outcome *o, struct msg_finish *m);

/* Keep a copy of SUMMARY, the answer; whether one came that agrees with the
 * counts of this side. */
void outcome_set_summary(struct outcome *o, const struct msg_summary *m);
int outcome_is_confirmed(struct outcome *o);

/*
 * The result of the transfer.  e holds the error that ended the last session
 * (code 0: none); what happened to single files is told in it as well, and
 * decides where nothing ended the session early (totals_conclude()).  Fills in
 * summary except its seconds.  Returns e->code.
 */
int outcome_sum_up(struct outcome *o, struct session_summary *summary,
		   struct err *e);

#endif
