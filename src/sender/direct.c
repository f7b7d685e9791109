/*
 * How far the direct streams of a session are.
 */
#include "sender/direct.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "auth/secure.h"
#include "base/clock.h"
#include "base/wipe.h"
#include "net/dial.h"
#include "net/stream.h"
#include "os/wake.h"
#include "sender/growth.h"
#include "sender/send.h"
#include "sender/sender.h"
#include "sender/session.h"
#include "sender/stream.h"
#include "session/acceptor.h"
#include "session/direct.h"
#include "wire/msg.h"

enum {
	/* What makes direct streams worth two handshakes and a key. */
	WORTH_BYTES = 8 << 20,
	WORTH_FILES = 512,
};

/* Each changes to the next one, or to DIRECT_FAILED. */
enum stage {
	DIRECT_UNKNOWN,  /* before READY, or not granted */
	DIRECT_POSSIBLE,
	DIRECT_ASKED,    /* where we connect: the receiver is to listen */
	DIRECT_OFFERED,  /* it is known where to connect to */
	DIRECT_TRIED,    /* there is a first direct stream, not ready yet */
	DIRECT_READY,    /* content goes that way */
	DIRECT_FAILED,
};

struct send_direct {
	/* set once */
	struct sender *sender;
	const struct send_config *cfg;
	struct direct *connecting; /* where this side connects, else NULL */
	struct acceptor *acceptor; /* where it listens and can, else NULL */
	struct msg_direct offer;   /* where it listens */
	struct wake wake;          /* of the first stream */

	/* the control thread's */
	int has_stopped; /* listening */

	/* guarded by lock */
	pthread_mutex_t lock;
	struct tls *tls; /* of the acceptor */
	enum stage stage;
	uint64_t offered_ms;
	unsigned rtt_us;
	char peer[ADDR_TEXT_MAX];
	unsigned total;      /* direct streams that there are to be */
	int is_total_told;
	unsigned allowed;    /* by READY, without the first stream */
	int is_done;         /* there are no tasks left */
};

/* ---- making and freeing ---- */

/* Where the port cannot be had, content is left to ssh. */
static void listen_there(struct send_direct *d)
{
	const struct send_config *cfg = d->cfg;
	const struct acceptor_config acceptor = {
		.port = cfg->direct_port,
		.net = cfg->net,
		.mode = { .role = NET_LISTENS },
		.allow = cfg->allow,
		.timeout_ms = cfg->timeout_ms,
		.is_further_only = 1,
		.events = cfg->events,
	};
	struct err e;

	direct_find_addresses(&d->offer);
	d->acceptor = d->offer.count ? acceptor_new(&acceptor, &e) : NULL;
	if (d->acceptor)
		d->offer.port = acceptor_port(d->acceptor);
	else if (d->offer.count)
		events_message(cfg->events,
			       cfg->direct_port ? SESSION_WARNING
						: SESSION_VERBOSE,
			       "no direct streams: %s", e.text);
	if (!d->acceptor)
		d->offer.count = 0;
}

int send_direct_new(struct sender *s, struct send_direct **out, struct err *e)
{
	const struct send_config *cfg = s->cfg;
	struct send_direct *d;

	*out = NULL;
	if (!cfg->carrier || cfg->direct == DIRECT_NEVER)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(e, ERR_RESOURCE, "out of memory");
	d->sender = s;
	d->cfg = cfg;
	pthread_mutex_init(&d->lock, NULL);
	if (wake_open(&d->wake) == 0 && !cfg->is_ordered)
		d->connecting = direct_new(cfg->connector, &cfg->net);
	if (d->wake.fd < 0 || (!cfg->is_ordered && !d->connecting)) {
		send_direct_free(d);
		return err_set(e, ERR_RESOURCE, "out of descriptors");
	}
	if (cfg->is_ordered)
		listen_there(d);
	*out = d;
	return 0;
}

void send_direct_free(struct send_direct *d)
{
	if (!d)
		return;
	direct_free(d->connecting);
	acceptor_free(d->acceptor);
	tls_free(d->tls);
	wake_close(&d->wake);
	wipe(&d->offer, sizeof(d->offer));
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void send_direct_restart(struct send_direct *d)
{
	if (!d)
		return;
	if (d->connecting)
		direct_reset(d->connecting);
	d->stage = DIRECT_UNKNOWN;
	d->total = 0;
	d->is_total_told = d->is_done = 0;
}

/* ---- stages ---- */

static enum stage stage_of(struct send_direct *d)
{
	enum stage stage;

	pthread_mutex_lock(&d->lock);
	stage = d->stage;
	pthread_mutex_unlock(&d->lock);
	return stage;
}

static void set_stage(struct send_direct *d, enum stage stage)
{
	pthread_mutex_lock(&d->lock);
	d->stage = stage;
	pthread_mutex_unlock(&d->lock);
	wake_signal(&d->wake);
	send_session_wake(d->sender->session);
}

int send_direct_granted(struct send_direct *d, unsigned features,
			unsigned streams, struct err *e)
{
	if (!d)
		return 0;
	if (features & FEATURE_DIRECT && streams > 1) {
		pthread_mutex_lock(&d->lock);
		d->allowed = streams - 1;
		d->stage = DIRECT_POSSIBLE;
		pthread_mutex_unlock(&d->lock);
		return 0;
	}
	if (d->cfg->direct != DIRECT_ONLY)
		return 0;
	return err_set(e, ERR_CONNECT,
		       "%s: ferry there does not make direct connections; leave "
		       "out --data direct, so that all goes through ssh",
		       d->sender->peer.name);
}

/* ---- the first stream ---- */

/* Whether there is enough to send that direct streams are worth it. */
static int is_worth_it(const struct send_direct *d)
{
	const struct sender *s = d->sender;

	return d->cfg->direct == DIRECT_ONLY || d->cfg->streams > 1 ||
	       d->cfg->stdin_fd >= 0 ||
	       atomic_load(&s->count.total_bytes) >= WORTH_BYTES ||
	       atomic_load(&s->count.total_files) >= WORTH_FILES;
}

static int send_streams(struct send_stream *st, unsigned count, struct err *e)
{
	const struct msg_streams m = { (uint16_t)count };

	msg_put_streams(&st->channel.out, &m);
	return channel_send(&st->channel, NULL, 0, e);
}

/* Accept connections, and say where. */
static int offer(struct send_direct *d, struct send_stream *st, struct err *e)
{
	if (d->acceptor) {
		d->tls = direct_make_key(&d->offer, e);
		if (!d->tls)
			return e->code;
		acceptor_set_tls(d->acceptor, d->tls);
		if (acceptor_start(d->acceptor, e))
			return e->code;
	}
	pthread_mutex_lock(&d->lock);
	d->offered_ms = clock_ms();
	pthread_mutex_unlock(&d->lock);
	set_stage(d, d->acceptor ? DIRECT_OFFERED : DIRECT_FAILED);
	msg_put_direct(&st->channel.out, &d->offer);
	return channel_send(&st->channel, NULL, 0, e);
}

int send_direct_tell(struct send_direct *d, struct send_stream *st,
		     struct err *e)
{
	unsigned total = 0;
	enum stage stage;

	if (!d)
		return 0;
	pthread_mutex_lock(&d->lock);
	stage = d->stage;
	if (d->total && !d->is_total_told) {
		d->is_total_told = 1;
		total = d->total;
	}
	pthread_mutex_unlock(&d->lock);
	if (total)
		return send_streams(st, total, e);
	if (stage != DIRECT_POSSIBLE || !is_worth_it(d))
		return 0;
	if (!d->connecting)
		return offer(d, st, e);
	set_stage(d, DIRECT_ASKED);
	return send_streams(st, STREAMS_MAX - 1, e);
}

int send_direct_is_parked(struct send_direct *d)
{
	int is_parked;

	if (!d)
		return 0;
	pthread_mutex_lock(&d->lock);
	is_parked = !d->is_done &&
		    (d->stage == DIRECT_READY ||
		     (d->cfg->direct == DIRECT_ONLY &&
		      d->stage != DIRECT_FAILED));
	pthread_mutex_unlock(&d->lock);
	return is_parked;
}

int send_direct_wake_fd(const struct send_direct *d)
{
	return d->wake.fd;
}

void send_direct_clear_wake(const struct send_direct *d)
{
	wake_clear(&d->wake);
}

int send_direct_offered(struct send_direct *d, const struct msg_direct *m,
			struct err *e)
{
	struct err why;

	if (!d || !d->connecting || stage_of(d) != DIRECT_ASKED)
		return err_set(e, ERR_PROTOCOL,
			       "the receiver sent an unexpected DIRECT frame");
	err_clear(&why);
	if (direct_take(d->connecting, m, &why) == 0) {
		set_stage(d, DIRECT_OFFERED);
		return 0;
	}
	send_direct_failed(d, &why);
	return 0;
}

/* ---- the control thread ---- */

int send_direct_fd(const struct send_direct *d)
{
	return d && d->acceptor && !d->has_stopped ? acceptor_fd(d->acceptor)
						   : -1;
}

static void stop_listening(struct send_direct *d)
{
	if (d->acceptor && !d->has_stopped)
		acceptor_stop(d->acceptor);
	d->has_stopped = 1;
}

/* Whether there is a connection to be used for another stream, or one can be
 * made. */
static int can_start(struct send_direct *d)
{
	return d->connecting || (d->acceptor && acceptor_reserve(d->acceptor));
}

/* The first stream is ready: how many there are to be is known only now, as
 * that depends on the round trip. */
static void set_total(struct send_direct *d, struct growth *g)
{
	unsigned total;

	pthread_mutex_lock(&d->lock);
	g->is_long = d->rtt_us >= DIAL_LONG_RTT_US;
	g->is_ready = 1;
	g->allowed = d->allowed;
	total = g->asked ? g->asked : growth_most(g->is_long, g->is_compressing);
	d->total = total < d->allowed ? total : d->allowed;
	pthread_mutex_unlock(&d->lock);
	wake_signal(&d->wake);
}

/* Where nobody has connected in time, stop listening. */
static void check_time(struct send_direct *d)
{
	if (clock_left_ms(d->offered_ms + DIRECT_LISTEN_MS) > 0)
		return;
	stop_listening(d);
	set_stage(d, DIRECT_FAILED);
}

unsigned send_direct_streams(struct send_direct *d, struct growth *g,
			     unsigned started, unsigned running)
{
	unsigned want = started;

	if (!d)
		return started;
	if (d->acceptor)
		acceptor_clear_fd(d->acceptor);
	switch (stage_of(d)) {
	case DIRECT_UNKNOWN:
	case DIRECT_POSSIBLE:
	case DIRECT_ASKED:
		return started;
	case DIRECT_OFFERED:
		if (can_start(d)) {
			set_stage(d, DIRECT_TRIED);
			return started + 1;
		}
		check_time(d);
		return started;
	case DIRECT_TRIED:
		/* The first stream has ended the session. */
		if (running < started && d->connecting)
			direct_cancel(d->connecting);
		return started;
	case DIRECT_READY:
		break;
	case DIRECT_FAILED:
		stop_listening(d);
		return started;
	}
	if (!d->total)
		set_total(d, g);
	while (want < 1 + d->total && can_start(d))
		want++;
	if (want == 1 + d->total)
		stop_listening(d);
	/* They end only when all is done, unless the session fails. */
	if (running == 1 && want == started)
		send_direct_done(d);
	return want;
}

/* ---- further streams ---- */

struct stream *send_direct_open(struct send_direct *d, struct err *e)
{
	const struct stream_config cfg = { .timeout_ms = d->cfg->timeout_ms };
	struct accepted got = { .stream = NULL };

	if (secure_prepare_thread(e))
		return NULL;
	if (d->connecting) {
		got.stream = direct_open(d->connecting, &cfg, got.peer, e);
		if (got.stream)
			got.rtt_us = dial_rtt_us(stream_fd(got.stream));
	} else if (acceptor_further(d->acceptor, &got, e)) {
		return NULL;
	}
	if (!got.stream)
		return NULL;
	pthread_mutex_lock(&d->lock);
	if (d->stage == DIRECT_TRIED) {
		d->rtt_us = got.rtt_us;
		memcpy(d->peer, got.peer, sizeof(d->peer));
	}
	pthread_mutex_unlock(&d->lock);
	return got.stream;
}

void send_direct_done(struct send_direct *d)
{
	int was_done;

	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	was_done = d->is_done;
	d->is_done = 1;
	pthread_mutex_unlock(&d->lock);
	if (was_done)
		return;
	wake_signal(&d->wake);
	if (d->connecting)
		direct_cancel(d->connecting);
}

void send_direct_joined(struct send_direct *d)
{
	const struct session_events *ev;
	int is_first;

	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	is_first = d->stage == DIRECT_TRIED;
	pthread_mutex_unlock(&d->lock);
	if (!is_first)
		return;
	ev = d->cfg->events;
	if (d->connecting && ev->direct)
		ev->direct(ev->ctx, 1, d->sender->peer.name, d->peer);
	set_stage(d, DIRECT_READY);
}

void send_direct_failed(struct send_direct *d, struct err *e)
{
	const char *peer = d->sender->peer.name;

	if (e->code == ERR_INTERRUPTED)
		return;
	if (stage_of(d) == DIRECT_READY) {
		events_message(d->cfg->events, SESSION_VERBOSE,
			       "%s: no further direct stream: %s", peer,
			       e->text);
		return;
	}
	if (d->cfg->direct == DIRECT_ONLY) {
		struct err failed;

		err_set(&failed, ERR_CONNECT,
			"%s: no direct connection (--data direct): %s", peer,
			e->text);
		send_session_fail(d->sender->session, &failed);
	} else {
		events_message(d->cfg->events, SESSION_VERBOSE,
			       "%s: no direct connection, so all goes through "
			       "ssh: %s", peer, e->text);
	}
	set_stage(d, DIRECT_FAILED);
}
