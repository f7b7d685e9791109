/*
 * Counting and reporting what became of a transfer's files.
 */
#include "sender/outcome.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "fs/name.h"
#include "fs/scan.h"
#include "net/addr.h"
#include "sender/counters.h"
#include "sender/item.h"
#include "sender/queue_replies.h"
#include "sender/send.h"
#include "session/advice.h"
#include "session/losses.h"
#include "session/totals.h"

struct outcome {
	/* set once */
	const struct send_config *cfg;
	struct counters *count;

	/* guarded by lock */
	pthread_mutex_t lock;
	struct totals totals; /* of this session */
	struct totals before; /* of the lost sessions before it */
	uint64_t notes;       /* of this session */
	/* Of all sessions: files and symlinks that are there; what was skipped
	 * or failed and is not in counters.total_files (directories, and what
	 * the scan could not read). */
	uint64_t good, uncounted;
	int is_scanned; /* the scan has come to its end */
	struct losses cut;    /* metadata that was not sent */
	struct losses losses; /* of all sessions, */
	char peer[ADDR_TEXT_MAX]; /* of the receiver that had them */
	int has_summary;
	struct msg_summary summary;
	struct buf unsent; /* NOTE frames */
};

/* Some thousands of names.  What goes beyond is not told to a receiver, which
 * then still knows that its request was not met. */
enum {
	UNSENT_MAX = 1 << 20, /* bytes */
	LEFT_NOTED_MAX = 1024,
};

struct outcome *outcome_new(const struct send_config *cfg,
			    struct counters *count)
{
	struct outcome *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->cfg = cfg;
	o->count = count;
	buf_init(&o->unsent, UNSENT_MAX);
	pthread_mutex_init(&o->lock, NULL);
	return o;
}

void outcome_free(struct outcome *o)
{
	if (!o)
		return;
	pthread_mutex_destroy(&o->lock);
	buf_release(&o->unsent);
	free(o);
}

void outcome_restart(struct outcome *o)
{
	pthread_mutex_lock(&o->lock);
	totals_add(&o->before, &o->totals);
	memset(&o->totals, 0, sizeof(o->totals));
	o->notes = 0;
	o->has_summary = 0;
	pthread_mutex_unlock(&o->lock);
}

static void tell_file(const struct outcome *o, const struct session_file *f)
{
	const struct session_events *ev = o->cfg->events;

	if (ev->file)
		ev->file(ev->ctx, 1, f);
}

/* ---- notes, for a receiver that has asked for what it gets ---- */

/* Locked.  The receiver counts what is noted. */
static void keep_note(struct outcome *o, const struct msg_note *m)
{
	struct msg_note noted = *m;

	/* The name itself may be why it was not sent. */
	if (name_check(m->name, m->name_len)) {
		noted.name = MSG_NOTE_NAMELESS;
		noted.name_len = strlen(MSG_NOTE_NAMELESS);
	}
	/* whole frames only */
	if (o->unsent.len + noted.name_len + 64 <= UNSENT_MAX)
		msg_put_note(&o->unsent, &noted);
}

/* The same, of what concerns a receiver only whose user is ours, too: through a
 * carrier. */
static void keep_own_note(struct outcome *o, const struct msg_note *m)
{
	if (o->cfg->carrier)
		keep_note(o, m);
}

/* ---- what the receiver reports ---- */

/* Locked; the peer of the first is kept. */
static void count_loss(struct outcome *o, const char *peer)
{
	if (!o->peer[0])
		snprintf(o->peer, sizeof(o->peer), "%s", peer);
	o->totals.not_kept++;
}

/* Locked.  What was not sent whole counts when its item has its verdict: before
 * that it may be read several times, as with a list or after a lost
 * connection. */
static void count_cut(struct outcome *o, const struct queue_verdict *v)
{
	const struct msg_note m = {
		.cause = CAUSE_TOO_LARGE,
		.kind = ITEM_FILE,
		.name = v->name,
		.name_len = v->name_len,
		.not_kept = v->item->cut,
	};

	losses_add(&o->cut, m.not_kept, m.cause, m.name, m.name_len);
	/* an item counts once, whatever of it is lost, and on which side */
	if (!v->verdict->not_kept) {
		o->totals.not_kept++;
		keep_own_note(o, &m);
	}
}

static void count_verdict(struct outcome *o, const struct queue_verdict *v,
			  const char *peer)
{
	const struct msg_verdict *m = v->verdict;
	const int is_file = v->item->kind == ITEM_FILE;
	const unsigned is_there = m->status == STATUS_UNCHANGED ||
				  m->status == STATUS_UPDATED;
	const unsigned is_good = m->status == STATUS_COMMITTED || is_there;
	enum totals_side side = TOTALS_REMOTE;

	if (m->cause == CAUSE_CHANGED || m->cause == CAUSE_MISMATCH)
		side = TOTALS_CHANGED;
	pthread_mutex_lock(&o->lock);
	if (v->item->kind != ITEM_DIR)
		o->good += is_good;
	else
		o->uncounted += !is_good;
	if (m->status == STATUS_FAILED)
		totals_failed(&o->totals, side, m->cause);
	else if (m->status == STATUS_SKIPPED)
		o->totals.skipped++;
	else if (is_file)
		totals_file(&o->totals, totals_status(m->status, m->not_kept),
			    v->id, v->size, v->item->digest,
			    o->cfg->digest->size);
	else if (is_good && v->item->kind != ITEM_DIR)
		totals_node(&o->totals, totals_status(m->status, m->not_kept));
	losses_add(&o->losses, m->not_kept, m->cause, v->name, v->name_len);
	if (m->not_kept)
		count_loss(o, peer);
	if (v->item->cut && is_good)
		count_cut(o, v);
	pthread_mutex_unlock(&o->lock);
	/* The receiver may have other files as well: offer them first. */
	if (is_there && is_file)
		atomic_store(&o->count->wants_offers, 1);
	if (is_good)
		atomic_fetch_add(&o->count->basis_bytes, v->unanswered);
	atomic_fetch_add(&o->count->spared, v->uncounted);
	if (v->item->kind == ITEM_DIR) {
		atomic_fetch_add(&o->count->done_dirs, 1);
	} else {
		atomic_fetch_add(&o->count->files, 1);
		atomic_fetch_add(&o->count->done_bytes, v->size);
	}
}

/* Tell of a failure.  Apart for the sake of all others, as its texts are zeroed
 * at first (-ftrivial-auto-var-init). */
static void tell_failure(const struct outcome *o, const struct queue_verdict *v,
			 const char *peer, struct session_file *f)
{
	const struct msg_verdict *m = v->verdict;
	char error[1400], name[512], why[640];

	text_escape(name, sizeof(name), v->name, v->name_len);
	/* How far a plan is over the limit is not told. */
	if (f->is_planned)
		snprintf(why, sizeof(why), "%s", wire_cause_text(m->cause));
	else if (m->rival)
		advice_rival_text(why, sizeof(why), m->rival, m->rival_len);
	else
		advice_text(why, sizeof(why), m->cause, m->need, m->have);
	snprintf(error, sizeof(error), "%s: on the receiver %s: %s", name,
		 peer, why);
	f->error = error;
	f->reason = wire_cause_text(m->cause);
	f->advice = o->cfg->carrier ? advice_by_ssh_of(m->cause) :
				      advice_of(m->cause);
	tell_file(o, f);
	f->error = NULL; /* it ends here */
}

/* plan: in a dry run, an enum listed_state; else 0. */
static void tell_verdict(const struct outcome *o, const struct queue_verdict *v,
			 unsigned plan, const char *peer)
{
	const struct msg_verdict *m = v->verdict;
	const int is_dir = v->item->kind == ITEM_DIR;
	struct session_file f = {
		.name = v->name,
		.name_len = v->name_len,
		.size = v->size,
		.status = m->status,
		.not_kept = m->not_kept,
		.is_planned = plan > 0,
		.plan = plan,
		.is_dir = is_dir,
	};

	/* A directory is reported only when something is wrong with it, or
	 * would be done. */
	if (is_dir && m->status != STATUS_FAILED &&
	    (!plan || plan == LISTED_UNCHANGED))
		return;
	if (v->has_digest) {
		f.digest_ops = o->cfg->digest;
		f.digest = v->item->digest;
	}
	if (m->status == STATUS_FAILED)
		tell_failure(o, v, peer, &f);
	else
		tell_file(o, &f);
}

void outcome_verdict(struct outcome *o, const struct queue_verdict *v,
		     const char *peer)
{
	count_verdict(o, v, peer);
	tell_verdict(o, v, 0, peer);
}

void outcome_planned(struct outcome *o, const struct queue_verdict *v,
		     const struct listed_item *plan, const char *peer)
{
	const struct msg_verdict m = {
		.first_id = v->id,
		.count = 1,
		.status = (uint8_t)msg_listed_status(plan->state),
		.cause = plan->cause,
	};
	struct queue_verdict planned = *v;

	planned.verdict = &m;
	count_verdict(o, &planned, peer);
	tell_verdict(o, &planned, plan->state, peer);
}

void outcome_note(struct outcome *o, const struct msg_note *m, const char *peer)
{
	char name[512], why[256];

	text_escape(name, sizeof(name), m->name, m->name_len);
	advice_text(why, sizeof(why), m->cause, 0, 0);
	pthread_mutex_lock(&o->lock);
	o->notes++;
	/* An older receiver does not say what of it. */
	losses_add(&o->losses,
		   m->not_kept ? m->not_kept : FILE_META_BASIC_KINDS, m->cause,
		   m->name, m->name_len);
	count_loss(o, peer);
	pthread_mutex_unlock(&o->lock);
	events_message(o->cfg->events, SESSION_VERBOSE,
			"%s: on the receiver %s: setting its metadata: %s",
			name, peer, why);
}

void outcome_deletion(struct outcome *o, const char *path, size_t len,
		      int is_dir, unsigned cause, const char *peer)
{
	const struct session_events *ev = o->cfg->events;
	struct session_deletion d = { .name = path,
				      .name_len = len,
				      .is_dir = is_dir,
				      .is_planned = o->cfg->dry_run };
	char shown[512], error[1400];

	/* It was removed meanwhile. */
	if (cause == CAUSE_VANISHED)
		return;
	pthread_mutex_lock(&o->lock);
	o->totals.deleted += cause == CAUSE_NONE;
	o->totals.not_deleted += cause != CAUSE_NONE;
	pthread_mutex_unlock(&o->lock);
	if (cause) {
		d.reason = advice_deletion_text(cause);
		d.advice = advice_of_deletion(cause);
		text_escape(shown, sizeof(shown), path, len);
		snprintf(error, sizeof(error),
			 "%s: not deleted on the receiver %s: %s",
			 len > 0 ? shown : ".", peer, d.reason);
		d.error = error;
	}
	if (ev->deleted)
		ev->deleted(ev->ctx, 1, &d);
}

/* ---- what a receiver that has asked for it is told ---- */

/* Any receiver would else take what it gets for the whole. */
static void note_unsent(struct outcome *o, const struct session_file *f,
			const struct err *e)
{
	const struct msg_note m = {
		.cause = e->code == ERR_CHANGED ?
				 CAUSE_CHANGED :
				 (uint16_t)wire_cause_of_source(e->sys_errno),
		.kind = ITEM_FILE,
		.name = f->name,
		.name_len = f->name_len,
	};

	keep_note(o, &m);
}

void outcome_left(struct outcome *o, uint64_t count)
{
	const struct msg_note m = {
		.cause = CAUSE_LIMIT,
		.kind = ITEM_DIR,
		.name = MSG_NOTE_NAMELESS,
		.name_len = strlen(MSG_NOTE_NAMELESS),
	};

	pthread_mutex_lock(&o->lock);
	o->totals.not_deleted += count;
	for (uint64_t i = 0; i < count && i < LEFT_NOTED_MAX; i++)
		keep_own_note(o, &m);
	pthread_mutex_unlock(&o->lock);
}

uint64_t outcome_count_failed(struct outcome *o)
{
	uint64_t n;

	pthread_mutex_lock(&o->lock);
	n = totals_failed_count(&o->totals) + totals_failed_count(&o->before);
	pthread_mutex_unlock(&o->lock);
	return n;
}

/* ---- what failed on this side ---- */

/* f is complete except for status, error and reason, which may be set.  shown:
 * the path as the user would name it, escaped. */
static void local_failure(struct outcome *o, struct session_file *f,
			  const char *shown, int is_unsent,
			  const struct err *e)
{
	const size_t shown_len = strlen(shown);
	const char *cause = e->text;
	char error[1500];

	/* The texts of the scan begin with the path: do not name it twice. */
	if (strncmp(cause, shown, shown_len) == 0 &&
	    strncmp(cause + shown_len, ": ", 2) == 0)
		cause += shown_len + 2;
	/* The user of ferry remote is at the other side, and sees whose message
	 * it is. */
	snprintf(error, sizeof(error), "%s: %s%s", shown,
		 o->cfg->is_ordered ? "" : "on this side: ", cause);
	f->status = STATUS_FAILED;
	f->is_own = 1;
	f->error = error;
	/* the text of a change has numbers in it that differ by file */
	if (e->code == ERR_CHANGED)
		f->reason = wire_cause_text(CAUSE_CHANGED);
	else if (!f->reason)
		f->reason = cause;
	pthread_mutex_lock(&o->lock);
	totals_failed(&o->totals,
		      e->code == ERR_CHANGED ? TOTALS_CHANGED : TOTALS_LOCAL,
		      wire_cause_of_errno(e->sys_errno));
	if (is_unsent)
		note_unsent(o, f, e);
	pthread_mutex_unlock(&o->lock);
	tell_file(o, f);
	f->error = NULL; /* it ends here */
}

static void item_failed(struct outcome *o, const struct item *it,
			const char *name, int is_unsent, struct err *e)
{
	struct session_file f = { .name = name, .name_len = it->name_len };
	const char *top = "";
	char path[NAME_PATH_MAX + 512], shown[700];

	if (o->cfg->scan && it->root != ITEM_NO_ROOT &&
	    it->path_off <= it->name_len)
		top = scan_root_display(o->cfg->scan, it->root);
	snprintf(path, sizeof(path), "%s%s", top, name + it->path_off);
	text_escape(shown, sizeof(shown), path, strlen(path));
	/* The scan has seen it, so it was removed since. */
	if (e->code == ERR_LOCAL && e->sys_errno == ENOENT)
		e->code = ERR_CHANGED;
	pthread_mutex_lock(&o->lock);
	o->uncounted += it->kind == ITEM_DIR;
	pthread_mutex_unlock(&o->lock);
	local_failure(o, &f, shown, is_unsent, e);
}

void outcome_item_failed(struct outcome *o, const struct item *it,
			 const char *name, struct err *e)
{
	item_failed(o, it, name, 0, e);
}

void outcome_item_unsent(struct outcome *o, const struct item *it,
			 const char *name, struct err *e)
{
	item_failed(o, it, name, 1, e);
}

void outcome_scan_failed(struct outcome *o, const struct scan_item *si)
{
	struct session_file f = {
		.name = si->name,
		.name_len = si->name_len,
		.reason = si->reason,
		.advice = si->advice,
	};
	char shown[700];

	pthread_mutex_lock(&o->lock);
	o->uncounted++;
	pthread_mutex_unlock(&o->lock);
	text_escape(shown, sizeof(shown), si->display, strlen(si->display));
	local_failure(o, &f, shown, 1, si->err);
}

void outcome_set_scanned(struct outcome *o)
{
	pthread_mutex_lock(&o->lock);
	o->is_scanned = 1;
	pthread_mutex_unlock(&o->lock);
}

/* ---- the session and the transfer ---- */

void outcome_take_notes(struct outcome *o, struct buf *out)
{
	pthread_mutex_lock(&o->lock);
	buf_put(out, o->unsent.data, o->unsent.len);
	buf_reset(&o->unsent);
	pthread_mutex_unlock(&o->lock);
}

void outcome_finish(struct outcome *o, struct msg_finish *m)
{
	pthread_mutex_lock(&o->lock);
	m->files = totals_with_content(&o->totals);
	m->bytes = o->totals.bytes;
	memcpy(m->sum, o->totals.sum, sizeof(m->sum));
	pthread_mutex_unlock(&o->lock);
}

void outcome_set_summary(struct outcome *o, const struct msg_summary *m)
{
	pthread_mutex_lock(&o->lock);
	o->summary = *m;
	o->has_summary = 1;
	pthread_mutex_unlock(&o->lock);
}

int outcome_is_confirmed(struct outcome *o)
{
	const struct totals *t = &o->totals;
	const struct msg_summary *m = &o->summary;
	int is_same;

	pthread_mutex_lock(&o->lock);
	is_same = o->has_summary && m->files == totals_with_content(t) &&
		  m->bytes == t->bytes && m->notes == o->notes &&
		  memcmp(m->sum, t->sum, WIRE_SUM_LEN) == 0;
	pthread_mutex_unlock(&o->lock);
	return is_same;
}

/* What the transfer's files came to, for the texts about them. */
struct tally {
	uint64_t found, missing; /* missing: not known to be there */
	uint64_t failed, skipped;
	uint64_t not_kept; /* items that are there without all metadata */
	const char *lost;  /* what of it */
	uint64_t not_deleted;
	int was_begun; /* something was sent, and may be there */
	int is_whole; /* all sources were scanned */
	int is_dry;
};

static struct tally tally_of(const struct outcome *o, const struct totals *t)
{
	struct tally y = {
		.found = atomic_load(&o->count->total_files) + o->uncounted,
		.failed = totals_failed_count(t),
		.skipped = t->skipped,
		.not_kept = t->not_kept,
		.lost = losses_noun(o->cut.items ? &o->cut : &o->losses, 0),
		.not_deleted = t->not_deleted,
		.was_begun = o->good > 0 ||
			     atomic_load(&o->count->content_sent) > 0,
		.is_whole = o->is_scanned,
		.is_dry = o->cfg->dry_run,
	};

	y.missing = y.found - o->good;
	return y;
}

/* "1 failed (see above), 2 skipped by the receiver".  The lines about what
 * failed are above in every case; those about skipped files are not with -q. */
static void detail_text(char *dst, size_t size, const struct tally *y)
{
	char failed[64] = "";

	if (y->failed)
		snprintf(failed, sizeof(failed), "%llu failed (see above)%s",
			 (unsigned long long)y->failed,
			 y->skipped ? ", " : "");
	if (y->skipped)
		snprintf(dst, size, "%s%llu skipped by the receiver", failed,
			 (unsigned long long)y->skipped);
	else
		snprintf(dst, size, "%s", failed);
}

/* What is missing.  end: the error that ended the session early, or 0. */
static void missing_text(char *dst, size_t size, const struct tally *y, int end)
{
	char detail[160], rest[180] = "";
	char missing[TEXT_GROUPED_MAX], found[TEXT_COUNT_MAX];
	const char *what = y->is_dry && !end ? "not be sent" : "not sent";
	const char *verb = y->missing == 1 ? "was" : "were";

	detail_text(detail, sizeof(detail), y);
	if (!end && !y->failed)
		what = y->is_dry ? "be skipped by the receiver" :
				   "skipped by the receiver";
	else if (!end && !y->skipped)
		snprintf(rest, sizeof(rest), " (see above)");
	else if (*detail)
		snprintf(rest, sizeof(rest), "%s%s", end ? ", " : ": ", detail);
	/* Of a session that broke off, more may be there than is known. */
	if (end && (y->was_begun || (end != ERR_CONNECT && end != ERR_AUTH)))
		what = "not confirmed as committed";
	if (y->is_dry && end)
		what = "not asked about";
	else if (y->is_dry)
		verb = "would";
	snprintf(dst, size, "%s of %s%s %s %s%s",
		 text_grouped(missing, y->missing),
		 text_count(found, y->found, "file"),
		 y->is_whole ? "" : " found so far", verb, what, rest);
}

/* The text about the files for totals_conclude(). */
static void tally_text(char *dst, size_t size, const struct tally *y, int end)
{
	char missing[300] = "", lost[120] = "", left[100] = "";
	char number[TEXT_COUNT_MAX];

	/* Where nothing is there, nor anything wrong with a file, the error
	 * says it all. */
	if (y->missing && (!end || y->missing < y->found || y->failed ||
			   y->skipped))
		missing_text(missing, sizeof(missing), y, end);
	if (y->not_kept)
		snprintf(lost, sizeof(lost),
			 "%s%s of %s %s kept (see above)",
			 *missing ? "; " : "", y->lost,
			 text_count(number, y->not_kept, "item"),
			 y->is_dry ? "would not be" : "were not");
	if (y->not_deleted)
		snprintf(left, sizeof(left),
			 "%s%s %s not %sdeleted on the receiver (see above)",
			 *missing || *lost ? "; " : "",
			 text_count(number, y->not_deleted, "item"),
			 y->is_dry ? "would" :
			 y->not_deleted == 1 ? "was" : "were",
			 y->is_dry ? "be " : "");
	snprintf(dst, size, "%s%s%s", missing, lost, left);
}

/* Nothing may be told as sent that has no verdict, whatever went wrong
 * inside. */
static void check_tally(const struct tally *y, struct err *e)
{
	if (e->code || y->is_dry || y->missing == y->failed + y->skipped)
		return;
	err_set(e, ERR_INTERNAL,
		"of %llu files found %llu are known to be there, %llu failed and "
		"%llu were skipped: this is a fault in ferry",
		(unsigned long long)y->found,
		(unsigned long long)(y->found - y->missing),
		(unsigned long long)y->failed, (unsigned long long)y->skipped);
}

int outcome_sum_up(struct outcome *o, struct session_summary *summary,
		   struct err *e)
{
	struct totals t;
	struct tally y;
	char files[520], where[ADDR_TEXT_MAX + 32];

	pthread_mutex_lock(&o->lock);
	t = o->totals;
	totals_add(&t, &o->before);
	y = tally_of(o, &t);
	if (!e->code && !o->has_summary)
		err_set(e, ERR_INTERNAL, "the session ended without a result");
	check_tally(&y, e);
	pthread_mutex_unlock(&o->lock);
	snprintf(where, sizeof(where), "on the receiver %s", o->peer);
	losses_tell(&o->losses, o->cfg->events, 1, where);
	losses_tell_cut(&o->cut, o->cfg->events);
	tally_text(files, sizeof(files), &y, e->code);
	summary->code = totals_conclude(&t, 1, files, e);
	totals_summary(&t, summary);
	summary->is_dry_run = o->cfg->dry_run;
	summary->wire_bytes = atomic_load(&o->count->wire_bytes);
	summary->sent_bytes = atomic_load(&o->count->content_sent);
	summary->payload_bytes = atomic_load(&o->count->payload_sent);
	summary->replaced = atomic_load(&o->count->replaced) +
			    atomic_load(&o->count->replaced_before);
	summary->renamed = atomic_load(&o->count->renamed) +
			   atomic_load(&o->count->renamed_before);
	summary->resent_bytes = atomic_load(&o->count->resent_bytes);
	summary->basis_bytes = atomic_load(&o->count->basis_bytes);
	return e->code;
}
