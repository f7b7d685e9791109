/*
 * The receiver's frames are decoded and checked here; what they change is in
 * the queue and the outcome.
 */
#include "sender/replies.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/wipe.h"
#include "fs/name.h"
#include "sender/deletion.h"
#include "sender/direct.h"
#include "sender/links.h"
#include "sender/outcome.h"
#include "sender/pack.h"
#include "sender/progress.h"
#include "sender/queue_delta.h"
#include "sender/queue_lists.h"
#include "sender/queue_replies.h"
#include "sender/ready.h"
#include "sender/send.h"
#include "sender/stream.h"
#include "sender/waiting.h"
#include "session/events.h"
#include "session/features.h"

enum {
	RESENDS_SAID = 20, /* without -v */
};

static int malformed(const char *what, struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the receiver sent a malformed %s frame", what);
}

/* Fill in e where the queue has returned rc for a frame and that is not 0. */
static int queue_result(int rc, const char *what, struct err *e)
{
	if (rc == ERR_RESOURCE)
		return err_set(e, rc, "out of memory");
	return rc ? malformed(what, e) : 0;
}

/* ---- the session ---- */

static int handle_summary(struct send_stream *st, const uint8_t *body, size_t n,
			  struct err *e)
{
	struct msg_summary m;

	if (msg_get_summary(&m, body, n))
		return malformed("SUMMARY", e);
	if (st->state != STREAM_FINISHING)
		return err_set(e, ERR_PROTOCOL,
			       "the receiver sent an unexpected SUMMARY frame");
	st->state = STREAM_FINISHED;
	outcome_set_summary(st->sender->outcome, &m);
	return 0;
}

int replies_peer_error(const struct send_stream *st, const uint8_t *body,
		       size_t n, struct err *e)
{
	int rc = channel_peer_error(body, n, e);

	if (st->state >= STREAM_READY && err_is_lost(rc))
		return rc;
	return err_prefix(e, "%s", st->sender->peer.name);
}

/* ---- files ---- */

static int handle_state(struct send_stream *st, const uint8_t *body, size_t n,
			struct err *e)
{
	struct queue_resumed r;
	struct msg_state m;
	char have[32], size[32];

	/* By another digest than these no leaf is known to be the same. */
	if (msg_get_state(&m, body, n) ||
	    (m.state == STATE_RESUME &&
	     (!(st->features & FEATURE_RESUME) ||
	      (m.digest != DIGEST_SHA256 &&
	       m.digest != st->sender->cfg->digest->id))) ||
	    queue_state(st->sender->queue, &m, &r))
		return malformed("STATE", e);
	send_progress_spare_state(st->sender, r.bytes, r.holes);
	if (r.bytes)
		events_message(st->sender->cfg->events, SESSION_NOTICE,
			       "%s: going on at %s of %s", r.name,
			       text_size(have, sizeof(have), (double)r.bytes),
			       text_size(size, sizeof(size), (double)r.size));
	return 0;
}

/* Whether the file is at the receiver after that, for hard links to it. */
static int is_there(enum file_status status)
{
	return status == STATUS_COMMITTED || status == STATUS_UNCHANGED ||
	       status == STATUS_UPDATED;
}

/* The queue is locked. */
static void on_verdict(void *ctx, const struct queue_verdict *v)
{
	struct sender *s = ctx;
	/* A directory has the name, in a session that may delete it. */
	const int is_blocked = v->verdict->status == STATUS_SKIPPED &&
			       v->verdict->cause == CAUSE_IS_DIR;
	struct msg_verdict failed = *v->verdict;
	struct queue_verdict given = *v;

	if (is_blocked && waiting_add(s->waiting, v)) {
		/* Its other names do not wait for the deletion: one of them is
		 * sent as a file. */
		links_settle(s->links, v->item->linked, &v->item->st, 0);
		return;
	}
	/* Too many wait, or nothing is deleted any more: so it has failed. */
	if (is_blocked) {
		failed.status = STATUS_FAILED;
		given.verdict = &failed;
	}
	outcome_verdict(s->outcome, &given, s->peer.name);
	links_settle(s->links, v->item->linked, &v->item->st,
		     is_there((enum file_status)v->verdict->status));
}

static int handle_verdict(struct send_stream *st, const uint8_t *body, size_t n,
			  struct err *e)
{
	struct sender *s = st->sender;
	struct msg_verdict m;
	int rc = msg_get_verdict(&m, body, n);

	if (rc == 0 && ((m.status == STATUS_DEFERRED &&
			 !(st->features & FEATURE_DEFERRED)) ||
			(m.status == STATUS_UPDATED &&
			 !(st->features & FEATURE_UPDATED)) ||
			(m.not_kept && !(st->features & FEATURE_NOT_KEPT)) ||
			(m.rival && !(st->features & FEATURE_RIVALS))))
		rc = ERR_PROTOCOL;
	else if (rc == 0 && m.status == STATUS_DEFERRED)
		rc = queue_deferred(s->queue, &m);
	else if (rc == 0)
		rc = queue_verdict(s->queue, &m, on_verdict, s);
	return rc ? malformed("VERDICT", e) : 0;
}

static int handle_note(struct sender *s, const uint8_t *body, size_t n,
		       struct err *e)
{
	struct msg_note m;
	const char *why;

	if (msg_get_note(&m, body, n))
		return malformed("NOTE", e);
	why = name_check(m.name, m.name_len);
	if (why)
		return err_set(e, ERR_PROTOCOL,
			       "the receiver sent an invalid name: %s", why);
	/* One for each directory: others would only fill the memory and the
	 * log. */
	if (atomic_fetch_add(&s->notes, 1) >= atomic_load(&s->dirs_sent))
		return err_set(e, ERR_PROTOCOL,
			       "the receiver sent more NOTE frames than there "
			       "were directories");
	outcome_note(s->outcome, &m, s->peer.name);
	return 0;
}

static int handle_resend(struct sender *s, const uint8_t *body, size_t n,
			 struct err *e)
{
	struct msg_resend m;
	uint64_t before, again;
	int rc, is_misfit;

	if (msg_get_resend(&m, body, n))
		return malformed("RESEND", e);
	before = atomic_fetch_add(&s->resends, 1);
	rc = queue_resend(s->queue, &m, &is_misfit, &again);
	/* It counts as sent, and will do so once more. */
	atomic_fetch_sub(&s->count.spared, (int64_t)again);
	if (rc == ERR_CORRUPT)
		return err_set(e, rc,
			       "data arrived damaged at the receiver and "
			       "cannot be sent again: use TLS (--key) or "
			       "another network path");
	if (rc)
		return malformed("RESEND", e);
	/* A recipe whose basis has changed is no damage on the way. */
	if (is_misfit)
		return 0;
	events_message(s->cfg->events,
			before < RESENDS_SAID ? SESSION_WARNING :
						SESSION_VERBOSE,
			"a chunk arrived damaged at %s; sending it again",
			s->peer.name);
	return 0;
}

static int handle_signature(struct send_stream *st, const uint8_t *body,
			    size_t n, struct err *e)
{
	struct sender *s = st->sender;
	struct msg_signature m;
	uint64_t same = 0;
	int rc = msg_get_signature(&m, body, n);

	if (rc == 0 && m.kind == SIGNATURE_PIECES &&
	    !(st->features & FEATURE_PIECES))
		rc = ERR_PROTOCOL;
	if (rc == 0)
		rc = queue_delta_signature(s->queue, &m, &same);
	if (rc)
		return queue_result(rc, "SIGNATURE", e);
	atomic_fetch_add(&s->count.spared, (int64_t)same);
	atomic_fetch_add(&s->count.basis_bytes, same);
	return 0;
}

static int handle_checked(struct sender *s, const uint8_t *body, size_t n,
			  struct err *e)
{
	struct msg_checked m;
	uint64_t bytes = 0;

	if (msg_get_checked(&m, body, n) || queue_checked(s->queue, &m, &bytes))
		return malformed("CHECKED", e);
	/* They were counted as spared with STATE or with the CHECK. */
	atomic_fetch_sub(&s->count.spared, (int64_t)bytes);
	return 0;
}

static int handle_offered(struct sender *s, const uint8_t *body, size_t n,
			  struct err *e)
{
	struct msg_offered m;
	int rc;

	if (msg_get_offered(&m, body, n))
		return malformed("OFFERED", e);
	/* An offer costs a round trip and saves sending what is not wanted:
	 * where that is less than half, the next packs are sent at once. */
	if (pack_count_wanted(&m) > m.count / 2)
		atomic_store(&s->count.wants_offers, 0);
	rc = queue_offered(s->queue, &m);
	return queue_result(rc, "OFFERED", e);
}

static int handle_progress(struct sender *s, const uint8_t *body, size_t n,
			   struct err *e)
{
	return send_progress_take(s, body, n) ? malformed("PROGRESS", e) : 0;
}

static int handle_direct(struct send_stream *st, const uint8_t *body, size_t n,
			 struct err *e)
{
	struct msg_direct m;
	int rc;

	if (msg_get_direct(&m, body, n))
		return malformed("DIRECT", e);
	rc = send_direct_offered(st->sender->direct, &m, e);
	wipe(&m, sizeof(m));
	return rc;
}

/* In a dry run: an item that would fail at this side. */
static void plan_unreadable(struct sender *s, const struct queue_verdict *v)
{
	struct err e;

	err_clear(&e);
	errno = v->item->unreadable;
	err_sys(&e, ERR_LOCAL, "open");
	outcome_item_unsent(s->outcome, v->item, v->name, &e);
}

/* In a dry run.  The queue is locked. */
static void on_planned(void *ctx, const struct queue_verdict *v,
		       const struct listed_item *plan)
{
	const struct listed_item failed = { LISTED_FAILED, CAUSE_IS_DIR };
	const enum file_status status = msg_listed_status(plan->state);
	struct sender *s = ctx;
	/* This side cannot read it, and will have to: it is wanted, or it is
	 * compared by content, for which it is read first. */
	const int is_unreadable = v->item->unreadable &&
				  (status == STATUS_COMMITTED ||
				   !s->cfg->compare_time);

	if (is_unreadable) {
		plan_unreadable(s, v);
	} else if (plan->state != LISTED_WAITING) {
		outcome_planned(s->outcome, v, plan, s->peer.name);
	} else if (!waiting_add(s->waiting, v)) {
		outcome_planned(s->outcome, v, &failed, s->peer.name);
	}
	links_settle(s->links, v->item->linked, &v->item->st,
		     is_there(status) && !is_unreadable);
}

/* Whether an answer asks for more than half of what was listed. */
static int wants_most(const struct msg_listed *m)
{
	uint32_t wanted = 0;

	for (uint32_t i = 0; i < m->count; i++)
		wanted += m->items[i].state >= LISTED_NEW &&
			  m->items[i].state <= LISTED_RENAMED;
	return wanted > m->count / 2;
}

static int handle_listed(struct sender *s, const uint8_t *body, size_t n,
			 struct err *e)
{
	struct msg_listed m;
	int rc;

	if (msg_get_listed(&m, body, n))
		return malformed("LISTED", e);
	/* as in handle_offered() */
	if (wants_most(&m))
		atomic_store(&s->count.wants_offers, 0);
	rc = queue_listed(s->queue, &m, s->cfg->dry_run ? on_planned : NULL, s);
	return queue_result(rc, "LISTED", e);
}

static int handle_frame(struct send_stream *st, const struct frame *f,
			const uint8_t *body, struct err *e)
{
	struct sender *s = st->sender;

	if (!features_allow_frame(st->features, f->type))
		return err_set(e, ERR_PROTOCOL,
			       "the receiver sent %s, which was not granted",
			       frame_name(f->type));
	switch (f->type) {
	case FRAME_READY:
		if (st->state >= STREAM_READY)
			break;
		return ready_take(st, body, f->len, e);
	case FRAME_STATE:
		return handle_state(st, body, f->len, e);
	case FRAME_VERDICT:
		return handle_verdict(st, body, f->len, e);
	case FRAME_CHECKED:
		return handle_checked(s, body, f->len, e);
	case FRAME_OFFERED:
		return handle_offered(s, body, f->len, e);
	case FRAME_LISTED:
		return handle_listed(s, body, f->len, e);
	case FRAME_SIGNATURE:
		return handle_signature(st, body, f->len, e);
	case FRAME_RESEND:
		return handle_resend(s, body, f->len, e);
	case FRAME_NOTE:
		return handle_note(s, body, f->len, e);
	case FRAME_EXTRA:
		return deletion_take(st->deletion, body, f->len, e);
	case FRAME_PROGRESS:
		return handle_progress(s, body, f->len, e);
	case FRAME_DIRECT:
		return handle_direct(st, body, f->len, e);
	case FRAME_TIMEOUT:
		return channel_take_timeout(&st->channel, body, f->len, e);
	case FRAME_SUMMARY:
		return handle_summary(st, body, f->len, e);
	case FRAME_ERROR:
		return replies_peer_error(st, body, f->len, e);
	}
	return err_set(e, ERR_PROTOCOL,
		       "the receiver sent an unexpected %s frame",
		       frame_name(f->type));
}

/* Whether a reply of this type always shows that the receiver makes progress.
 * For those about items, which may come more than once, the queue counts those
 * that had an effect; the others say nothing of progress. */
static int is_progress(unsigned type)
{
	return type == FRAME_READY || type == FRAME_EXTRA ||
	       type == FRAME_DIRECT || type == FRAME_SUMMARY;
}

int replies_take(struct send_stream *st, struct err *e)
{
	struct queue *q = st->sender->queue;
	const uint8_t *body;
	struct frame f;
	int rc;

	for (;;) {
		uint64_t before;

		rc = channel_poll_reply(&st->channel, &f, &body, e);
		if (rc == ERR_AGAIN)
			return 0;
		before = queue_count_replies(q);
		if (rc == 0)
			rc = handle_frame(st, &f, body, e);
		if (rc)
			return rc;
		if (is_progress(f.type) || queue_count_replies(q) != before)
			idle_progress(&st->sender->idle);
	}
}
