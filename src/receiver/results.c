/*
 * Counts, events, and frames with verdicts.
 */
#include "receiver/results.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "fs/name.h"
#include "net/addr.h"
#include "os/wake.h"
#include "receiver/commit.h"
#include "receiver/senders.h"
#include "session/advice.h"
#include "session/losses.h"
#include "session/totals.h"

enum {
	OUTBOX_MAX = 4 << 20,
	RENAMED_MAX = NAME_PATH_MAX + NAME_COMPONENT_MAX + 2,
	SHOWN_MAX = 512, /* of a name in a message */
	/* As many as there may be parts of one session, or some; and bytes. */
	FEW_INODES = 64,
	SPACE_LEFT = 1 << 20,
};

/* Frames, and a run of equal verdicts that becomes the next one. */
struct outbox {
	struct buf frames;
	struct msg_verdict run;
	atomic_int is_due; /* frames may hold something */
};

struct results {
	/* set once */
	const struct session_events *events;
	const struct digest_ops *digest;
	int tells_not_kept, tells_rivals, tells_updated;
	uint64_t number;
	char peer[SENDER_LABEL_MAX];
	const char *sender; /* borrowed; NULL: not named */
	struct wake wake, first_wake;
	int dir_fd; /* borrowed, or -1 */
	uint64_t max_items;

	atomic_int is_over_limit;

	/* guarded by lock */
	pthread_mutex_t lock;
	struct totals totals;
	uint64_t notes;
	/* items that the user was told of; of these, what was over a limit */
	uint64_t told, over_items, over_bytes;
	unsigned cut; /* enum file_meta_kind: of what was not sent whole */
	int waits; /* see results_set_waits() */
	uint64_t waiting;
	struct losses losses;
	struct outbox any, first;
};

struct results *results_new(const struct session_events *events,
			    const struct digest_ops *ops)
{
	struct results *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->events = events;
	r->digest = ops;
	r->first_wake.fd = -1;
	r->dir_fd = -1;
	r->max_items = UINT64_MAX;
	pthread_mutex_init(&r->lock, NULL);
	buf_init(&r->any.frames, OUTBOX_MAX);
	buf_init(&r->first.frames, OUTBOX_MAX);
	if (wake_open(&r->wake) == 0 && wake_open(&r->first_wake) == 0)
		return r;
	results_free(r);
	return NULL;
}

void results_free(struct results *r)
{
	if (!r)
		return;
	buf_release(&r->any.frames);
	buf_release(&r->first.frames);
	wake_close(&r->wake);
	wake_close(&r->first_wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void results_set_dir(struct results *r, int dir_fd)
{
	r->dir_fd = dir_fd;
}

void results_set_limit(struct results *r, uint64_t max_items)
{
	r->max_items = max_items;
}

int results_check_limit(const struct results *r, struct err *e)
{
	if (!atomic_load(&r->is_over_limit))
		return 0;
	err_set(e, ERR_LOCAL,
		"the sender sent more than %d items, or %d MiB of names, "
		"beyond what --max-files and --max-size allow",
		RESULTS_OVER_ITEMS, RESULTS_OVER_BYTES >> 20);
	e->sys_errno = ERR_ERRNO_LIMIT;
	return e->code;
}

void results_set_features(struct results *r, uint32_t features)
{
	r->tells_not_kept = (features & FEATURE_NOT_KEPT) != 0;
	r->tells_rivals = (features & FEATURE_RIVALS) != 0;
	r->tells_updated = (features & FEATURE_UPDATED) != 0;
}

void results_set_sender(struct results *r, const char *name)
{
	r->sender = name;
}

void results_set_session(struct results *r, uint64_t number, const char *peer)
{
	r->number = number;
	snprintf(r->peer, sizeof(r->peer), "%s", peer);
}

/* ---- waking the streams ---- */

int results_wake_fd(const struct results *r, int is_first)
{
	return is_first ? r->first_wake.fd : r->wake.fd;
}

void results_clear_wake(struct results *r, int is_first)
{
	wake_clear(is_first ? &r->first_wake : &r->wake);
}

void results_wake(struct results *r)
{
	wake_signal(&r->first_wake);
	wake_signal(&r->wake);
}

void results_wake_first(struct results *r)
{
	wake_signal(&r->first_wake);
}

/* ---- frames ---- */

/* Put the run of equal verdicts into a frame.  Locked. */
static void flush_run(struct outbox *o)
{
	if (o->run.count == 0)
		return;
	msg_put_verdict(&o->frames, &o->run);
	o->run.count = 0;
	atomic_store(&o->is_due, 1);
}

/* Keep the verdict on one item.  Locked. */
static void put_verdict(struct outbox *o, uint64_t id, unsigned status,
			const struct verdict *v)
{
	struct msg_verdict *run = &o->run;

	/* Most items of a pack have the same verdict: they share a frame. */
	if (run->count > 0 && run->first_id + run->count == id &&
	    run->status == status && run->cause == v->cause &&
	    run->need == v->need && run->have == v->have &&
	    run->not_kept == v->not_kept) {
		run->count++;
		return;
	}
	flush_run(o);
	*run = (struct msg_verdict){
		.first_id = id,
		.count = 1,
		.status = (uint8_t)status,
		.not_kept = (uint8_t)v->not_kept,
		.cause = (uint16_t)v->cause,
		.need = v->need,
		.have = v->have,
		.rival = v->rival,
		.rival_len = v->rival ? strlen(v->rival) : 0,
	};
	/* It is borrowed. */
	if (v->rival)
		flush_run(o);
}

void results_push(struct results *r)
{
	int any;

	pthread_mutex_lock(&r->lock);
	flush_run(&r->any);
	flush_run(&r->first);
	any = r->any.frames.len > 0 || r->first.frames.len > 0 ||
	      r->any.frames.failed || r->first.frames.failed;
	pthread_mutex_unlock(&r->lock);
	if (any)
		results_wake(r);
}

/* Locked. */
static void take_frames(struct outbox *o, struct buf *out)
{
	atomic_store(&o->is_due, 0);
	buf_put(out, o->frames.data, o->frames.len);
	out->failed |= o->frames.failed;
	buf_reset(&o->frames);
}

int results_take_frames(struct results *r, int is_first, int only_first,
			struct buf *out)
{
	const int any = (is_first || !only_first) &&
			atomic_load(&r->any.is_due);

	/* Every stream asks before every frame, mostly for nothing: without the
	 * lock. */
	if (!any && !(is_first && atomic_load(&r->first.is_due)))
		return 0;
	pthread_mutex_lock(&r->lock);
	if (any)
		take_frames(&r->any, out);
	if (is_first)
		take_frames(&r->first, out);
	pthread_mutex_unlock(&r->lock);
	return 1;
}

/* ---- verdicts ---- */

/* Of an item that the user is told of.  Locked. */
static void count_told(struct results *r, size_t name_len, unsigned cause)
{
	if (++r->told <= r->max_items && cause != CAUSE_LIMIT)
		return;
	r->over_items++;
	r->over_bytes += name_len;
	if (r->over_items > RESULTS_OVER_ITEMS ||
	    r->over_bytes > RESULTS_OVER_BYTES)
		atomic_store(&r->is_over_limit, 1);
}

/* Whether the user is told of an item: of directories where something is wrong,
 * or would be done.  plan: in a dry run, an enum listed_state; else 0. */
static int is_told(const struct item_result *item, unsigned plan)
{
	return item->kind != ITEM_DIR || item->v.status == STATUS_FAILED ||
	       (plan && plan != LISTED_UNCHANGED);
}

/* Locked. */
static void count_item(struct results *r, const struct item_result *item)
{
	struct totals *t = &r->totals;
	const enum file_status status = item->v.status;

	if (status == STATUS_FAILED)
		totals_failed(t,
			      item->v.cause == CAUSE_MISMATCH ? TOTALS_CHANGED :
								TOTALS_LOCAL,
			      item->v.cause);
	else if (status == STATUS_SKIPPED)
		t->skipped++;
	else if (item->kind == ITEM_FILE)
		totals_file(t, totals_status(status, item->v.not_kept),
			    item->id, item->size, item->digest,
			    r->digest->size);
	else if (item->kind != ITEM_DIR)
		totals_node(t, totals_status(status, item->v.not_kept));
	if (item->kind != ITEM_DIR && status == STATUS_COMMITTED) {
		t->replaced += item->has_replaced != 0;
		t->renamed += item->renamed != NULL;
	}
}

/* Tell of a failure. */
static void tell_failure(const struct results *r,
			 const struct item_result *item,
			 struct session_file *f)
{
	const struct verdict *v = &item->v;
	char name[SHOWN_MAX], why[640], error[1400], advice[ADVICE_MAX];

	text_escape(name, sizeof(name), item->name, item->name_len);
	advice_text(why, sizeof(why), v->cause, v->need, v->have);
	if (v->rival)
		advice_rival_text(why, sizeof(why), v->rival,
				  strlen(v->rival));
	snprintf(error, sizeof(error), "%s: from %s: on this side: %s", name,
		 r->peer, why);
	f->error = error;
	f->reason = wire_cause_text(v->cause);
	f->advice = r->sender ? advice_of_named(advice, sizeof(advice),
						v->cause, r->sender) :
				advice_of(v->cause);
	r->events->file(r->events->ctx, r->number, f);
}

/* Tell of an item that got another name. */
static void tell_renamed(const struct results *r,
			 const struct item_result *item,
			 struct session_file *f)
{
	const int dir = (int)(name_last(item->name) - item->name);
	char renamed[RENAMED_MAX];

	snprintf(renamed, sizeof(renamed), "%.*s%s", dir, item->name,
		 item->renamed);
	f->renamed_to = renamed;
	r->events->file(r->events->ctx, r->number, f);
}

/* The texts have functions of their own: they have kilobytes of variables,
 * which are zeroed (-ftrivial-auto-var-init), for few of many items.  plan: as
 * for is_told(). */
static void tell_user(const struct results *r, const struct item_result *item,
		      unsigned plan)
{
	const struct session_events *ev = r->events;
	const struct verdict *v = &item->v;
	struct session_file f = {
		.name = item->name,
		.name_len = item->name_len,
		.size = item->size,
		.status = v->status,
		.digest_ops = item->digest ? r->digest : NULL,
		.digest = item->digest,
		.not_kept = v->not_kept,
		.is_planned = plan > 0,
		.plan = plan,
		.is_dir = item->kind == ITEM_DIR,
	};

	if (!ev->file || !is_told(item, plan))
		return;
	if (v->status == STATUS_FAILED)
		tell_failure(r, item, &f);
	else if (item->renamed)
		tell_renamed(r, item, &f);
	else
		ev->file(ev->ctx, r->number, &f);
}

/* Whether the file system had no inodes left, which is ENOSPC too.  Parts that
 * have failed meanwhile may have freed some, so that it has few, and space. */
static int lacks_inodes(const struct results *r)
{
	struct statvfs vfs;

	if (r->dir_fd < 0 || fstatvfs(r->dir_fd, &vfs) < 0 || vfs.f_files == 0)
		return 0;
	return vfs.f_favail == 0 ||
	       (vfs.f_favail < FEW_INODES &&
		(uint64_t)vfs.f_bavail * vfs.f_frsize >= SPACE_LEFT);
}

/* Say more exactly why something failed than the errno does. */
static void refine_cause(const struct results *r, struct verdict *v)
{
	struct rlimit lim;

	if (v->cause == CAUSE_VANISHED) {
		/* Nothing of the sender's: a directory here. */
		v->cause = CAUSE_GONE;
	} else if (v->cause == CAUSE_NO_SPACE && lacks_inodes(r)) {
		v->cause = CAUSE_INODES;
		v->need = v->have = 0;
	} else if (v->cause == CAUSE_TOO_LARGE &&
		   getrlimit(RLIMIT_FSIZE, &lim) == 0 &&
		   lim.rlim_cur != RLIM_INFINITY &&
		   (v->have == 0 || lim.rlim_cur < v->have)) {
		v->have = lim.rlim_cur;
	}
}

/* Put a NOTE into a frame.  Locked. */
static void put_note(struct results *r, const struct msg_note *m)
{
	r->notes++;
	flush_run(&r->any);
	msg_put_note(&r->any.frames, m);
	atomic_store(&r->any.is_due, 1);
}

/* Metadata was lost, and the sender does not know of that in verdicts: tell it
 * of the first item as of a directory, so that it fails there, too.  Locked. */
static void note_first_loss(struct results *r, const struct item_result *item)
{
	const struct msg_note m = {
		.cause = (uint16_t)item->v.cause,
		.kind = ITEM_DIR,
		.name = item->name,
		.name_len = item->name_len,
	};

	if (r->losses.items == 1 && item->name_len > 0)
		put_note(r, &m);
}

void results_add(struct results *r, const struct item_result *given)
{
	struct item_result exact = *given;
	const struct item_result *item = &exact;
	struct verdict v;

	if (exact.v.status == STATUS_FAILED)
		refine_cause(r, &exact.v);
	if (exact.v.cause == CAUSE_TOO_LARGE && exact.v.need == 0 &&
	    exact.v.have > 0)
		exact.v.need = exact.size;
	v = exact.v;
	pthread_mutex_lock(&r->lock);
	if (r->waits && v.status == STATUS_FAILED && v.cause == CAUSE_IS_DIR) {
		r->waiting++;
		put_verdict(item->kind >= ITEM_SYMLINK ? &r->first : &r->any,
			    item->id, STATUS_SKIPPED, &v);
		pthread_mutex_unlock(&r->lock);
		return;
	}
	count_item(r, item);
	if (is_told(item, 0))
		count_told(r, item->name_len, v.cause);
	if (v.not_kept) {
		losses_add(&r->losses, v.not_kept, v.cause, item->name,
			   item->name_len);
		r->totals.not_kept++;
	}
	if (!r->tells_rivals)
		v.rival = NULL;
	/* without what is not kept, it would say that all is */
	if (v.status == STATUS_UPDATED &&
	    (!r->tells_updated || (v.not_kept && !r->tells_not_kept)))
		v.status = STATUS_UNCHANGED;
	if (v.not_kept && (!r->tells_not_kept ||
			   v.status == STATUS_UNCHANGED)) {
		note_first_loss(r, item);
		v.not_kept = 0;
		v.cause = CAUSE_NONE;
	}
	put_verdict(item->kind >= ITEM_SYMLINK ? &r->first : &r->any, item->id,
		    v.status, &v);
	pthread_mutex_unlock(&r->lock);
	tell_user(r, item, 0);
}

void results_planned(struct results *r, const struct item_result *given,
		     unsigned plan)
{
	static const uint8_t unread[DIGEST_MAX];
	struct item_result item = *given;

	item.digest = unread;
	item.has_replaced = plan == LISTED_REPLACES || plan == LISTED_BACKUP;
	/* What counts is that it is one. */
	item.renamed = plan == LISTED_RENAMED ? "" : NULL;
	pthread_mutex_lock(&r->lock);
	if (plan == LISTED_WAITING)
		r->waiting++;
	else
		count_item(r, &item);
	if (plan != LISTED_WAITING && is_told(&item, plan))
		count_told(r, item.name_len, item.v.cause);
	pthread_mutex_unlock(&r->lock);
	item.digest = NULL;
	item.renamed = NULL;
	if (plan != LISTED_WAITING)
		tell_user(r, &item, plan);
}

void results_committed(struct results *r, const struct commit *c,
		       enum file_status status, unsigned cause)
{
	const int is_lossy = c->not_kept && (status == STATUS_COMMITTED ||
					     status == STATUS_UPDATED);
	const struct item_result item = {
		.id = c->id,
		.kind = ITEM_FILE,
		.v = { .status = status,
		       .cause = is_lossy ? c->not_kept_cause : cause,
		       .not_kept = is_lossy ? c->not_kept : 0,
		       .rival = c->rival },
		.name = c->name,
		.name_len = c->name_len,
		.size = c->size,
		.digest = c->digest,
		.renamed = c->renamed,
		.has_replaced = c->has_replaced,
	};

	results_add(r, &item);
}

void results_deferred(struct results *r, uint64_t id)
{
	const struct verdict none = { .cause = CAUSE_NONE };

	pthread_mutex_lock(&r->lock);
	put_verdict(&r->any, id, STATUS_DEFERRED, &none);
	pthread_mutex_unlock(&r->lock);
}

/* ---- deletions ---- */

void results_set_waits(struct results *r, int waits)
{
	r->waits = waits;
}

void results_forget_waiting(struct results *r)
{
	pthread_mutex_lock(&r->lock);
	r->waits = 0;
	r->waiting = 0;
	pthread_mutex_unlock(&r->lock);
}

static void tell_deletion(const struct results *r,
			  const struct session_deletion *d)
{
	if (r->events->deleted)
		r->events->deleted(r->events->ctx, r->number, d);
}

void results_deleted(struct results *r, const char *path, size_t len,
		     int is_dir, int is_planned)
{
	const struct session_deletion d = { .name = path,
					    .name_len = len,
					    .is_dir = is_dir,
					    .is_planned = is_planned };

	pthread_mutex_lock(&r->lock);
	r->totals.deleted++;
	pthread_mutex_unlock(&r->lock);
	tell_deletion(r, &d);
}

void results_not_deleted(struct results *r, const char *path, size_t len,
			 unsigned cause)
{
	char shown[SHOWN_MAX], error[1400];
	const struct session_deletion d = {
		.name = path,
		.name_len = len,
		.error = error,
		.reason = advice_deletion_text(cause),
		.advice = advice_of_deletion(cause),
	};

	text_escape(shown, sizeof(shown), path, len);
	snprintf(error, sizeof(error), "%s: from %s: not deleted on this side: "
		 "%s", len > 0 ? shown : ".", r->peer, d.reason);
	pthread_mutex_lock(&r->lock);
	r->totals.not_deleted++;
	pthread_mutex_unlock(&r->lock);
	tell_deletion(r, &d);
}

/* ---- items that the sender gave up ---- */

/* how: "not sent by" */
static void gave_up(struct results *r, const struct session_file *item,
		    const char *how, unsigned cause)
{
	const struct session_events *ev = r->events;
	struct session_file f = *item;
	char shown[SHOWN_MAX], error[1024];

	pthread_mutex_lock(&r->lock);
	totals_failed(&r->totals,
		      cause == CAUSE_CHANGED ? TOTALS_CHANGED : TOTALS_REMOTE,
		      CAUSE_NONE);
	count_told(r, f.name_len, CAUSE_NONE);
	pthread_mutex_unlock(&r->lock);
	text_escape(shown, sizeof(shown), f.name, f.name_len);
	snprintf(error, sizeof(error), "%s: %s the sender %s: %s", shown, how,
		 r->peer, wire_cause_text(cause));
	f.status = STATUS_FAILED;
	f.error = error;
	f.reason = wire_cause_text(cause);
	if (ev->file)
		ev->file(ev->ctx, r->number, &f);
}

void results_aborted(struct results *r, const char *name, size_t name_len,
		     unsigned cause, int is_told)
{
	const struct session_file f = {
		.name = name,
		.name_len = name_len,
		.is_told = is_told,
	};

	gave_up(r, &f, "aborted by", cause);
}

void results_unsent(struct results *r, const char *name, size_t name_len,
		    unsigned cause, int is_told)
{
	const struct session_file f = {
		.name = name,
		.name_len = name_len,
		.is_told = is_told,
	};

	gave_up(r, &f, "not sent by", cause);
}

void results_cut(struct results *r, unsigned kinds)
{
	pthread_mutex_lock(&r->lock);
	r->totals.not_kept++;
	r->cut |= kinds;
	pthread_mutex_unlock(&r->lock);
}

void results_left(struct results *r)
{
	pthread_mutex_lock(&r->lock);
	r->totals.not_deleted++;
	pthread_mutex_unlock(&r->lock);
}

void results_note(struct results *r, const char *path, size_t len, unsigned lost,
		  int err_no)
{
	const struct msg_note m = {
		.cause = (uint16_t)wire_cause_of_errno(err_no),
		.kind = ITEM_DIR,
		.not_kept = r->tells_not_kept ? (uint8_t)lost : 0,
		.name = path,
		.name_len = len,
	};
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), path, len);
	events_session_message(r->events, r->number, SESSION_VERBOSE,
			       "%s: on this side: setting its metadata: %s",
			       shown, wire_cause_text(m.cause));
	pthread_mutex_lock(&r->lock);
	losses_add(&r->losses, lost, m.cause, path, len);
	r->totals.not_kept++;
	put_note(r, &m);
	pthread_mutex_unlock(&r->lock);
	results_wake(r);
}

/* ---- the end ---- */

const char *results_lost(struct results *r)
{
	const char *noun;

	pthread_mutex_lock(&r->lock);
	noun = losses_noun(&r->losses, r->cut);
	pthread_mutex_unlock(&r->lock);
	return noun;
}

void results_tell_losses(struct results *r)
{
	struct losses losses;
	char where[SENDER_LABEL_MAX + 32];

	pthread_mutex_lock(&r->lock);
	losses = r->losses;
	pthread_mutex_unlock(&r->lock);
	snprintf(where, sizeof(where), "on this side (session from %s)", r->peer);
	losses_tell(&losses, r->events, r->number, where);
}

int results_match(struct results *r, const struct msg_finish *m)
{
	const struct totals *t = &r->totals;
	int same;

	pthread_mutex_lock(&r->lock);
	same = m->files == totals_with_content(t) &&
	       m->bytes == t->bytes &&
	       memcmp(m->sum, t->sum, WIRE_SUM_LEN) == 0;
	pthread_mutex_unlock(&r->lock);
	return same;
}

void results_get_summary(struct results *r, struct msg_summary *m)
{
	const struct totals *t = &r->totals;

	pthread_mutex_lock(&r->lock);
	m->files = totals_with_content(t);
	m->bytes = t->bytes;
	m->notes = r->notes;
	memcpy(m->sum, t->sum, sizeof(m->sum));
	pthread_mutex_unlock(&r->lock);
}

void results_get_totals(struct results *r, struct totals *t)
{
	pthread_mutex_lock(&r->lock);
	*t = r->totals;
	/* Nothing was deleted, so what waited for that has failed. */
	t->failed_local += r->waiting;
	pthread_mutex_unlock(&r->lock);
}
