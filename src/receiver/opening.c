/*
 * From a connection to a session that it has begun or joined.
 */
#include "receiver/opening.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "auth/secure.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "fs/dirs.h"
#include "net/connector.h"
#include "os/wake.h"
#include "receiver/connection_priv.h"
#include "receiver/delete.h"
#include "receiver/direct.h"
#include "receiver/made.h"
#include "receiver/progress.h"
#include "receiver/senders.h"
#include "receiver/session.h"
#include "receiver/sessions.h"
#include "receiver/setup.h"
#include "receiver/unlocked.h"
#include "session/admission.h"
#include "session/carrier.h"
#include "wire/msg.h"

enum {
	/* From accept() until the session has begun or was joined. */
	HELLO_MS = 10000,
};

static int on_tick(void *ctx, int sending, struct err *e)
{
	return input_tick(ctx, sending, e);
}

int recv_opening_enter(struct recv_connection *c, int fd,
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
	if (recv_opening_enter(c, fd, &to.addr))
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

	c->senders = senders_current_get(c->set->setup->senders);
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

/* Where there are several directories the user is told which it is; the sender
 * need not know its path. */
static int refuse_dir(struct recv_connection *c, const char *why, struct err *e)
{
	const char *dir = c->sender->dir;
	char shown[512];

	refuse_sender(c, WERR_LOCAL, ERR_LOCAL, why, e);
	if (!c->sender->name)
		return e->code;
	return err_prefix(e, "%s", text_escape(shown, sizeof(shown), dir,
					       strlen(dir)));
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
	struct senders *now = senders_current_get(c->set->setup->senders);
	int is_accepted = senders_accept(now, c->sender->name,
					 c->session->identity);

	senders_release(now);
	if (is_accepted)
		return 0;
	recv_session_revoke(c->session);
	return err_set(e, ERR_AUTH, "this sender is not accepted any more");
}

/* Whether the sender may have the session that it asks for: 0, or the error
 * that it was told. */
static int check_wanted(struct recv_connection *c, const struct msg_hello *m,
			struct err *e)
{
	const struct receive_config *cfg = c->set->setup->cfg;
	const char *why;

	if (cfg->to_stdout && !(m->flags & HELLO_SINGLE))
		return refuse_sender(c, WERR_LOCAL, ERR_LOCAL,
				     "the receiver accepts only a single file "
				     "(--stdout)",
				     e);
	if (m->flags & HELLO_AGAIN &&
	    !sessions_have_lost(c->set->sessions, m->session))
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
	if (cfg->dry_run && !(m->features & FEATURE_DRY_RUN))
		return refuse_sender(c, WERR_LOCAL, ERR_PROTOCOL,
				     "the receiver's user wants a dry run, which "
				     "the sender's ferry does not know",
				     e);
	why = senders_check_dir(c->sender, cfg->events);
	return why ? refuse_dir(c, why, e) : 0;
}

static int take_hello(struct recv_connection *c, const uint8_t *body,
		      size_t len, struct err *e)
{
	const struct receive_config *cfg = c->set->setup->cfg;
	const struct session_events *ev = cfg->events;
	const struct digest_ops *digest;
	struct session_peer who;
	struct msg_hello m;
	char text[160];

	if (c->is_direct)
		return refuse_sender(c, WERR_LOCAL, ERR_PROTOCOL,
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
	if (check_wanted(c, &m, e))
		return e->code;
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
	w->sessions = c->set->sessions;
	w->session = s;
	c->input.cpu = &w->cpu;
	c->input.is_first = c->index == 0;
	w->channel = &c->channel;
	w->input = &c->input;
	if (input_alloc(&c->input, e))
		return e->code;
	w->cpu.share = s->cpu;
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
		return c->index > 0 ? recv_session_confine(s, e) : 0;
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
	const struct recv_session *s = c->session;
	struct msg_ready m = {
		.version = WIRE_VERSION,
		.streams = (uint16_t)s->share.streams,
		.features = s->transfer.features,
		.open_files = s->share.open_files,
		.preserve = s->transfer.preserve.kinds,
		.flags = s->is_empty && s->transfer.features & FEATURE_LISTS ?
				 READY_EMPTY : 0,
	};
	int rc;

	/* Further streams join with it. */
	memcpy(m.token, s->token, sizeof(m.token));
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

/* Make the connection ready for frames, and wait for the header of the first;
 * a peer of another protocol or mode is told so. */
static int wait_opening(struct recv_connection *c, struct frame *f,
			struct err *e)
{
	const int is_dialled = c->connects && !c->is_carried && !c->is_direct;
	int rc = is_dialled ? dial(c, e) : 0;

	if (rc == 0)
		rc = open_channel(c, e);
	if (rc == 0 && c->connects && !c->is_carried)
		rc = announce(c, e);
	if (rc == 0)
		rc = wait_header(c, f, e);
	/* In the clear, for a peer in another mode. */
	if (rc == ERR_AUTH && c->channel.stream)
		channel_send_error(&c->channel, WERR_PROTOCOL,
				   "this side uses another security mode");
	if (rc == ERR_AGAIN)
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL,
				     "both sides receive: one of them has to "
				     "run 'ferry send'", e);
	if (rc == ERR_PROTOCOL)
		return refuse_sender(c, WERR_PROTOCOL, ERR_PROTOCOL,
				     "this is not ferry's protocol (do both "
				     "sides use the same security mode?)", e);
	return rc;
}

int recv_opening_begin(struct recv_connection *c, struct err *e)
{
	uint8_t body[WIRE_OPENING_MAX];
	struct frame f = { 0 };
	int rc = wait_opening(c, &f, e);

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
