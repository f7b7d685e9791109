/*
 * What the receiver answers while files are being sent.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "session/advice.h"
#include "sender/sender.h"
#include "wire/msg.h"

static int malformed(const char *what, struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the receiver sent a malformed %s frame", what);
}

/* The queue is locked. */
static void count_verdict(struct sender *s, const struct queue_verdict *v)
{
	const struct msg_verdict *m = v->verdict;

	if (m->status == STATUS_FAILED) {
		enum totals_side side = m->cause == CAUSE_CHANGED ||
						       m->cause ==
							       CAUSE_MISMATCH ?
					       TOTALS_CHANGED :
					       TOTALS_REMOTE;

		totals_failed(&s->totals, side, m->cause);
	} else if (m->status == STATUS_SKIPPED) {
		s->totals.skipped++;
	} else if (v->item->kind == ITEM_FILE) {
		totals_file(&s->totals, m->status, v->id, v->size,
			   v->item->digest, s->cfg->digest->size);
	}
	/* Others may be there as well. */
	if (m->status == STATUS_UNCHANGED && v->item->kind == ITEM_FILE)
		atomic_store(&s->offers, 1);
	if (v->item->kind == ITEM_DIR) {
		atomic_fetch_add(&s->done_dirs, 1);
	} else {
		atomic_fetch_add(&s->files, 1);
		atomic_fetch_add(&s->done_bytes, v->size);
	}
}

static void on_verdict(void *ctx, const struct queue_verdict *v)
{
	struct sender *s = ctx;
	const struct msg_verdict *m = v->verdict;
	const struct session_events *ev = s->cfg->events;
	char error[1024], name[512], why[256];
	struct session_file f = {
		.name = v->name,
		.name_len = v->name_len,
		.size = v->size,
		.status = m->status,
	};

	pthread_mutex_lock(&s->lock);
	count_verdict(s, v);
	pthread_mutex_unlock(&s->lock);
	/* A directory is told of only when something is wrong with it. */
	if (v->item->kind == ITEM_DIR && m->status != STATUS_FAILED)
		return;
	if (v->has_digest) {
		f.digest_ops = s->cfg->digest;
		f.digest = v->item->digest;
	}
	if (m->status == STATUS_FAILED) {
		text_escape(name, sizeof(name), v->name, v->name_len);
		advice_text(why, sizeof(why), m->cause, m->need, m->have);
		snprintf(error, sizeof(error), "%s: on the receiver %s: %s",
			 name, s->peer, why);
		f.error = error;
	}
	if (ev->file)
		ev->file(ev->ctx, 1, &f);
}

static int take_verdict(struct sender *s, const uint8_t *body, size_t n,
			struct err *e)
{
	struct msg_verdict m;
	int rc = msg_get_verdict(&m, body, n);

	if (rc == 0 && m.status == STATUS_DEFERRED)
		rc = queue_deferred(s->queue, &m);
	else if (rc == 0)
		rc = queue_verdict(s->queue, &m, on_verdict, s);
	return rc ? malformed("VERDICT", e) : 0;
}

static int take_note(struct sender *s, const uint8_t *body, size_t n,
		     struct err *e)
{
	struct msg_note m;
	char name[512], why[256];

	if (msg_get_note(&m, body, n))
		return malformed("NOTE", e);
	text_escape(name, sizeof(name), m.name, m.name_len);
	advice_text(why, sizeof(why), m.cause, 0, 0);
	pthread_mutex_lock(&s->lock);
	s->notes++;
	totals_failed(&s->totals, TOTALS_REMOTE, m.cause);
	pthread_mutex_unlock(&s->lock);
	sender_message(s, SESSION_ERROR,
		       "%s: on the receiver %s: setting mode and time: %s",
		       name, s->peer, why);
	return 0;
}

static int take_resend(struct sender *s, const uint8_t *body, size_t n,
		       struct err *e)
{
	struct msg_resend m;
	uint64_t bytes = 0;
	int rc;

	if (msg_get_resend(&m, body, n))
		return malformed("RESEND", e);
	rc = queue_resend(s->queue, &m, &bytes);
	if (rc == ERR_CORRUPT)
		return err_set(e, rc,
			       "data arrived damaged at the receiver and "
			       "cannot be sent again; use TLS (--key) or "
			       "another line");
	if (rc)
		return malformed("RESEND", e);
	/* A pack's; those of a chunk are counted when it is sent again. */
	atomic_fetch_add(&s->resent_bytes, bytes);
	sender_message(s, SESSION_WARNING,
		       "a chunk arrived damaged at %s; it is sent again",
		       s->peer);
	return 0;
}

static int take_checked(struct sender *s, const uint8_t *body, size_t n,
			struct err *e)
{
	struct msg_checked m;
	uint64_t bytes = 0;

	if (msg_get_checked(&m, body, n) || queue_checked(s->queue, &m, &bytes))
		return malformed("CHECKED", e);
	/* They were counted as done when the CHECK was sent. */
	atomic_fetch_sub(&s->bytes, bytes);
	return 0;
}

static int take_offered(struct sender *s, const uint8_t *body, size_t n,
			struct err *e)
{
	struct msg_offered m;
	uint32_t wanted = 0;
	int rc;

	if (msg_get_offered(&m, body, n))
		return malformed("OFFERED", e);
	for (uint32_t i = 0; i < m.count; i++)
		wanted += m.wanted[i / 8] >> (i % 8) & 1;
	/* Not worth it any more. */
	if (wanted > m.count / 2)
		atomic_store(&s->offers, 0);
	rc = queue_offered(s->queue, &m);
	if (rc == ERR_RESOURCE)
		return err_set(e, rc, "out of memory");
	return rc ? malformed("OFFERED", e) : 0;
}

static int take_summary(struct sender_stream *st, const uint8_t *body,
			size_t n, struct err *e)
{
	struct sender *s = st->sender;
	struct msg_summary m;

	if (msg_get_summary(&m, body, n))
		return malformed("SUMMARY", e);
	if (!st->awaits_summary)
		return err_set(e, ERR_PROTOCOL,
			       "the receiver sent SUMMARY out of turn");
	st->awaits_summary = 0;
	pthread_mutex_lock(&s->lock);
	s->summary = m;
	s->has_summary = 1;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int sender_peer_error(const struct sender_stream *st, const uint8_t *body,
		      size_t n, struct err *e)
{
	int rc = channel_peer_error(body, n, e);

	return st->is_ready && err_is_lost(rc) ?
		       rc :
		       err_prefix(e, "%s", st->sender->peer);
}

static int take_reply(struct sender_stream *st, const struct frame *f,
		      const uint8_t *body, struct err *e)
{
	struct sender *s = st->sender;
	struct msg_state state;

	switch ((enum frame_type)f->type) {
	case FRAME_STATE:
		if (msg_get_state(&state, body, f->len) ||
		    queue_state(s->queue, &state))
			return malformed("STATE", e);
		return 0;
	case FRAME_VERDICT:
		return take_verdict(s, body, f->len, e);
	case FRAME_CHECKED:
		return take_checked(s, body, f->len, e);
	case FRAME_OFFERED:
		return take_offered(s, body, f->len, e);
	case FRAME_RESEND:
		return take_resend(s, body, f->len, e);
	case FRAME_NOTE:
		return take_note(s, body, f->len, e);
	case FRAME_SUMMARY:
		return take_summary(st, body, f->len, e);
	case FRAME_READY:
		if (st->is_ready)
			break;
		return sender_take_ready(st, body, f->len, e);
	case FRAME_ERROR:
		return sender_peer_error(st, body, f->len, e);
	case FRAME_HELLO:
	case FRAME_JOIN:
	case FRAME_OPEN:
	case FRAME_CHUNK:
	case FRAME_HOLE:
	case FRAME_FILE_END:
	case FRAME_FILE_ABORT:
	case FRAME_PACK:
	case FRAME_STREAM_END:
	case FRAME_FINISH:
	case FRAME_FLUSH:
	case FRAME_CHECK:
	case FRAME_OFFER:
	case FRAME_PING:
		break;
	}
	return err_set(e, ERR_PROTOCOL, "the receiver sent %s out of turn",
		       frame_name(f->type));
}

int sender_take_replies(struct sender_stream *st, struct err *e)
{
	const uint8_t *body;
	struct frame f;
	int rc;

	for (;;) {
		rc = channel_poll_reply(&st->channel, &f, &body, e);
		if (rc == ERR_AGAIN)
			return 0;
		if (rc == 0)
			rc = take_reply(st, &f, body, e);
		if (rc)
			return rc;
	}
}
