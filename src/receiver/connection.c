/*
 * A connection's thread: authenticate the peer, begin or join a session, then
 * handle frames until the sender has sent everything.
 */
#include "receiver/connection.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/secure.h"
#include "base/clock.h"
#include "base/io.h"
#include "fs/dirs.h"
#include "net/connector.h"
#include "net/dial.h"
#include "os/cancel.h"
#include "os/thread.h"
#include "os/wake.h"
#include "receiver/delete.h"
#include "receiver/direct.h"
#include "receiver/dispatch.h"
#include "receiver/input.h"
#include "receiver/made.h"
#include "receiver/progress.h"
#include "receiver/results.h"
#include "receiver/senders.h"
#include "receiver/session.h"
#include "receiver/sessions.h"
#include "receiver/setup.h"
#include "receiver/unlocked.h"
#include "receiver/worker.h"
#include "session/admission.h"
#include "session/carrier.h"
#include "session/channel.h"
#include "wire/msg.h"

enum {
	/* From accept() until the session has begun or was joined. */
	HELLO_MS = 10000,
	/* When the session is over: how long a stream goes on with what has
	 * arrived, and how long it discards what comes after our ERROR. */
	DRAIN_MS = 1000,
	/* How long to wait for the sender to close after a success. */
	CLOSE_MS = 3000,
};

struct recv_connection_set {
	/* set once; borrowed, but for wake */
	struct recv_setup *setup;
	struct admission *admission;
	struct sessions *sessions;
	struct wake wake; /* threads have ended, or further ones are wanted */
	unsigned count;   /* the accept loop's: threads that are not joined */
	/* guarded by lock */
	pthread_mutex_t lock;
	struct recv_connection *ended; /* to be joined */
	/* where we connect: to whom, and how many further connections are to
	 * be started */
	struct dial_peer sender;
	unsigned further_wanted;
};

/* Belongs to its thread, but for what is the accept loop's. */
struct recv_connection {
	struct recv_connection *next; /* set.lock */
	pthread_t thread;             /* the accept loop's */
	/* set once */
	struct recv_connection_set *set;
	/* NULL while it is being connected, and with a carrier */
	struct pending *pending;
	int connects;            /* we make the connection */
	int is_carried;          /* by cfg->carrier */
	int is_direct;           /* further than the carried one */
	int is_further;          /* not the first one that we make */
	char peer[ADDR_TEXT_MAX];
	struct senders *senders; /* a reference */
	/* of senders, since it is authenticated */
	struct sender *sender;

	int fd;            /* until the stream takes it over; then -1 */
	enum pake_use code_use; /* by this connection */
	int session_ended; /* the session that it was to join had ended */
	struct channel channel;
	struct input input;

	/* since HELLO or JOIN */
	struct recv_session *session;
	unsigned index; /* of the session's streams; 0: the first */
	unsigned asked; /* streams that HELLO asked for */
	struct worker worker;
	uint64_t drain_by_ms; /* the session is over: how long this goes on */
};

/* ---- before the session ---- */

static int on_tick(void *ctx, int sending, struct err *e)
{
	return input_tick(ctx, sending, e);
}

/* Add it to the pending ones.  fd is the connection's also on failure. */
static int enter_admission(struct recv_connection *c, int fd,
		 const struct sockaddr_storage *sa)
{
	c->fd = fd;
	c->input.hello_by_ms = clock_ms() + HELLO_MS;
	c->pending = admission_enter(c->set->admission, fd, sa);
	return c->pending ? 0 : -1;
}

/* Connect to a sender that listens. */
static int dial(struct recv_connection *c, struct err *e)
{
	struct recv_connection_set *set = c->set;
	const struct receive_config *cfg = set->setup->cfg;
	const struct cancel *stop = &set->setup->stop;
	struct dial_peer to;
	int fd;

	if (c->is_further) {
		pthread_mutex_lock(&set->lock);
		to = set->sender;
		pthread_mutex_unlock(&set->lock);
		fd = cfg->connector ?
			     connector_further(cfg->connector, stop, e) :
			     dial_connect_peer(&to, &cfg->net, stop, e);
		addr_text(c->peer, (const struct sockaddr *)&to.addr, to.len);
	} else {
		fd = cfg->connector ?
			     connector_first(cfg->connector, stop, c->peer, e) :
			     dial_connect(cfg->connect_to, &cfg->net, stop,
					  c->peer, e);
	}
	if (fd < 0)
		return fd;
	if (dial_get_peer(fd, &to, e)) {
		io_close(&fd);
		return e->code;
	}
	if (!c->is_further) {
		pthread_mutex_lock(&set->lock);
		set->sender = to;
		pthread_mutex_unlock(&set->lock);
	}
	if (enter_admission(c, fd, &to.addr))
		return err_set(e, ERR_RESOURCE, "out of memory");
	return 0;
}

/* Get the stream that was opened by other means than a connection. */
static struct stream *open_carried(struct recv_connection *c, struct err *e)
{
	const struct recv_setup *setup = c->set->setup;
	const struct carrier *carrier = setup->cfg->carrier;
	const struct stream_config cfg = {
		.timeout_ms = setup->cfg->timeout_ms,
		.cancel = &setup->stop,
	};
	struct stream *stream;

	stream = carrier->open(carrier->ctx, &cfg, c->peer, e);
	c->input.hello_by_ms = clock_ms() + HELLO_MS;
	return stream;
}

/* Make a direct stream, or of a connection that was accepted for one. */
static struct stream *open_direct(struct recv_connection *c,
				  const struct stream_config *cfg,
				  struct err *e)
{
	struct recv_direct *direct = c->set->setup->direct;
	struct stream *stream;

	if (!c->connects)
		return secure_open(c->fd, recv_direct_mode(direct), cfg, NULL,
				   e);
	if (secure_prepare_thread(e))
		return NULL;
	stream = recv_direct_open(direct, c->peer, e);
	c->input.hello_by_ms = clock_ms() + HELLO_MS;
	return stream;
}

/* Authenticate the peer, and make the channel over the secured stream. */
static int open_channel(struct recv_connection *c, struct err *e)
{
	const struct recv_setup *setup = c->set->setup;
	const struct stream_hooks hooks = { NULL, on_tick, &c->input };
	const struct stream_config cfg = {
		.timeout_ms = setup->cfg->timeout_ms,
		.deadline_ms = c->input.hello_by_ms,
		.cancel = c->pending ? admission_cancel(c->pending)
				     : &setup->stop,
	};
	struct secure_mode mode = setup->mode;
	struct stream *stream;

	c->senders = senders_current_get(&c->set->setup->senders);
	if (senders_tls(c->senders))
		mode.tls = senders_tls(c->senders);
	stream = c->is_carried ? open_carried(c, e) :
		c->is_direct ? open_direct(c, &cfg, e) :
		secure_open(c->fd, &mode, &cfg, &c->code_use, e);
	if (!stream)
		return e->code;
	c->fd = -1;
	c->sender = senders_of_stream(c->senders, stream);
	if (c->sender->name)
		c->input.sender_rate_limit = &c->sender->rate_limit;
	stream_set_hooks(stream, &hooks);
	stream_set_deadline(stream, c->input.hello_by_ms);
	stream_set_cancel(stream, cfg.cancel);
	channel_init(&c->channel, stream, 0, cfg.timeout_ms);
	return 0;
}

/* What a receiver that connects begins with: the sender learns that this is
 * one, also without TLS, and whether the connection is for a session that there
 * is (acceptor.h). */
static int announce(struct recv_connection *c, struct err *e)
{
	int rc;

	if (!c->is_further)
		return channel_ping(&c->channel, e);
	channel_put_timeout(&c->channel);
	rc = channel_send(&c->channel, NULL, 0, e);
	return rc ? rc : stream_flush(c->channel.stream, e);
}

/* Returns ERR_AGAIN, with nothing in e, for a PING: the peer is a receiver that
 * connects, since a sender has nothing to say before HELLO and JOIN. */
static int wait_header(struct recv_connection *c, struct frame *f,
		       struct err *e)
{
	for (;;) {
		int rc = channel_poll_header(&c->channel, f, e);

		if (rc != ERR_AGAIN || c->channel.has_begun)
			return rc;
		rc = stream_wait(c->channel.stream, -1, -1, e);
		if (rc < 0)
			return rc;
	}
}

/* Tell the sender why it gets no session, and record the same here. */
static int refuse_sender(struct recv_connection *c, enum wire_error code,
			 int err_code, const char *text, struct err *e)
{
	channel_send_error(&c->channel, code, text);
	return err_set(e, err_code, "%s", text);
}

static int check_version(struct recv_connection *c, int version, struct err *e)
{
	char text[128];

	if (version == WIRE_VERSION)
		return 0;
	if (version < 0)
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL,
				     "this is not ferry's protocol", e);
	snprintf(text, sizeof(text),
		 "protocol version %d is not supported here, only version %d: "
		 "use the same release of ferry on both sides",
		 version, WIRE_VERSION);
	return refuse_sender(c, WERR_VERSION, ERR_PROTOCOL, text, e);
}

/* Begin a session for this stream, its first. */
static int begin_session(struct recv_connection *c, const struct msg_hello *m,
			 const struct digest_ops *digest, struct err *e)
{
	struct recv_connection_set *set = c->set;
	const struct recv_session_peer peer = {
		.stream = c->channel.stream,
		.text = c->peer,
		.senders = c->senders,
		.sender = c->sender,
		.source_key = c->pending ? admission_source(c->pending) : 0,
		.digest = digest,
		.hello_by_ms = c->input.hello_by_ms,
	};
	uint8_t owner[STREAM_PEER];
	struct recv_session *s;
	int rc;

	recv_session_owner(set->setup, &peer, owner);
	sessions_end_former(set->sessions, m->session);
	if (sessions_may_begin(set->sessions, m->session, owner, e))
		return e->code;
	s = recv_session_new(set->setup, &peer, m, e);
	if (!s)
		return e->code;
	/* From here on it is not pending any more, and is not evicted. */
	if (c->pending && admission_admit(set->admission, c->pending))
		rc = err_set(e, ERR_RESOURCE, "too many sessions at a time");
	else
		rc = sessions_begin(set->sessions, s, c->channel.stream, e);
	if (rc)
		recv_session_free(s);
	else
		c->session = s;
	return rc;
}

/* Whether the sender may connect from where it does. */
static int is_allowed(const struct recv_connection *c)
{
	struct dial_peer peer;
	struct err e;

	if (!c->sender->allow.count)
		return 1;
	return dial_get_peer(stream_fd(c->channel.stream), &peer, &e) == 0 &&
	       cidr_list_has(&c->sender->allow,
			     (const struct sockaddr *)&peer.addr);
}

/* A reload may have taken the sender away since it was authenticated, before
 * sessions_revoke() could find its session. */
static int check_revoked(struct recv_connection *c, struct err *e)
{
	struct senders *now = senders_current_get(&c->set->setup->senders);
	int is_accepted = senders_accept(now, c->sender->name,
					 c->session->identity);

	senders_release(now);
	if (is_accepted)
		return 0;
	recv_session_revoke(c->session);
	return err_set(e, ERR_AUTH, "this sender is not accepted any more");
}

static int take_hello(struct recv_connection *c, const uint8_t *body,
		      size_t len, struct err *e)
{
	const struct receive_config *cfg = c->set->setup->cfg;
	const struct session_events *ev = cfg->events;
	const struct digest_ops *digest;
	const char *why;
	struct session_peer who;
	struct msg_hello m;
	char text[160];

	if (c->is_direct)
		return refuse_sender(c, WERR_REFUSED, ERR_PROTOCOL,
				     "the session goes through ssh", e);
	if (msg_get_hello(&m, body, len))
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL,
				     "this is not ferry's protocol", e);
	c->asked = m.streams;
	digest = digest_by_id(m.digest);
	if (!digest) {
		snprintf(text, sizeof(text),
			 "checksum %u is not known to the receiver: send with "
			 "--checksum xxh3, or use the same release of ferry on "
			 "both sides", m.digest);
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL, text, e);
	}
	if (cfg->to_stdout && !(m.flags & HELLO_SINGLE))
		return refuse_sender(c, WERR_REFUSED, ERR_LOCAL,
				     "the receiver accepts only a single file "
				     "(--stdout)",
				     e);
	if (m.flags & HELLO_AGAIN &&
	    !sessions_have_lost(c->set->sessions, m.session))
		return refuse_sender(c, WERR_BUSY, ERR_CONNECT,
				     "the sender waits for another receiver, "
				     "whose connection was lost", e);
	if (atomic_load(&c->set->setup->is_draining))
		return refuse_sender(c, WERR_BUSY, ERR_RESOURCE,
				     "the receiver is being stopped: try again "
				     "later", e);
	if (!is_allowed(c))
		return refuse_sender(c, WERR_REFUSED, ERR_AUTH,
				     "this sender is not accepted from this "
				     "address (see allow in ferry.conf there)",
				     e);
	if (cfg->dry_run && !(m.features & FEATURE_DRY_RUN))
		return refuse_sender(c, WERR_REFUSED, ERR_PROTOCOL,
				     "the receiver's user wants a dry run, which "
				     "the sender's ferry does not know", e);
	why = senders_check_dir(c->sender, ev);
	if (why)
		return refuse_sender(c, WERR_LOCAL, ERR_LOCAL, why, e);
	if (begin_session(c, &m, digest, e)) {
		channel_send_error(&c->channel, WERR_BUSY, e->text);
		return e->code;
	}
	who = (struct session_peer){ c->peer, security_name(cfg->security),
				     c->session->identity, c->sender->name,
				     c->is_carried ? "ssh" : NULL, NULL,
				     transfer_is_dry_run(&c->session->transfer) };
	if (ev->session)
		ev->session(ev->ctx, c->session->number, &who);
	return check_revoked(c, e);
}

static int take_join(struct recv_connection *c, const uint8_t *body, size_t len,
		     struct err *e)
{
	struct recv_connection_set *set = c->set;
	struct msg_join m;

	if (msg_get_join(&m, body, len))
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL,
				     "this is not ferry's protocol", e);
	c->index = m.index;
	if (!c->is_carried && (!c->pending ||
			       admission_admit(set->admission, c->pending) == 0))
		c->session = sessions_join(set->sessions, m.token, m.index,
					   c->channel.stream,
					   &c->session_ended);
	if (c->session && c->is_direct)
		recv_direct_joined(set->setup->direct, c->session->number,
				   c->session->peer, c->peer);
	if (c->session)
		return 0;
	return refuse_sender(c, WERR_TOKEN, ERR_PROTOCOL, "no such session", e);
}

/* Make what its frames are handled with. */
static int make_worker(struct recv_connection *c, struct err *e)
{
	struct recv_setup *setup = c->set->setup;
	struct recv_session *s = c->session;
	struct worker *w = &c->worker;

	c->input.transfer = w->transfer = &s->transfer;
	c->input.is_first = c->index == 0;
	w->channel = &c->channel;
	w->input = &c->input;
	if (input_alloc(&c->input, e))
		return e->code;
	w->wire = c->input.wire;
	w->raw = c->input.raw;
	if (s->sender->root_fd < 0)
		return 0;
	w->dirs = dirs_new(s->sender->root_fd,
			   transfer_is_dry_run(&s->transfer) ? 0 : DIRS_CREATE,
			   NULL, NULL);
	if (!w->dirs)
		return err_set(e, ERR_RESOURCE, "out of memory");
	dirs_set_held(w->dirs, s->share.dirs);
	/* What follows is for what is changed. */
	if (transfer_is_dry_run(&s->transfer))
		return 0;
	dirs_set_mode(w->dirs, setup->dir_mode);
	dirs_set_since(w->dirs, &s->began);
	unlocked_serve(s->transfer.unlocked, w->dirs);
	made_serve(s->transfer.made, w->dirs);
	delete_serve(&s->transfer, w->dirs);
	w->parts.digest = s->transfer.digest;
	w->parts.peer_id = s->peer_id;
	w->parts.is_known = s->is_known;
	w->parts.boot = setup->boot;
	w->parts.dirs = w->dirs;
	w->parts.lacks = &s->transfer.lacks;
	w->parts.placed = s->transfer.placed;
	w->parts.unlocked = s->transfer.unlocked;
	w->parts.root_dev = s->sender->root_dev;
	return 0;
}

static int send_ready(struct recv_connection *c, struct err *e)
{
	const struct fd_share *share = &c->session->share;
	struct msg_ready m = {
		.version = WIRE_VERSION,
		.streams = (uint16_t)share->streams,
		.features = c->session->transfer.features,
		.open_files = share->open_files,
		.preserve = c->session->transfer.preserve.kinds,
		.flags = c->session->is_empty &&
					 c->session->transfer.features &
						 FEATURE_LISTS ?
				 READY_EMPTY : 0,
	};
	int rc;

	/* Further streams join with it. */
	memcpy(m.token, c->session->token, sizeof(m.token));
	msg_put_ready(&c->channel.out, &m);
	c->channel.tells_busy = (m.features & FEATURE_BUSY) != 0;
	if (m.features & FEATURE_TIMEOUT)
		channel_put_timeout(&c->channel);
	if (m.features & FEATURE_PROGRESS)
		channel_want_tick(&c->channel, RECV_PROGRESS_TICK_MS);
	rc = channel_send(&c->channel, NULL, 0, e);
	return rc ? rc : stream_flush(c->channel.stream, e);
}

/* A sender that listens cannot make its further connections: have the accept
 * loop start them. */
static void want_further(struct recv_connection *c)
{
	struct recv_connection_set *set = c->set;
	const unsigned allowed = c->session->share.streams;
	const unsigned all = c->asked < allowed ? c->asked : allowed;

	pthread_mutex_lock(&set->lock);
	set->further_wanted = all > 1 ? all - 1 : 0;
	pthread_mutex_unlock(&set->lock);
	wake_signal(&set->wake);
}

/* What we have connected to gives us no session. */
static int take_refusal(struct recv_connection *c, const struct frame *f,
			struct err *e)
{
	uint8_t body[FRAME_REPLY_MAX];
	int rc = channel_recv_fields(&c->channel, body, f->len, e);

	return rc ? rc : channel_peer_error(body, f->len, e);
}

/* From the first byte to READY.  The deadline is that of HELLO_MS. */
static int begin_stream(struct recv_connection *c, struct err *e)
{
	uint8_t body[WIRE_OPENING_MAX];
	struct frame f;
	const int is_dialled = c->connects && !c->is_carried && !c->is_direct;
	int rc = is_dialled ? dial(c, e) : 0;

	if (rc == 0)
		rc = open_channel(c, e);
	if (rc == 0 && c->connects && !c->is_carried)
		rc = announce(c, e);
	if (rc == 0)
		rc = wait_header(c, &f, e);
	if (rc == ERR_AUTH && c->channel.stream) {
		/* In the clear, for a peer in another mode. */
		channel_send_error(&c->channel, WERR_PROTOCOL,
				   "this side uses another security mode");
		return rc;
	}
	if (rc == ERR_AGAIN)
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL,
				     "both sides receive: one of them has to "
				     "run 'ferry send'", e);
	if (rc == ERR_PROTOCOL)
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL,
				     "this is not ferry's protocol (do both "
				     "sides use the same security mode?)",
				     e);
	if (rc)
		return rc;
	if (f.type == FRAME_ERROR && c->connects)
		return take_refusal(c, &f, e);
	if (f.len > sizeof(body) ||
	    (f.type != FRAME_HELLO && f.type != FRAME_JOIN))
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL,
				     "a session must begin with HELLO", e);
	rc = channel_recv_fields(&c->channel, body, f.len, e);
	if (rc == 0)
		rc = check_version(c, msg_version(f.type, body, f.len), e);
	if (rc)
		return rc;
	rc = f.type == FRAME_HELLO ? take_hello(c, body, f.len, e) :
				     take_join(c, body, f.len, e);
	if (rc == 0)
		rc = make_worker(c, e);
	if (rc)
		return rc;
	/* The session has its own limits of time, and aborts its streams. */
	stream_set_deadline(c->channel.stream, 0);
	stream_set_cancel(c->channel.stream, NULL);
	rc = send_ready(c, e);
	if (rc == 0 && c->connects && !c->is_carried &&
	    f.type == FRAME_HELLO)
		want_further(c);
	return rc;
}

/* ---- the session's frames ---- */

/* Send the frames that other threads have left for this stream, or for any.
 * After FINISH only the first stream sends them, so that all of them come
 * before SUMMARY. */
static int send_results(struct recv_connection *c, struct err *e)
{
	struct transfer *t = c->worker.transfer;
	int rc;

	if (!results_take_frames(t->results, c->index == 0,
				 atomic_load(&t->end_by_ms) != 0,
				 &c->channel.out))
		return 0;
	rc = channel_send(&c->channel, NULL, 0, e);
	return rc ? rc : stream_flush(c->channel.stream, e);
}

static int send_summary(struct recv_connection *c, struct err *e)
{
	struct msg_summary m;
	int rc = send_results(c, e);

	if (rc)
		return rc;
	recv_progress_put_last(c->worker.transfer, &c->channel.out);
	results_get_summary(c->worker.transfer->results, &m);
	msg_put_summary(&c->channel.out, &m);
	rc = channel_send(&c->channel, NULL, 0, e);
	if (rc == 0)
		rc = stream_flush(c->channel.stream, e);
	if (rc == 0)
		recv_session_set_summed(c->session);
	return rc;
}

/* After another stream was lost, what has arrived by this one is still handled,
 * so that it need not be sent again: but not for longer than DRAIN_MS.  rc: of
 * polling for the next frame. */
static int is_drained(struct recv_connection *c, int rc)
{
	if (!atomic_load(&c->worker.transfer->is_over))
		return 0;
	if (atomic_load(&c->session->is_revoked))
		return 1;
	if (!c->drain_by_ms)
		c->drain_by_ms = clock_ms() + DRAIN_MS;
	return rc == ERR_AGAIN || clock_left_ms(c->drain_by_ms) == 0;
}

/* Whether a frame is more than a sign of life: it brought data, or what gets a
 * verdict.  How much of that there may be is limited elsewhere. */
static int is_progress(const struct recv_connection *c, unsigned type)
{
	if (type == FRAME_CHUNK || type == FRAME_HOLE)
		return c->input.has_data;
	/* A file that is opened and given up has brought nothing. */
	return type != FRAME_FLUSH && type != FRAME_TIMEOUT &&
	       type != FRAME_NOTE && type != FRAME_OPEN &&
	       type != FRAME_FILE_ABORT && type != FRAME_PROGRESS;
}

static int handle_frame(struct recv_connection *c, const struct frame *f,
			enum dispatch_next *next, struct err *e)
{
	int rc;

	input_begin_frame(&c->input);
	rc = dispatch_frame(&c->worker, c->session, f, next, e);
	input_end_frame(&c->input, rc == 0 && is_progress(c, f->type));
	return rc ? rc : recv_progress_if_due(c->worker.transfer, &c->channel,
					      e);
}

/* Handle the next frame, or wait until one comes or there is something to
 * send. */
static int handle_next(struct recv_connection *c, enum dispatch_next *next,
		       struct err *e)
{
	struct results *results = c->worker.transfer->results;
	const int is_first = c->index == 0;
	struct frame f;
	int rc = send_results(c, e);

	if (rc)
		return rc;
	if (*next == DISPATCH_FINISH && recv_session_has_finished(c->session)) {
		*next = DISPATCH_END;
		return send_summary(c, e);
	}
	rc = channel_poll_header(&c->channel, &f, e);
	if (is_drained(c, rc))
		return err_set(e, ERR_CLOSED, "the session is over");
	if (rc == 0)
		return handle_frame(c, &f, next, e);
	if (rc != ERR_AGAIN)
		return rc;
	rc = stream_wait(c->channel.stream,
			 results_wake_fd(results, is_first), -1, e);
	if (rc > 0 && (rc & STREAM_WOKEN))
		results_clear_wake(results, is_first);
	return rc < 0 ? rc : 0;
}

/* Handle the session's frames, until the stream's end. */
static int serve_stream(struct recv_connection *c, struct err *e)
{
	enum dispatch_next next = DISPATCH_GO_ON;
	struct err ignored;
	int rc = 0;

	while (rc == 0 && next != DISPATCH_END)
		rc = handle_next(c, &next, e);
	if (rc == 0)
		(void)stream_close(c->channel.stream, CLOSE_MS, &ignored);
	return rc;
}

/* ---- the end ---- */

static enum wire_error wire_code(int code)
{
	switch (code) {
	case ERR_INTERRUPTED:
		return WERR_INTERRUPTED;
	case ERR_PROTOCOL:
	case ERR_CORRUPT:
	case ERR_RANGE:
		return WERR_PROTOCOL;
	case ERR_LOCAL:
		return WERR_LOCAL;
	case ERR_RESOURCE:
		return WERR_RESOURCE;
	case ERR_TIMEOUT:
		return WERR_TIMEOUT;
	case ERR_AUTH:
		return WERR_REFUSED;
	default:
		return WERR_OTHER;
	}
}

static void session_failed(struct recv_connection *c, struct err *e)
{
	static const char revoked[] =
		"the receiver does not accept this sender any more";
	const int is_stopping = cancel_is_set(&c->set->setup->stop);
	struct err ignored;
	/* After a time-out the peer may be alive, and hear us: say so. */
	int lost = err_is_lost(e->code) && e->code != ERR_TIMEOUT;

	if (atomic_load(&c->session->is_revoked)) {
		err_set(e, ERR_AUTH, "not accepted any more");
		lost = 0;
	}
	/* A stream that is aborted while it does not wait gets no other error
	 * than that its connection is gone. */
	if (lost && is_stopping) {
		err_set(e, ERR_INTERRUPTED, "interrupted");
		lost = 0;
	}
	if (e->code == ERR_CLOSED)
		err_set(e, ERR_LOST, "disconnected before the end of the "
				     "session");
	/* Only a fixed text, as e may name paths of this host.  What the peer
	 * still sends is read and discarded: closing with unread data resets
	 * the connection, and the peer might lose our ERROR. */
	if (!lost) {
		channel_send_error(&c->channel, wire_code(e->code),
				   e->code == ERR_AUTH ? revoked :
							 err_name(e->code));
		(void)stream_close(c->channel.stream, DRAIN_MS, &ignored);
	}
	err_prefix(e, "%s", c->session->label);
	recv_session_fail(c->session, e);
}

/* A direct stream that we make could not be opened. */
static void direct_failed(struct recv_connection *c, struct err *e)
{
	if (!c->session_ended && recv_direct_failed(c->set->setup->direct, e))
		sessions_fail(c->set->sessions, e);
}

static void pending_failed(struct recv_connection *c, struct err *e)
{
	const struct recv_setup *setup = c->set->setup;
	/* Don't warn about connections that say nothing or go away, as those
	 * of port scanners, nor about a further stream whose session ended
	 * before it came. */
	const int is_quiet = err_is_lost(e->code) || c->session_ended ||
			     c->is_further;

	if (c->is_direct && c->connects) {
		direct_failed(c, e);
	} else if (c->code_use == PAKE_GUESSED &&
		   secure_renew_code(c->fd, &setup->mode, c->peer, e) == 0) {
		return;
	} else if (c->code_use || (c->connects && !c->is_further) ||
		   setup->cfg->connected_fd > 0) {
		/* The code is used up, or this was the only connection: no
		 * session can come. */
		if (e->code == ERR_CLOSED)
			err_set(e, ERR_LOST, "disconnected before the session "
					     "began");
		if (*c->peer && strncmp(e->text, c->peer, strlen(c->peer)) != 0)
			err_prefix(e, "%s", c->peer);
		sessions_set_result(c->set->sessions, e);
	} else if (!cancel_is_set(&setup->stop)) {
		refusals_tell(&c->set->setup->refusals,
			      is_quiet ? SESSION_VERBOSE : SESSION_WARNING,
			      "%s: no session: %s", c->peer, e->text);
	}
}

/* Close the connection, then leave the session, which ends with its last
 * stream. */
static void end_connection(struct recv_connection *c)
{
	struct recv_connection_set *set = c->set;
	const struct stream *stream = c->channel.stream;

	if (c->session) {
		atomic_fetch_add(&c->session->transfer.wire_bytes,
				 stream_wire_in(stream) +
					 stream_wire_out(stream));
		recv_session_forget_stream(c->session, c->index);
	}
	channel_release(&c->channel);
	dirs_free(c->worker.dirs);
	same_release(&c->worker.same);
	input_release(&c->input);
	io_close(&c->fd);
	if (c->session)
		sessions_leave(set->sessions, c->session, c->index);
	senders_release(c->senders);
	c->senders = NULL;
	pthread_mutex_lock(&set->lock);
	c->next = set->ended;
	set->ended = c;
	pthread_mutex_unlock(&set->lock);
	wake_signal(&set->wake);
}

static void *connection_main(void *arg)
{
	struct recv_connection *c = arg;
	struct err e;
	int rc;

	err_clear(&e);
	rc = begin_stream(c, &e);
	/* While the receiver goes on, only eviction (admission.h) cancels a
	 * pending connection. */
	if (rc == ERR_INTERRUPTED && !cancel_is_set(&c->set->setup->stop))
		rc = err_set(&e, ERR_LOST, "closed to make room for others");
	if (c->pending)
		admission_leave(c->set->admission, c->pending);
	if (rc == 0)
		rc = serve_stream(c, &e);
	if (rc && c->session)
		session_failed(c, &e);
	else if (rc)
		pending_failed(c, &e);
	end_connection(c);
	return NULL;
}

/* ---- the set ---- */

struct recv_connection_set *recv_connection_set_new(struct recv_setup *setup,
						    struct admission *admission,
						    struct sessions *sessions)
{
	struct recv_connection_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->setup = setup;
	set->admission = admission;
	set->sessions = sessions;
	pthread_mutex_init(&set->lock, NULL);
	if (wake_open(&set->wake) == 0)
		return set;
	recv_connection_set_free(set);
	return NULL;
}

void recv_connection_set_free(struct recv_connection_set *set)
{
	if (!set)
		return;
	wake_close(&set->wake);
	pthread_mutex_destroy(&set->lock);
	free(set);
}

static void free_connection(struct recv_connection *c)
{
	if (c->pending)
		admission_forget(c->set->admission, c->pending);
	io_close(&c->fd);
	free(c);
}

static struct recv_connection *new_connection(struct recv_connection_set *set)
{
	struct recv_connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->set = set;
	c->fd = -1;
	c->input.channel = &c->channel;
	c->input.stop = &set->setup->stop;
	c->input.rate_limit = &set->setup->rate_limit;
	return c;
}

/* Takes over c. */
static int start_thread(struct recv_connection *c)
{
	struct err e;
	int error;

	if (thread_start(&c->thread, connection_main, c) == 0) {
		c->set->count++;
		return 0;
	}
	error = errno;
	thread_error(&e);
	if (*c->peer)
		refusals_tell(&c->set->setup->refusals, SESSION_WARNING,
			      "%s: no session: %s", c->peer, e.text);
	if (c->pending)
		admission_leave(c->set->admission, c->pending);
	free_connection(c);
	errno = error;
	return -1;
}

void recv_connection_start(struct recv_connection_set *set, int fd,
			   const char *peer,
			   const struct sockaddr_storage *sa)
{
	struct recv_connection *c = new_connection(set);

	if (!c) {
		io_close(&fd);
		return;
	}
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	c->is_direct = set->setup->cfg->carrier != NULL;
	if (enter_admission(c, fd, sa))
		free_connection(c);
	else
		(void)start_thread(c);
}

static int start_connecting(struct recv_connection_set *set, int is_further)
{
	struct recv_connection *c = new_connection(set);

	if (!c)
		return -1;
	c->connects = 1;
	c->is_carried = !is_further && set->setup->cfg->carrier;
	c->is_further = is_further;
	c->is_direct = is_further && set->setup->cfg->carrier;
	return start_thread(c);
}

int recv_connection_connect(struct recv_connection_set *set, struct err *e)
{
	if (start_connecting(set, 0) == 0)
		return 0;
	return thread_error(e);
}

void recv_connection_connect_further(struct recv_connection_set *set)
{
	unsigned n;

	pthread_mutex_lock(&set->lock);
	n = set->further_wanted;
	set->further_wanted = 0;
	pthread_mutex_unlock(&set->lock);
	n += recv_direct_take_wanted(set->setup->direct);
	/* Where one cannot be started, the session has fewer streams. */
	while (n-- > 0 && start_connecting(set, 1) == 0)
		;
}

const struct wake *recv_connection_wake(const struct recv_connection_set *set)
{
	return &set->wake;
}

int recv_connection_wake_fd(const struct recv_connection_set *set)
{
	return set->wake.fd;
}

void recv_connection_clear_wake(const struct recv_connection_set *set)
{
	wake_clear(&set->wake);
}

unsigned recv_connection_reap(struct recv_connection_set *set)
{
	struct recv_connection *c;

	pthread_mutex_lock(&set->lock);
	c = set->ended;
	set->ended = NULL;
	pthread_mutex_unlock(&set->lock);
	while (c) {
		struct recv_connection *next = c->next;

		pthread_join(c->thread, NULL);
		set->count--;
		free_connection(c);
		c = next;
	}
	return set->count;
}
