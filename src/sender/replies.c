/*
 * Handling the receiver's frames: they are decoded and checked here, and what
 * they change is changed in the queue and the outcome.
 */
#include "sender/replies.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/wipe.h"
#include "os/entropy.h"
#include "os/xattr.h"
#include "sender/deletion.h"
#include "sender/direct.h"
#include "sender/links.h"
#include "sender/outcome.h"
#include "sender/pack.h"
#include "sender/progress.h"
#include "sender/queue_delta.h"
#include "sender/queue_lists.h"
#include "sender/queue_replies.h"
#include "sender/queue_tasks.h"
#include "sender/send.h"
#include "sender/stream.h"
#include "sender/waiting.h"
#include "session/events.h"
#include "session/features.h"

enum {
	RESENDS_SAID = 20,  /* without -v */
};

static int malformed(const char *what, struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the receiver sent a malformed %s frame", what);
}

/* ---- the session ---- */

uint32_t replies_features(const struct sender *s)
{
	const uint32_t delta =
		FEATURE_DELTA | FEATURE_RECIPE | FEATURE_PIECES;

	uint32_t known = UINT32_MAX;

	if (s->cfg->delta == SEND_DELTA_OFF)
		known &= ~delta;
	if (!s->cfg->preserve)
		known &= ~(uint32_t)FEATURE_PRESERVE;
	if (!s->cfg->is_archive)
		known &= ~(uint32_t)FEATURE_ARCHIVE;
	if (!s->direct)
		known &= ~(uint32_t)FEATURE_DIRECT;
	return features_common(known);
}

/* The words of these kinds, separated by commas.  Returns dst. */
static char *preserve_words(char *dst, size_t size, unsigned kinds)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
#define X(name, number, word) { name, word },
		FILE_META_PRESERVE(X)
#undef X
	};
	dst[0] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (kinds & words[i].bit)
			text_append(dst, size, ",", words[i].word);
	}
	return dst;
}

/* The words of receive --accept for them. */
static char *accept_words(char *dst, size_t size, unsigned kinds)
{
	if (kinds & PRESERVE_CAPABILITY)
		kinds |= PRESERVE_SETID;
	if (kinds & PRESERVE_TRUSTED)
		kinds |= PRESERVE_XATTR;
	return preserve_words(dst, size, kinds & ~(unsigned)(PRESERVE_CAPABILITY |
						   PRESERVE_TRUSTED));
}

/* Tell the user what the session does without: the words of --archive that the
 * receiver does not accept, what this ferry cannot read, and symlinks. */
static void warn_of_unkept(const struct send_stream *st, const char *words,
			   int is_unreadable)
{
	const struct sender *s = st->sender;
	const struct session_events *ev = s->cfg->events;
	const uint32_t requests = s->cfg->requests;

	if (is_unreadable)
		events_message(ev, SESSION_WARNING,
			       "--archive: ACLs and extended attributes are not "
			       "kept: this ferry was built for any POSIX "
			       "system, and cannot read them");
	if (*words)
		events_message(ev, SESSION_WARNING,
			       "%s: the receiver does not accept these of "
			       "--archive, which are not kept: %s", s->peer.name,
			       words);
	if ((st->features & requests) != requests)
		events_message(ev, SESSION_WARNING,
			       "%s: the receiver does not accept --symlinks "
			       "all: only symlinks that stay inside the tree are "
			       "sent", s->peer.name);
}

/* Set what the session preserves: what was asked for, as far as it is accepted.
 * Returns 0, or ERR_REMOTE or ERR_PROTOCOL with a text for the user. */
static int agree_on_preserve(struct send_stream *st, const struct msg_ready *m,
			     struct err *e)
{
	struct sender *s = st->sender;
	const struct send_config *cfg = s->cfg;
	const int is_known = (st->features & FEATURE_PRESERVE) != 0;
	const unsigned lacking =
		cfg->preserve & ~(is_known ? m->preserve : 0u);
	const unsigned needed = cfg->is_archive ? cfg->preserve_needed :
						  cfg->preserve;
	const unsigned unreadable =
		xattr_is_known() ? 0 : cfg->preserve & (PRESERVE_ACL |
							PRESERVE_XATTRS);
	char words[128], accept[128];

	preserve_words(words, sizeof(words), unreadable & needed);
	if (unreadable & needed) {
		st->unmet = "the sender asks for --preserve of what its ferry "
			    "cannot read";
		return err_set(e, ERR_USAGE,
			       "--preserve %s: this ferry was built for any "
			       "POSIX system, and cannot read it; leave it out",
			       words);
	}
	/* The scan reads it: one that preserves something waits for the first
	 * session to be agreed on, and goes on in the next ones. */
	if (s->preserve.kinds != (cfg->preserve & ~lacking & ~unreadable)) {
		s->preserve.kinds = cfg->preserve & ~lacking & ~unreadable;
		s->preserve.ids = cfg->ids;
	}
	preserve_words(words, sizeof(words), lacking & needed);
	if (lacking & needed && !is_known) {
		st->unmet = "the sender asks for --preserve, which is not known "
			    "here";
		return err_set(e, ERR_PROTOCOL,
			       "%s: the other side's ferry does not know "
			       "--preserve: use the same release of ferry on "
			       "both sides", s->peer.name);
	}
	if (lacking & needed) {
		st->unmet = "the sender asks for --preserve, which is not "
			    "accepted here (--accept)";
		return err_set(e, ERR_REMOTE,
			       "%s: the receiver does not accept --preserve "
			       "%s; leave it out, or start the receiver with: "
			       "ferry receive --accept %s", s->peer.name, words,
			       accept_words(accept, sizeof(accept),
					    lacking & needed));
	}
	preserve_words(words, sizeof(words), lacking);
	if (!s->has_told_unkept)
		warn_of_unkept(st, words, unreadable != 0);
	s->has_told_unkept = 1;
	return 0;
}

/* Lists are compressed whatever the user said of content: they shrink to a third,
 * and are small. */
int replies_init_lists(struct send_stream *st, struct err *e)
{
	struct codec_choice fast;

	if (!(st->features & FEATURE_LISTS) ||
	    codec_parse("auto:1", &fast))
		return 0;
	return compressor_init(&st->list_compressor, &fast, st->features, e);
}

/* Take what READY grants.  Returns 0; or ERR_PROTOCOL or ERR_REMOTE where what
 * the user asked for is not among it. */
static int agree_on_features(struct send_stream *st, const struct msg_ready *m,
			     struct err *e)
{
	struct sender *s = st->sender;
	const struct send_config *cfg = s->cfg;
	const char *refused;
	int rc = features_check_grant(m->features, e);

	if (rc)
		return err_prefix(e, "%s", s->peer.name);
	s->peer.ready.features = st->features =
		features_common(m->features & replies_features(s)) |
		(m->features & cfg->requests);
	refused = features_refused(st->features,
				   cfg->is_archive ? cfg->requests_needed
						   : cfg->requests,
				   &st->unmet);
	if (refused)
		return err_set(e, ERR_REMOTE, "%s: %s", s->peer.name, refused);
	return agree_on_preserve(st, m, e);
}

static int init_compressors(struct send_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	int rc = replies_init_lists(st, e);

	if (rc)
		return rc;
	rc = compressor_init(&st->compressor, &s->cfg->codec, st->features, e);
	st->unmet = rc != ERR_PROTOCOL ? NULL :
		"the receiver does not know the compression that was asked for";
	return rc ? err_prefix(e, "%s", s->peer.name) : 0;
}

static void begin_deltas(struct sender *s, const struct msg_ready *m)
{
	const uint32_t features = s->peer.ready.features;
	uint64_t salt = 0;

	if (!(features & FEATURE_DELTA))
		return;
	atomic_store(&s->is_faster_whole, 0);
	delta_key_begin(&s->delta_key, m->token, sizeof(m->token));
	/* Without randomness a hostile receiver could make looking up find
	 * less, no more. */
	(void)entropy_get(&salt, sizeof(salt));
	queue_delta_begin(s->queue, (features & FEATURE_PIECES) != 0, salt);
}

static void tell_missing(struct sender *s)
{
	char missing[512];

	/* not granted is not unknown */
	if (*features_missing(s->peer.ready.features | FEATURE_RECONNECT |
				      FEATURE_ARCHIVE | FEATURE_PRESERVE |
				      FEATURE_DIRECT | ~replies_features(s),
			      missing, sizeof(missing)))
		events_message(s->cfg->events, SESSION_VERBOSE,
			       "%s: the other side's ferry does not know: %s",
			       s->peer.name, missing);
}

static void tell_session(struct send_stream *st)
{
	const struct sender *s = st->sender;
	const struct session_events *ev = s->cfg->events;
	char identity[STREAM_IDENTITY];
	const struct session_peer who = {
		.address = s->peer.name,
		.security = security_name(s->cfg->security),
		.identity = identity,
		.data = s->cfg->carrier ? "ssh" : NULL,
	};

	stream_identity(st->channel.stream, identity);
	if (ev->session)
		ev->session(ev->ctx, 1, &who);
}

/* READY on the first stream.  What it grants holds for all streams, which read
 * it once the session's stage is SESSION_READY. */
static int begin_session(struct send_stream *st, const struct msg_ready *m,
			 struct err *e)
{
	struct sender *s = st->sender;
	int rc;

	s->peer.ready = *m;
	rc = agree_on_features(st, m, e);
	if (rc)
		return rc;
	st->channel.tells_busy = (st->features & FEATURE_BUSY) != 0;
	/* Where something is there already, the first packs are offered, too. */
	if (st->features & FEATURE_LISTS && !(m->flags & READY_EMPTY))
		atomic_store(&s->count.wants_offers, 1);
	rc = init_compressors(st, e);
	if (rc)
		return rc;
	tell_missing(s);
	begin_deltas(s, m);
	rc = send_direct_granted(s->direct, st->features, m->streams, e);
	if (rc)
		return rc;
	queue_set_open_limit(s->queue, m->open_files);
	tell_session(st);
	return 0;
}

int replies_ready(struct send_stream *st, const uint8_t *body, size_t n,
		  struct err *e)
{
	const int version = msg_version(FRAME_READY, body, n);
	const char *peer = st->sender->peer.name;
	struct msg_ready m;
	int rc = 0;

	if (version >= 0 && version != WIRE_VERSION)
		return err_set(e, ERR_PROTOCOL,
			       "%s uses protocol version %d, this side version "
			       "%d: use the same release of ferry on both "
			       "sides",
			       peer, version, WIRE_VERSION);
	if (msg_get_ready(&m, body, n))
		return err_set(e, ERR_PROTOCOL,
			       "%s sent a malformed READY frame", peer);
	if (st->index == 0)
		rc = begin_session(st, &m, e);
	if (rc)
		return rc;
	st->state = STREAM_READY;
	if (st->index > 0)
		send_direct_joined(st->sender->direct);
	return 0;
}

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

	if (msg_get_state(&m, body, n) ||
	    (m.state == STATE_RESUME &&
	     (!(st->features & FEATURE_RESUME) ||
	      (m.digest != DIGEST_SHA256 &&
	       m.digest != st->sender->cfg->digest->id))) ||
	    queue_state(st->sender->queue, &m, &r))
		return malformed("STATE", e);
	atomic_fetch_add(&st->sender->count.spared, (int64_t)r.holes);
	if (r.bytes)
		events_message(st->sender->cfg->events, SESSION_NOTICE,
			       "%s: going on at %s of %s", r.name,
			       text_size(have, sizeof(have), (double)r.bytes),
			       text_size(size, sizeof(size), (double)r.size));
	return 0;
}

/* The queue is locked. */
static void on_verdict(void *ctx, const struct queue_verdict *v)
{
	struct sender *s = ctx;
	const int is_blocked = v->verdict->status == STATUS_SKIPPED &&
			       v->verdict->cause == CAUSE_IS_DIR;
	struct msg_verdict failed = *v->verdict;
	struct queue_verdict given = *v;

	/* A directory has the name, and may be deleted. */
	if (is_blocked && waiting_add(s->waiting, v)) {
		/* Its other names do not wait with it. */
		links_settle(s->links, v->item->linked, &v->item->st, 0);
		return;
	}
	/* Too many wait, or there is nothing to wait for. */
	if (is_blocked) {
		failed.status = STATUS_FAILED;
		given.verdict = &failed;
	}
	outcome_verdict(s->outcome, &given, s->peer.name);
	links_settle(s->links, v->item->linked, &v->item->st,
		     v->verdict->status == STATUS_COMMITTED ||
			     v->verdict->status == STATUS_UNCHANGED ||
			     v->verdict->status == STATUS_UPDATED);
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

	if (msg_get_note(&m, body, n))
		return malformed("NOTE", e);
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
	/* It has arrived, and counts, but has to come once more. */
	atomic_fetch_sub(&s->count.spared, (int64_t)again);
	if (rc == ERR_CORRUPT)
		return err_set(e, rc,
			       "data arrived damaged at the receiver and "
			       "cannot be sent again: use TLS (--key) or "
			       "another network path");
	if (rc)
		return malformed("RESEND", e);
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
	if (rc == ERR_RESOURCE)
		return err_set(e, rc, "out of memory");
	if (rc)
		return malformed("SIGNATURE", e);
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
	/* They were counted as spared when the CHECK was sent. */
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
	if (rc == ERR_RESOURCE)
		return err_set(e, rc, "out of memory");
	return rc ? malformed("OFFERED", e) : 0;
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

/* What cannot be read would be wanted: it would fail here. */
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

	if (v->item->unreadable && status == STATUS_COMMITTED) {
		plan_unreadable(s, v);
	} else if (plan->state != LISTED_WAITING) {
		outcome_planned(s->outcome, v, plan, s->peer.name);
	} else if (!waiting_add(s->waiting, v)) {
		outcome_planned(s->outcome, v, &failed, s->peer.name);
	}
	links_settle(s->links, v->item->linked, &v->item->st,
		     (status == STATUS_COMMITTED && !v->item->unreadable) ||
			     status == STATUS_UNCHANGED ||
			     status == STATUS_UPDATED);
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
	if (rc == ERR_RESOURCE)
		return err_set(e, rc, "out of memory");
	return rc ? malformed("LISTED", e) : 0;
}

/* A frame about the session, or one that the sender does not take. */
static int handle_session_frame(struct send_stream *st, const struct frame *f,
				const uint8_t *body, struct err *e)
{
	switch (f->type) {
	case FRAME_READY:
		if (st->state >= STREAM_READY)
			break;
		return replies_ready(st, body, f->len, e);
	case FRAME_PROGRESS:
		if (send_progress_take(st->sender, body, f->len))
			return malformed("PROGRESS", e);
		return 0;
	case FRAME_DIRECT:
		return handle_direct(st, body, f->len, e);
	case FRAME_TIMEOUT:
		return channel_take_timeout(&st->channel, body, f->len, e);
	case FRAME_SUMMARY:
		return handle_summary(st, body, f->len, e);
	case FRAME_ERROR:
		return replies_peer_error(st, body, f->len, e);
	}
	return err_set(e, ERR_PROTOCOL, "the receiver sent an unexpected %s "
					"frame",
		       frame_name(f->type));
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
	}
	return handle_session_frame(st, f, body, e);
}

/* Whether a reply is more than a sign of life.  Of those about items, which may
 * come more than once, the queue tells whether they had an effect. */
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
