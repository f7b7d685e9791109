/*
 * The types of frames that a receiver handles, and when they may come.
 */
#include "receiver/dispatch.h"

#include <string.h>

#include "base/wipe.h"
#include "receiver/committer.h"
#include "receiver/delete.h"
#include "receiver/direct.h"
#include "receiver/file_check.h"
#include "receiver/file_compare.h"
#include "receiver/file_data.h"
#include "receiver/file_open.h"
#include "receiver/file_use.h"
#include "receiver/input.h"
#include "receiver/list.h"
#include "receiver/pack.h"
#include "receiver/progress.h"
#include "receiver/results.h"
#include "receiver/session.h"
#include "receiver/setup.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "session/features.h"
#include "wire/msg.h"

static int take_finish(struct recv_session *s, const uint8_t *body, size_t len,
		       struct err *e)
{
	struct msg_finish m;

	if (msg_get_finish(&m, body, len))
		return input_malformed("FINISH", e);
	return recv_session_finish(s, &m, e);
}

/* A sender keeps 1 MiB of whole frames.  More would only fill the log. */
enum { NOTES_MAX = 1 << 16, NOTES_BYTES = 1 << 20 };

/* The sender could not do all that its user, or ours, asked for. */
static int take_note(struct transfer *t, const uint8_t *body, size_t len,
		     struct err *e)
{
	const char *why = NULL;
	struct msg_note m;

	if (msg_get_note(&m, body, len))
		return input_malformed("NOTE", e);
	/* Whatever reads the events takes it for a path below DIR. */
	if (!msg_note_is_nameless(&m))
		why = transfer_check_name(t, m.name, m.name_len);
	if (why)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent an invalid name: %s", why);
	if (atomic_fetch_add(&t->unsent, 1) >= NOTES_MAX)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent more than %d NOTE frames",
			       NOTES_MAX);
	if (atomic_fetch_add(&t->unsent_bytes, len) + len > NOTES_BYTES)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent NOTE frames of more than "
			       "%d MiB", NOTES_BYTES >> 20);
	if (m.not_kept)
		results_cut(t->results, m.not_kept);
	else if (m.kind == ITEM_DIR)
		results_left(t->results);
	else
		results_unsent(t->results, m.name, m.name_len, m.cause,
			       t->asked != NULL);
	return 0;
}

/* About direct streams; on the first stream. */
static int take_direct(const struct recv_session *s, const uint8_t *body,
		       size_t len, struct err *e)
{
	struct msg_direct m;
	int rc;

	if (msg_get_direct(&m, body, len))
		return input_malformed("DIRECT", e);
	rc = recv_direct_offered(s->setup->direct, &m, e);
	wipe(&m, sizeof(m));
	return rc;
}

static int take_streams(struct worker *w, const struct recv_session *s,
			const uint8_t *body, size_t len, struct err *e)
{
	struct msg_streams m;

	if (msg_get_streams(&m, body, len))
		return input_malformed("STREAMS", e);
	return recv_direct_streams(s->setup->direct, &m, w->channel, e);
}

static int unexpected_frame(const struct frame *f, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "the sender sent an unexpected %s "
					"frame",
		       frame_name(f->type));
}

/* An OPEN with much metadata: its body goes where payloads do. */
static int handle_long_open(struct worker *w, size_t len, struct err *e)
{
	int rc = input_fields(w->input, w->wire, len, e);

	return rc ? rc : file_open(w, w->wire, len, e);
}

/* A frame about the session, or one that the receiver does not take. */
static int handle_session_frame(struct worker *w, struct recv_session *s,
				const struct frame *f, const uint8_t *body,
				enum dispatch_next *next, struct err *e)
{
	const int is_first = w->input->is_first;

	switch (f->type) {
	case FRAME_FINISH:
		if (!is_first)
			break;
		*next = DISPATCH_FINISH;
		return take_finish(s, body, f->len, e);
	case FRAME_STREAM_END:
		if (is_first)
			return err_set(e, ERR_PROTOCOL,
				       "the sender sent STREAM_END on the "
				       "first stream");
		*next = DISPATCH_END;
		return 0;
	case FRAME_DIRECT:
		if (!is_first)
			break;
		return take_direct(s, body, f->len, e);
	case FRAME_STREAMS:
		if (!is_first)
			break;
		return take_streams(w, s, body, f->len, e);
	case FRAME_TIMEOUT:
		return channel_take_timeout(w->channel, body, f->len, e);
	case FRAME_PROGRESS:
		return recv_progress_take(w->transfer, body, f->len) ?
			       input_malformed("PROGRESS", e) : 0;
	case FRAME_NOTE:
		/* the receiver's own need no feature, those of a sender do */
		if (!(w->transfer->features & FEATURE_UNSENT))
			break;
		return take_note(w->transfer, body, f->len, e);
	case FRAME_ERROR:
		recv_session_forget_retry(s);
		return channel_peer_error(body, f->len, e);
	}
	return unexpected_frame(f, e);
}

/* Read and handle the body of a frame without payload. */
static int handle_body(struct worker *w, struct recv_session *s,
		     const struct frame *f, enum dispatch_next *next,
		     struct err *e)
{
	uint8_t body[INPUT_BODY_MAX];
	const size_t len = f->len;
	int rc = input_body(w->input, len, body, e);

	if (rc)
		return rc;
	switch (f->type) {
	case FRAME_OPEN:
		return file_open(w, body, len, e);
	case FRAME_HOLE:
		return file_data_hole(w, body, len, e);
	case FRAME_CHECK:
		return file_check(w, body, len, e);
	case FRAME_COMPARE:
		return file_compare(w, body, len, e);
	case FRAME_FILE_END:
		return file_use_take_end(w->transfer, body, len,
					 &w->input->has_effect, e);
	case FRAME_FILE_ABORT:
		return file_use_take_abort(w->transfer, body, len, e);
	case FRAME_FLUSH:
		committer_flush(w->transfer->committer);
		return 0;
	}
	return handle_session_frame(w, s, f, body, next, e);
}

static int handle_frame(struct worker *w, struct recv_session *s,
			const struct frame *f, enum dispatch_next *next,
			struct err *e)
{
	/* After FINISH the committer reads the session's lists of symlinks and
	 * directories, so nothing may be added to them. */
	if (*next == DISPATCH_FINISH && f->type != FRAME_ERROR)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent %s after FINISH",
			       frame_name(f->type));
	if (!features_allow_frame(w->transfer->features, f->type))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent %s, which was not granted",
			       frame_name(f->type));
	if (f->type == FRAME_LIST)
		return recv_list(w, f->len, e);
	if (f->type == FRAME_CHUNK)
		return file_data_chunk(w, f->len, e);
	if (f->type == FRAME_PACK || f->type == FRAME_OFFER)
		return recv_pack(w, f->len, f->type == FRAME_OFFER, e);
	if (f->type == FRAME_OPEN && f->len > INPUT_BODY_MAX)
		return handle_long_open(w, f->len, e);
	if (f->type == FRAME_DELETE)
		return recv_delete(w, f->len, e);
	return handle_body(w, s, f, next, e);
}

int dispatch_frame(struct worker *w, struct recv_session *s,
		   const struct frame *f, enum dispatch_next *next,
		   struct err *e)
{
	int rc = handle_frame(w, s, f, next, e);

	return rc ? rc : results_check_limit(w->transfer->results, e);
}
