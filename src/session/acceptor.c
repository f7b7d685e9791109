/*
 * One thread accepts, a thread for each connection authenticates it, and the
 * authenticated streams wait in a list.
 */
#include "session/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/mode.h"
#include "base/clock.h"
#include "base/io.h"
#include "net/stream.h"
#include "os/cancel.h"
#include "os/thread.h"
#include "os/wake.h"
#include "session/admission.h"
#include "session/channel.h"
#include "session/events.h"
#include "session/listener.h"
#include "session/refusals.h"
#include "wire/frame.h"
#include "wire/msg.h"

enum {
	/* From accept() to the end of the handshake, so that a peer that stalls
	 * is not pending for longer. */
	HANDSHAKE_MS = 10000,
	/* How long to discard what comes after our ERROR. */
	REFUSE_MS = 1000,
};

/* An authenticated stream. */
struct ready {
	struct ready *next;
	uint64_t source;
	struct accepted accepted;
};

/* A connection that is being authenticated.  It belongs to its thread until
 * that ends, then to the accepting thread. */
struct connection {
	struct connection *next;
	struct acceptor *acceptor;
	pthread_t thread;
	struct pending *pending;
	int fd; /* until the stream has it; then -1 */
	uint64_t deadline_ms;
	char peer[ADDR_TEXT_MAX];
};

struct acceptor {
	/* set once */
	struct acceptor_config cfg;
	struct admission *admission;
	struct cancel stop;
	struct refusals refusals;
	struct wake ended;         /* there are connections in `joinable` */
	struct wake changed;       /* `streams` or `err` has changed */
	char local[ADDR_TEXT_MAX]; /* the address that is listened on */
	uint16_t port;
	pthread_t thread;
	int has_thread;
	/* the accepting thread's */
	struct listener listener;
	unsigned threads; /* of connections, not joined yet */
	/* guarded by lock */
	pthread_mutex_t lock;
	struct connection *joinable;
	struct ready *streams; /* the oldest first */
	unsigned stream_count;
	unsigned reserved; /* of them, for acceptor_further() */
	int has_peer;
	uint64_t peer; /* source of the session's peer */
	struct err err; /* of the connection that used the code up */
};

/* ---- one connection ---- */

/* Tell the peer why it gets no session. */
static void refuse(struct acceptor *a, struct stream *stream,
		   enum wire_error code, const char *text)
{
	struct channel ch;

	channel_init(&ch, stream, 1, a->cfg.timeout_ms);
	channel_send_error(&ch, code, text);
	ch.stream = NULL; /* the caller's */
	channel_release(&ch);
}

static void refuse_busy(struct acceptor *a, struct stream *stream)
{
	refuse(a, stream, WERR_BUSY,
	       "the sender is sending to another receiver");
}

/* Closing with unread input resets the connection, and the peer might lose our
 * ERROR: so discard what comes for a while. */
static void discard(struct stream *stream)
{
	struct err ignored;

	(void)stream_close(stream, REFUSE_MS, &ignored);
}

/* The first bytes are not what a receiver sends. */
static int refuse_opening(struct connection *c, struct stream *stream,
			  const uint8_t *head, struct err *e)
{
	static const char both[] = "both sides send: one of them has to run "
				   "'ferry receive'";
	struct frame f;

	if (frame_get(&f, head, 1) == 0)
		err_set(e, ERR_PROTOCOL, "%s", both);
	else if (stream_is_plain(stream) &&
		 mode_differs(head, FRAME_HEADER, SECURITY_PLAIN))
		mode_set_error(head, FRAME_HEADER, SECURITY_PLAIN, e);
	else
		err_set(e, ERR_PROTOCOL, "this is not ferry's protocol (do "
					 "both sides use the same security "
					 "mode?)");
	refuse(c->acceptor, stream, WERR_PROTOCOL,
	       e->code == ERR_AUTH ? "this side uses another security mode"
				   : e->text);
	return e->code;
}

/*
 * Wait for the frame that a receiver begins with: PING, or TIMEOUT where the
 * connection is for the session that there is.  Its value comes again with
 * READY.  Returns 0 with *is_further, or an error.
 */
static int await_opening(struct connection *c, struct stream *stream,
			 int *is_further, struct err *e)
{
	uint8_t head[FRAME_HEADER], body[16];
	struct frame f = { 0 };
	int rc;

	stream_set_deadline(stream, c->deadline_ms);
	stream_set_cancel(stream, admission_cancel(c->pending));
	rc = stream_recv(stream, head, sizeof(head), e);
	if (rc == 0 && (frame_get(&f, head, 0) ||
			(f.type != FRAME_PING && f.type != FRAME_TIMEOUT)))
		return refuse_opening(c, stream, head, e);
	*is_further = f.type == FRAME_TIMEOUT;
	if (rc == 0 && *is_further)
		rc = f.len > sizeof(body) ?
			     err_set(e, ERR_INTERNAL, "a long TIMEOUT frame") :
			     stream_recv(stream, body, f.len, e);
	return rc;
}

/* Whether there is no session yet, or the connection is for the one there is,
 * and the list has room.  The caller holds the lock. */
static int is_wanted(const struct connection *c, int is_further)
{
	const struct acceptor *a = c->acceptor;

	if (a->stream_count >= STREAMS_MAX)
		return 0;
	if (a->cfg.is_further_only)
		return is_further;
	return is_further ? a->has_peer &&
				    a->peer == admission_source(c->pending) :
			    !a->has_peer;
}

/* Refuse a connection that wants a session while there is one.  To be called
 * while it is pending, so that the number of those is limited.  Returns whether
 * it did so. */
static int refuse_if_busy(struct connection *c, struct stream *stream,
			  int is_further)
{
	struct acceptor *a = c->acceptor;
	int wanted;

	pthread_mutex_lock(&a->lock);
	wanted = is_wanted(c, is_further);
	pthread_mutex_unlock(&a->lock);
	if (wanted || is_further)
		return 0;
	refuse_busy(a, stream);
	return 1;
}

/* Append the stream to the list, or free it where it is not wanted. */
static void add_stream(struct connection *c, struct stream *stream,
		       int is_further)
{
	struct acceptor *a = c->acceptor;
	struct ready *r = calloc(1, sizeof(*r)), **at = &a->streams;

	stream_set_deadline(stream, 0);
	stream_set_cancel(stream, NULL);
	if (!r) {
		stream_free(stream);
		return;
	}
	r->source = admission_source(c->pending);
	r->accepted.stream = stream;
	r->accepted.rtt_us = dial_rtt_us(stream_fd(stream));
	memcpy(r->accepted.peer, c->peer, sizeof(c->peer));
	pthread_mutex_lock(&a->lock);
	if (is_wanted(c, is_further)) {
		while (*at)
			at = &(*at)->next;
		*at = r;
		a->stream_count++;
		r = NULL;
	}
	pthread_mutex_unlock(&a->lock);
	if (r) {
		stream_free(stream);
		free(r);
	} else {
		wake_signal(&a->changed);
	}
}

/* Report why a connection failed: as the result where it used up the code, and
 * there is to be no other, else as a message. */
static void report_failure(struct connection *c, enum pake_use code_use,
			   struct err *e)
{
	struct acceptor *a = c->acceptor;
	const int is_quiet = err_is_lost(e->code) ||
			     e->code == ERR_INTERRUPTED;

	if (code_use == PAKE_GUESSED &&
	    secure_renew_code(c->fd, &a->cfg.mode, c->peer, e) == 0)
		return;
	if (code_use) {
		err_prefix(e, "%s", c->peer);
		pthread_mutex_lock(&a->lock);
		a->err = *e;
		pthread_mutex_unlock(&a->lock);
		wake_signal(&a->changed);
	} else if (!cancel_is_set(&a->stop)) {
		refusals_tell(&a->refusals,
			      is_quiet ? SESSION_VERBOSE : SESSION_WARNING,
			      "%s: no session: %s", c->peer, e->text);
	}
}

static void *connection_main(void *arg)
{
	struct connection *c = arg;
	struct acceptor *a = c->acceptor;
	const struct stream_config cfg = {
		.timeout_ms = a->cfg.timeout_ms,
		.deadline_ms = c->deadline_ms,
		.cancel = admission_cancel(c->pending),
	};
	struct stream *stream;
	struct err e;
	enum pake_use code_use;
	int is_further = 0, is_good;

	err_clear(&e);
	dial_tune_for_rtt(c->fd, &a->cfg.net);
	stream = secure_open(c->fd, &a->cfg.mode, &cfg, &code_use, &e);
	if (stream)
		c->fd = -1;
	is_good = stream && await_opening(c, stream, &is_further, &e) == 0;
	if (!is_good)
		report_failure(c, code_use, &e);
	else
		is_good = !refuse_if_busy(c, stream, is_further);
	if (!is_good && stream)
		discard(stream);
	/* Before the descriptor is closed or another thread's: admission uses
	 * it until then. */
	admission_leave(a->admission, c->pending);
	if (is_good) {
		add_stream(c, stream, is_further);
	} else {
		stream_free(stream);
		io_close(&c->fd);
	}
	pthread_mutex_lock(&a->lock);
	c->next = a->joinable;
	a->joinable = c;
	pthread_mutex_unlock(&a->lock);
	wake_signal(&a->ended);
	return NULL;
}

static void on_connection(void *ctx, int fd, const char *peer,
			  const struct sockaddr_storage *sa)
{
	struct acceptor *a = ctx;
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		io_close(&fd);
		return;
	}
	c->acceptor = a;
	c->fd = fd;
	c->deadline_ms = clock_ms() + HANDSHAKE_MS;
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	c->pending = admission_enter(a->admission, fd, sa);
	if (c->pending) {
		if (thread_start(&c->thread, connection_main, c) == 0) {
			a->threads++;
			return;
		}
		admission_leave(a->admission, c->pending);
		admission_forget(a->admission, c->pending);
	}
	io_close(&fd);
	free(c);
}

/* ---- the accepting thread ---- */

/* Join the threads that have ended. */
static void join_ended(struct acceptor *a)
{
	struct connection *c, *next;

	wake_clear(&a->ended);
	pthread_mutex_lock(&a->lock);
	c = a->joinable;
	a->joinable = NULL;
	pthread_mutex_unlock(&a->lock);
	for (; c; c = next) {
		next = c->next;
		pthread_join(c->thread, NULL);
		admission_forget(a->admission, c->pending);
		free(c);
		a->threads--;
	}
}

static void *accept_main(void *arg)
{
	struct acceptor *a = arg;
	struct pollfd fds[3] = {
		{ .fd = cancel_fd(&a->stop), .events = POLLIN },
		{ .fd = a->ended.fd, .events = POLLIN },
		{ .fd = a->listener.fd, .events = POLLIN },
	};
	int pause = 0;

	while (!cancel_is_set(&a->stop)) {
		/* During a pause the listener stays readable: leave it out. */
		const int due = refusals_tick(&a->refusals);
		int n = poll(fds, pause ? 2 : 3, pause ? pause : due);

		join_ended(a);
		if (pause || (n > 0 && fds[2].revents))
			pause = listener_accept(&a->listener);
	}
	admission_close(a->admission);
	while (a->threads > 0) {
		(void)poll(&fds[1], 1, -1);
		join_ended(a);
	}
	return NULL;
}

/* ---- the owner ---- */

static int has_session(void *ctx, uint64_t source)
{
	struct acceptor *a = ctx;
	int has;

	pthread_mutex_lock(&a->lock);
	has = a->has_peer && a->peer == source;
	pthread_mutex_unlock(&a->lock);
	return has;
}

struct acceptor *acceptor_new(const struct acceptor_config *cfg, struct err *e)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	struct admission_config admission = { .has_session = has_session };
	struct listener_config listener = {
		.port = cfg->port,
		.allow = cfg->allow,
		.events = cfg->events,
		.on_connection = on_connection,
		.ctx = a,
	};

	if (!a) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	a->cfg = *cfg;
	a->listener.fd = a->ended.fd = a->changed.fd = a->stop.wake.fd = -1;
	pthread_mutex_init(&a->lock, NULL);
	refusals_init(&a->refusals, cfg->events);
	admission.mode = &a->cfg.mode;
	admission.max = cfg->mode.pake ? LISTENER_PENDING_CODE
				       : LISTENER_PENDING_MAX;
	admission.ctx = a;
	a->admission = admission_new(&admission);
	listener.net = &a->cfg.net;
	listener.admission = a->admission;
	listener.refusals = &a->refusals;
	listener.batch = admission.max;
	if (!a->admission || cancel_init(&a->stop) || wake_open(&a->ended) ||
	    wake_open(&a->changed))
		err_set(e, ERR_RESOURCE, "out of memory or descriptors");
	else if (listener_open(&a->listener, &listener, a->local, &a->port,
			       e) == 0)
		return a;
	acceptor_free(a);
	return NULL;
}

int acceptor_start(struct acceptor *a, struct err *e)
{
	const struct session_events *ev = a->cfg.events;

	if (thread_start(&a->thread, accept_main, a))
		return thread_error(e);
	a->has_thread = 1;
	if (ev->listening && !a->cfg.is_further_only)
		ev->listening(ev->ctx, a->local, a->port);
	return 0;
}

void acceptor_set_tls(struct acceptor *a, struct tls *tls)
{
	a->cfg.mode.tls = tls;
}

uint16_t acceptor_port(const struct acceptor *a)
{
	return a->port;
}

struct refusals *acceptor_refusals(struct acceptor *a)
{
	return &a->refusals;
}

void acceptor_stop(struct acceptor *a)
{
	if (a->has_thread) {
		cancel_set(&a->stop);
		pthread_join(a->thread, NULL);
		a->has_thread = 0;
	}
	listener_close(&a->listener);
}

int acceptor_fd(const struct acceptor *a)
{
	return a->changed.fd;
}

void acceptor_clear_fd(const struct acceptor *a)
{
	wake_clear(&a->changed);
}

/* Remove the oldest stream from the list, for the caller to free; NULL where
 * there is none.  The caller holds the lock. */
static struct ready *take_oldest_stream(struct acceptor *a)
{
	struct ready *r = a->streams;

	if (r) {
		a->streams = r->next;
		a->stream_count--;
	}
	return r;
}

void acceptor_restart(struct acceptor *a)
{
	struct ready *r;

	pthread_mutex_lock(&a->lock);
	while ((r = take_oldest_stream(a))) {
		stream_free(r->accepted.stream);
		free(r);
	}
	a->reserved = 0;
	a->has_peer = 0;
	pthread_mutex_unlock(&a->lock);
}

void acceptor_free(struct acceptor *a)
{
	if (!a)
		return;
	acceptor_stop(a);
	acceptor_restart(a);
	refusals_release(&a->refusals);
	admission_free(a->admission);
	cancel_release(&a->stop);
	wake_close(&a->ended);
	wake_close(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* Make the peer of the oldest stream the session's.  Returns that stream, or
 * NULL where there is none, and the others, which are refused.  The caller
 * holds the lock. */
static struct ready *choose_peer(struct acceptor *a, struct ready **others)
{
	struct ready *chosen = take_oldest_stream(a);

	*others = NULL;
	if (!chosen)
		return NULL;
	a->has_peer = 1;
	a->peer = chosen->source;
	*others = a->streams;
	a->streams = NULL;
	a->stream_count = 0;
	return chosen;
}

static void refuse_all(struct acceptor *a, struct ready *list)
{
	struct ready *r, *next;

	for (r = list; r; r = next) {
		next = r->next;
		refuse_busy(a, r->accepted.stream);
		stream_free(r->accepted.stream);
		free(r);
	}
}

int acceptor_first(struct acceptor *a, uint64_t deadline_ms,
		   const struct cancel *cancel, struct accepted *out,
		   struct err *e)
{
	struct pollfd fds[2] = {
		{ .fd = a->changed.fd, .events = POLLIN },
		{ .fd = cancel_fd(cancel), .events = POLLIN },
	};

	while (!cancel_is_set(cancel)) {
		const int left_ms = deadline_ms ? clock_left_ms(deadline_ms)
						: -1;
		struct ready *r, *others;

		/* Cleared first, so that a change after the check signals
		 * again. */
		wake_clear(&a->changed);
		pthread_mutex_lock(&a->lock);
		r = choose_peer(a, &others);
		*e = a->err;
		pthread_mutex_unlock(&a->lock);
		refuse_all(a, others);
		if (r) {
			*out = r->accepted;
			free(r);
			err_clear(e);
			return 0;
		}
		if (e->code)
			return e->code;
		if (left_ms == 0)
			return err_set(e, ERR_TIMEOUT,
				       "no receiver came in time");
		if (poll(fds, 2, left_ms) < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "cannot wait for connections");
	}
	return err_set(e, ERR_INTERRUPTED, "interrupted");
}

int acceptor_reserve(struct acceptor *a)
{
	int ok;

	pthread_mutex_lock(&a->lock);
	ok = (a->has_peer || a->cfg.is_further_only) &&
	     a->stream_count > a->reserved;
	a->reserved += ok != 0;
	pthread_mutex_unlock(&a->lock);
	return ok;
}

int acceptor_further(struct acceptor *a, struct accepted *out, struct err *e)
{
	struct ready *r = NULL;

	pthread_mutex_lock(&a->lock);
	if (a->reserved > 0) {
		a->reserved--;
		r = take_oldest_stream(a);
	}
	pthread_mutex_unlock(&a->lock);
	if (!r)
		return err_set(e, ERR_CLOSED, "no further connection was made");
	*out = r->accepted;
	free(r);
	return 0;
}
