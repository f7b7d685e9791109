/*
 * What the streams of one receiving session share: verdicts, counts, the way
 * it ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "fs/name.h"
#include "receiver/receiver.h"
#include "session/advice.h"

enum {
	OUTBOX_MAX = 4 << 20,
	RENAMED_MAX = NAME_PATH_MAX + NAME_COMPONENT_MAX + 2,
};

static void signal_fd(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Make the streams look at the outboxes, or at what else changed. */
static void wake_streams(struct rsession *s)
{
	signal_fd(s->first_wake_fd);
	signal_fd(s->wake_fd);
}

static void destroy(struct rsession *s)
{
	flusher_stop(s->flusher);
	committer_stop(s->committer);
	rfile_discard_all(s);
	dir_meta_release(&s->dir_meta);
	buf_release(&s->any.frames);
	buf_release(&s->first.frames);
	buf_release(&s->links);
	io_close(&s->wake_fd);
	io_close(&s->first_wake_fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void group_done(void *ctx)
{
	rsession_push(ctx);
}

static struct rsession *alloc_session(struct receiver *r,
				      const struct digest_ops *ops)
{
	struct rsession *s = calloc(1, sizeof(*s));
	struct committer_config cc = {
		.sync = r->cfg->sync,
		.existing = r->cfg->existing,
		.digest = ops,
		.root_fd = r->root_fd,
		.open_max = r->commit_max,
		.result = rsession_committed,
		.group_done = group_done,
		.finish = rsession_finish,
		.ctx = s,
	};

	if (!s)
		return NULL;
	s->receiver = r;
	s->digest = ops;
	atomic_init(&s->looks, LOOK_PACKS);
	s->began_ns = clock_ns();
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &s->began);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->first_wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&s->lock, NULL);
	dir_meta_init(&s->dir_meta, r->root_fd);
	buf_init(&s->any.frames, OUTBOX_MAX);
	buf_init(&s->first.frames, OUTBOX_MAX);
	buf_init(&s->links, LINKS_BYTES + (64 << 10));
	if (s->wake_fd >= 0 && s->first_wake_fd >= 0 &&
	    getrandom(s->token, sizeof(s->token), 0) ==
		    (ssize_t)sizeof(s->token))
		s->committer = committer_start(&cc);
	if (!s->committer) {
		destroy(s);
		return NULL;
	}
	return s;
}

/* receiver.lock is held. */
static void abort_streams(struct rsession *s)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (s->streams[i] && s->streams[i]->channel.stream)
			stream_abort(s->streams[i]->channel.stream);
	}
}

/* receiver.lock is held. */
static void attach(struct rsession *s, struct rstream *st, unsigned index)
{
	s->streams[index] = st;
	s->refs++;
	st->session = s;
	st->index = index;
}

/* In constant time: a token is a secret, and so is a session's id. */
static int same_token(const uint8_t *a, const uint8_t *b)
{
	uint8_t diff = 0;

	for (int i = 0; i < WIRE_TOKEN; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

static struct rsession *find_id(const struct receiver *r, const uint8_t *id)
{
	struct rsession *s = r->sessions;

	while (s && !same_token(s->id, id))
		s = s->next;
	return s;
}

/* The sender has come back, so its session that is still there is lost.  Waits
 * until that is over: its streams end by themselves behind what has arrived,
 * which then need not be sent again. */
static void end_former(struct receiver *r, const uint8_t *id)
{
	const uint64_t until_ms = clock_ms() + 2 * DRAIN_MS;
	struct rsession *s;

	pthread_mutex_lock(&r->lock);
	while ((s = find_id(r, id))) {
		atomic_store(&s->is_over, 1);
		wake_streams(s);
		if (clock_left_ms(until_ms) == 0)
			abort_streams(s);
		clock_cond_wait(&r->gone, &r->lock, DRAIN_MS);
	}
	pthread_mutex_unlock(&r->lock);
}

/* Whether there is no place for a session.  Locked. */
static int is_busy(const struct receiver *r, const struct msg_hello *m)
{
	if (r->session_count >= r->cfg->max_sessions)
		return 1;
	if (!r->cfg->once)
		return 0;
	return r->session_count > 0 || r->has_ended ||
	       (r->await_until_ms && !same_token(r->await_id, m->session));
}

struct rsession *rsession_new(struct rstream *st, const struct msg_hello *m,
			      const struct digest_ops *ops, struct err *e)
{
	struct receiver *r = st->receiver;
	struct rsession *s;
	int busy;

	end_former(r, m->session);
	s = alloc_session(r, ops);
	if (!s) {
		err_set(e, ERR_RESOURCE, "out of memory for a session");
		return NULL;
	}
	snprintf(s->peer, sizeof(s->peer), "%s", st->peer);
	stream_peer_id(st->channel.stream, s->peer_id);
	memcpy(s->id, m->session, sizeof(s->id));
	memcpy(s->door_key, st->door_key, sizeof(s->door_key));
	s->will_retry = m->flags & HELLO_RETRY && !r->cfg->to_stdout;
	pthread_mutex_lock(&r->lock);
	busy = st->is_leaving || is_busy(r, m);
	if (!busy) {
		s->number = r->await_until_ms ? r->next_number :
						++r->next_number;
		r->await_until_ms = 0;
		s->next = r->sessions;
		r->sessions = s;
		r->session_count++;
		attach(s, st, 0);
	}
	pthread_mutex_unlock(&r->lock);
	if (busy) {
		destroy(s);
		err_set(e, ERR_RESOURCE, "too many sessions at a time");
		return NULL;
	}
	return s;
}

static struct rsession *find_token(const struct receiver *r,
				   const uint8_t *token)
{
	struct rsession *s = r->sessions;

	while (s && !same_token(s->token, token))
		s = s->next;
	return s;
}

/* Locked. */
static int was_session(const struct receiver *r, const uint8_t *token)
{
	int was = 0;

	for (unsigned i = 0; i < FORMER_MAX && i < r->former_count; i++)
		was |= same_token(r->former[i], token);
	return was;
}

/* Locked. */
static void remember(struct receiver *r, const struct rsession *s)
{
	memcpy(r->former[r->former_count % FORMER_MAX], s->token, WIRE_TOKEN);
	r->former_count++;
}

struct rsession *rsession_join(struct rstream *st, const uint8_t *token,
			       unsigned index)
{
	struct receiver *r = st->receiver;
	struct rsession *s;

	pthread_mutex_lock(&r->lock);
	s = find_token(r, token);
	st->is_late = s ? s->has_asked || atomic_load(&s->is_over) :
			  was_session(r, token);
	if (s && (s->streams[index] || st->is_late || st->is_leaving))
		s = NULL;
	if (s)
		attach(s, st, index);
	pthread_mutex_unlock(&r->lock);
	return s;
}

/* Whether the sender was lost, and may come back.  Locked. */
static int is_lost(const struct rsession *s)
{
	return s->will_retry &&
	       (err_is_lost(s->err.code) || s->err.code == 0);
}

void rsession_fail(struct rsession *s, const struct err *e)
{
	struct receiver *r = s->receiver;
	int lost;

	pthread_mutex_lock(&s->lock);
	/* A stream that was stopped because another failed knows no reason. */
	if (e->code != ERR_INTERRUPTED || atomic_load(&r->is_stopping) ||
	    !atomic_load(&s->is_over))
		err_merge(&s->err, e);
	lost = is_lost(s);
	pthread_mutex_unlock(&s->lock);
	atomic_store(&s->is_over, 1);
	wake_streams(s);
	/* What came by the other streams, and is not read yet, would have to
	 * be sent again: they end by themselves behind it. */
	if (lost && !atomic_load(&r->is_stopping))
		return;
	pthread_mutex_lock(&r->lock);
	abort_streams(s);
	pthread_mutex_unlock(&r->lock);
}

static void sum_up(struct rsession *s, struct session_summary *sum,
		   struct err *e)
{
	struct totals *t = &s->totals;
	int code;

	/* With once, what its lost beginnings came to. */
	totals_add(t, &s->receiver->before);
	code = totals_code(t, 0);
	if (!s->has_summed && s->err.code)
		*e = s->err;
	else
		err_clear(e);
	if (code) {
		struct err te;

		uint64_t failed = totals_failed_count(t);

		err_set(&te, code, "%llu file%s from %s failed (see above)",
			(unsigned long long)failed, failed == 1 ? "" : "s",
			s->peer);
		err_merge(e, &te);
	}
	if (!e->code && !s->has_summed)
		err_set(e, ERR_LOST, "%s left before the session was over",
			s->peer);
	memset(sum, 0, sizeof(*sum));
	sum->code = e->code;
	totals_summary(t, sum);
	sum->wire_bytes = atomic_load(&s->wire_bytes);
	sum->resent_bytes = atomic_load(&s->resent_bytes);
	sum->seconds = (double)(clock_ns() - s->began_ns) / 1e9;
}

/* With once: whether the sender may come back and go on.  Locked. */
static int will_come_back(const struct rsession *s)
{
	const struct receiver *r = s->receiver;

	return r->cfg->once && !s->has_summed && is_lost(s) &&
	       !atomic_load(&r->is_stopping);
}

static void await_sender(struct rsession *s, const struct session_summary *sum)
{
	struct receiver *r = s->receiver;

	r->await_until_ms = clock_ms() + (uint64_t)r->cfg->timeout_ms;
	memcpy(r->await_id, s->id, sizeof(r->await_id));
	r->lost = *sum;
	r->before = s->totals; /* which holds the former ones by now */
}

/* The last stream is gone: what arrived whole is committed, large files that
 * did not are kept for another time. */
static void end_session(struct rsession *s)
{
	struct receiver *r = s->receiver;
	const struct session_events *ev = r->cfg->events;
	struct session_summary sum;
	struct err e;
	int awaits;

	flusher_stop(s->flusher);
	s->flusher = NULL;
	committer_stop(s->committer);
	s->committer = NULL;
	rfile_discard_all(s);
	sum_up(s, &sum, &e);
	awaits = will_come_back(s);
	/* first, so that whoever sees the summary can count on it */
	if (!awaits)
		exec_events_session(r, s->number, s->peer, &sum);
	if (awaits)
		receiver_message(r, SESSION_WARNING,
				 "%s; waiting for the sender to come back",
				 e.text);
	else if (ev->summary)
		ev->summary(ev->ctx, s->number, &sum, &e);
	pthread_mutex_lock(&r->lock);
	for (struct rsession **at = &r->sessions; *at; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			break;
		}
	}
	r->session_count--;
	remember(r, s);
	if (r->cfg->once) {
		r->ended = e;
		r->has_ended = !awaits;
		if (awaits)
			await_sender(s, &sum);
	}
	pthread_cond_broadcast(&r->gone);
	pthread_mutex_unlock(&r->lock);
	destroy(s);
}

/* Whether it is time to tell the committer; then it is told by the caller.
 * receiver.lock is held. */
static int close_now(struct rsession *s)
{
	if (!s->has_asked || s->is_closing || s->refs != 1 || !s->streams[0])
		return 0;
	s->is_closing = 1;
	return 1;
}

void rsession_ask_finish(struct rsession *s)
{
	struct receiver *r = s->receiver;
	int now;

	pthread_mutex_lock(&r->lock);
	s->has_asked = 1;
	now = close_now(s);
	pthread_mutex_unlock(&r->lock);
	if (now)
		committer_finish(s->committer);
}

void rsession_leave(struct rstream *st)
{
	struct rsession *s = st->session;
	struct receiver *r = st->receiver;
	int last;

	pthread_mutex_lock(&r->lock);
	s->streams[st->index] = NULL;
	last = --s->refs == 0;
	/* Locked: the first stream cannot go, and the session with it. */
	if (close_now(s))
		committer_finish(s->committer);
	/* Nobody may join what is ending. */
	if (last)
		atomic_store(&s->is_over, 1);
	pthread_mutex_unlock(&r->lock);
	st->session = NULL;
	if (last)
		end_session(s);
}

/* ---- verdicts ---- */

/* The run of equal verdicts becomes a frame.  Locked. */
static void flush_run(struct outbox *o)
{
	if (o->run.count == 0)
		return;
	msg_put_verdict(&o->frames, &o->run);
	o->run.count = 0;
	atomic_store(&o->is_due, 1);
}

/* v is of one item. */
static void extend_run(struct outbox *o, const struct msg_verdict *v)
{
	struct msg_verdict *m = &o->run;

	if (m->count > 0 && m->first_id + m->count == v->first_id &&
	    m->status == v->status && m->cause == v->cause &&
	    m->need == v->need && m->have == v->have) {
		m->count++;
		return;
	}
	flush_run(o);
	*m = *v;
}

static struct msg_verdict verdict_of(const struct item_result *r)
{
	struct msg_verdict v = {
		.first_id = r->id,
		.count = 1,
		.status = (uint8_t)r->status,
		.cause = (uint16_t)r->cause,
		.need = r->need,
		.have = r->have,
	};

	return v;
}

static void count_result(struct rsession *s, const struct item_result *r)
{
	if (r->status == STATUS_FAILED)
		totals_failed(&s->totals,
			     r->cause == CAUSE_MISMATCH ? TOTALS_CHANGED :
							  TOTALS_LOCAL,
			     r->cause);
	else if (r->status == STATUS_SKIPPED)
		s->totals.skipped++;
	else if (r->kind == ITEM_FILE)
		totals_file(&s->totals, r->status, r->id, r->size, r->digest,
			   s->digest->size);
}

/* The path of what got another last component. */
static const char *path_beside(char *path, const struct item_result *r)
{
	int dir = (int)(name_last(r->name) - r->name);

	snprintf(path, RENAMED_MAX, "%.*s%s", dir, r->name, r->renamed);
	return path;
}

void rsession_result(struct rsession *s, const struct item_result *r)
{
	const struct session_events *ev = s->receiver->cfg->events;
	char name[512], why[256], error[1024], renamed[RENAMED_MAX];
	struct session_file f = {
		.name = r->name,
		.name_len = r->name_len,
		.size = r->size,
		.status = r->status,
		.digest_ops = r->digest ? s->digest : NULL,
		.digest = r->digest,
	};
	const struct msg_verdict v = verdict_of(r);

	pthread_mutex_lock(&s->lock);
	count_result(s, r);
	extend_run(r->kind == ITEM_LINK ? &s->first : &s->any, &v);
	pthread_mutex_unlock(&s->lock);
	if (!ev->file || (r->kind == ITEM_DIR && r->status != STATUS_FAILED))
		return;
	if (r->status == STATUS_FAILED) {
		text_escape(name, sizeof(name), r->name, r->name_len);
		advice_text(why, sizeof(why), r->cause, r->need, r->have);
		snprintf(error, sizeof(error), "%s: from %s: on this side: %s",
			 name, s->peer, why);
		f.error = error;
	}
	if (r->renamed)
		f.renamed_to = path_beside(renamed, r);
	ev->file(ev->ctx, s->number, &f);
}

void rsession_deferred(struct rsession *s, uint64_t id)
{
	const struct msg_verdict v = {
		.first_id = id,
		.count = 1,
		.status = STATUS_DEFERRED,
	};

	pthread_mutex_lock(&s->lock);
	extend_run(&s->any, &v);
	pthread_mutex_unlock(&s->lock);
}

void rsession_push(struct rsession *s)
{
	int any;

	pthread_mutex_lock(&s->lock);
	flush_run(&s->any);
	flush_run(&s->first);
	any = s->any.frames.len > 0 || s->first.frames.len > 0 ||
	      s->any.frames.failed || s->first.frames.failed;
	pthread_mutex_unlock(&s->lock);
	if (any)
		wake_streams(s);
}

void rsession_post(struct rsession *s, const struct buf *frames)
{
	pthread_mutex_lock(&s->lock);
	flush_run(&s->any);
	buf_put(&s->any.frames, frames->data, frames->len);
	s->any.frames.failed |= frames->failed;
	atomic_store(&s->any.is_due, 1);
	pthread_mutex_unlock(&s->lock);
	wake_streams(s);
}

void rsession_committed(void *ctx, const struct commit *c,
			enum file_status status, unsigned cause)
{
	struct item_result r = {
		.id = c->id,
		.kind = ITEM_FILE,
		.status = status,
		.cause = cause,
		.name = c->name,
		.name_len = c->name_len,
		.size = c->size,
		.digest = c->digest,
		.renamed = c->renamed,
	};

	rsession_result(ctx, &r);
}

/* ---- the end ---- */

static void note_trouble(void *ctx, const char *path, size_t len, int err_no)
{
	struct rsession *s = ctx;
	struct msg_note m = {
		.cause = (uint16_t)wire_cause_of_errno(err_no),
		.kind = ITEM_DIR,
		.name = path,
		.name_len = len,
	};
	char name[512];
	struct buf b;

	text_escape(name, sizeof(name), path, len);
	receiver_message(s->receiver, SESSION_ERROR,
			 "%s: on this side: setting mode and time: %s", name,
			 wire_cause_text(m.cause));
	buf_init(&b, FRAME_REPLY_MAX);
	msg_put_note(&b, &m);
	pthread_mutex_lock(&s->lock);
	s->notes++;
	totals_failed(&s->totals, TOTALS_LOCAL, m.cause);
	pthread_mutex_unlock(&s->lock);
	rsession_post(s, &b);
	buf_release(&b);
}

/* In the committer's thread, as all of this may take long. */
void rsession_finish(void *ctx)
{
	struct rsession *s = ctx;
	struct err e;

	err_clear(&e);
	if (rpack_make_links(s, NULL, &e) == 0 && s->dir_meta.count > 0 &&
	    dir_meta_apply(&s->dir_meta, note_trouble, s, &e) == 0)
		(void)committer_sync_all(s->committer, &e);
	if (e.code)
		rsession_fail(s, &e);
	rsession_push(s);
	pthread_mutex_lock(&s->lock);
	s->has_finished = 1;
	pthread_mutex_unlock(&s->lock);
	signal_fd(s->first_wake_fd);
}
