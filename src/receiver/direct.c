/*
 * How far the direct streams of a session are.
 */
#include "receiver/direct.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/secure.h"
#include "base/clock.h"
#include "base/wipe.h"
#include "os/wake.h"
#include "receiver/receive.h"
#include "session/channel.h"
#include "session/direct.h"
#include "wire/msg.h"

struct recv_direct {
	/* set once */
	const struct receive_config *cfg;
	const struct wake *wake;
	struct direct *connecting; /* where this side connects, else NULL */
	struct msg_direct offer;   /* where it listens; port 0: it does not */

	/* set before has_offered */
	struct secure_mode mode;
	char peer[ADDR_TEXT_MAX]; /* of the session */

	/* guarded by lock */
	pthread_mutex_t lock;
	int has_offered; /* DIRECT was sent, or came; the first stream sets it */
	int is_over;     /* listening: nobody else is accepted */
	uint64_t until_ms;
	unsigned asked;  /* streams that there are to be */
	unsigned joined; /* that there were */
	unsigned wanted; /* connections that are to be started, */
	unsigned started; /* and that were */
};

/* ---- the accept loop's ---- */

struct recv_direct *recv_direct_new(const struct receive_config *cfg,
				    const struct wake *wake, struct err *e)
{
	struct recv_direct *d;

	if (!cfg->carrier || cfg->direct == DIRECT_NEVER)
		return NULL;
	d = calloc(1, sizeof(*d));
	if (d) {
		d->cfg = cfg;
		d->wake = wake;
		pthread_mutex_init(&d->lock, NULL);
	}
	if (d && cfg->is_ordered)
		direct_find_addresses(&d->offer);
	else if (d)
		d->connecting = direct_new(cfg->connector, &cfg->net);
	if (d && (cfg->is_ordered || d->connecting))
		return d;
	recv_direct_free(d);
	err_set(e, ERR_RESOURCE, "out of memory or descriptors");
	return NULL;
}

void recv_direct_free(struct recv_direct *d)
{
	if (!d)
		return;
	direct_free(d->connecting);
	tls_free(d->mode.tls);
	wipe(&d->offer, sizeof(d->offer));
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void recv_direct_set_port(struct recv_direct *d, uint16_t port)
{
	d->offer.port = d->offer.count ? port : 0;
	if (!d->offer.port)
		d->offer.count = 0;
}

int recv_direct_is_open(struct recv_direct *d, int *left_ms)
{
	int is_open, left;

	if (!d)
		return 0;
	pthread_mutex_lock(&d->lock);
	is_open = d->has_offered && d->mode.tls && !d->is_over;
	left = is_open && !d->joined ? clock_left_ms(d->until_ms) : -1;
	d->is_over |= left == 0;
	pthread_mutex_unlock(&d->lock);
	if (left >= 0 && (*left_ms < 0 || left < *left_ms))
		*left_ms = left;
	return is_open && left != 0;
}

int recv_direct_is_over(struct recv_direct *d)
{
	int is_over;

	if (!d)
		return 0;
	pthread_mutex_lock(&d->lock);
	is_over = d->is_over;
	pthread_mutex_unlock(&d->lock);
	return is_over;
}

unsigned recv_direct_take_wanted(struct recv_direct *d)
{
	unsigned wanted;

	if (!d)
		return 0;
	pthread_mutex_lock(&d->lock);
	wanted = d->wanted;
	d->wanted = 0;
	pthread_mutex_unlock(&d->lock);
	return wanted;
}

void recv_direct_cancel(struct recv_direct *d)
{
	if (d && d->connecting)
		direct_cancel(d->connecting);
}

void recv_direct_restart(struct recv_direct *d)
{
	if (!d || !d->connecting)
		return;
	direct_reset(d->connecting);
	d->has_offered = 0;
	d->asked = d->joined = d->wanted = d->started = 0;
}

/* ---- the first stream's ---- */

uint32_t recv_direct_features(struct recv_direct *d)
{
	return d && (d->connecting || d->offer.port) ? FEATURE_DIRECT : 0;
}

static void set_over(struct recv_direct *d)
{
	pthread_mutex_lock(&d->lock);
	d->is_over = 1;
	pthread_mutex_unlock(&d->lock);
	wake_signal(d->wake);
}

void recv_direct_begin(struct recv_direct *d, uint32_t features,
		       const char *peer)
{
	if (!d)
		return;
	snprintf(d->peer, sizeof(d->peer), "%s", peer);
	if (!(features & FEATURE_DIRECT))
		set_over(d);
}

static int unexpected(const char *name, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "the sender sent an unexpected %s frame",
		       name);
}

/* Have n connections started, as far as a session may have so many.  Locked. */
static void want(struct recv_direct *d, unsigned n)
{
	const unsigned left = STREAMS_MAX - 1 - d->started;

	n = n < left ? n : left;
	d->started += n;
	d->wanted += n;
}

/* The first STREAMS: accept connections, and say where. */
static int offer(struct recv_direct *d, struct channel *ch, struct err *e)
{
	int rc;

	d->mode.role = NET_LISTENS;
	d->mode.tls = direct_make_key(&d->offer, e);
	if (!d->mode.tls)
		return e->code;
	pthread_mutex_lock(&d->lock);
	d->has_offered = 1;
	d->until_ms = clock_ms() + DIRECT_LISTEN_MS;
	pthread_mutex_unlock(&d->lock);
	wake_signal(d->wake);
	msg_put_direct(&ch->out, &d->offer);
	rc = channel_send(ch, NULL, 0, e);
	return rc ? rc : stream_flush(ch->stream, e);
}

int recv_direct_streams(struct recv_direct *d, const struct msg_streams *m,
			struct channel *ch, struct err *e)
{
	int has_offered;

	if (!d || (d->connecting && !d->has_offered))
		return unexpected("STREAMS", e);
	pthread_mutex_lock(&d->lock);
	has_offered = d->has_offered;
	d->asked = m->count;
	if (d->connecting && m->count > d->started)
		want(d, m->count - d->started);
	else if (has_offered && d->joined >= d->asked)
		d->is_over = 1;
	pthread_mutex_unlock(&d->lock);
	if (!d->connecting && !has_offered)
		return offer(d, ch, e);
	wake_signal(d->wake);
	return 0;
}

int recv_direct_offered(struct recv_direct *d, const struct msg_direct *m,
			struct err *e)
{
	struct err why;

	if (!d || !d->connecting || d->has_offered)
		return unexpected("DIRECT", e);
	pthread_mutex_lock(&d->lock);
	d->has_offered = 1;
	pthread_mutex_unlock(&d->lock);
	err_clear(&why);
	if (direct_take(d->connecting, m, &why)) {
		if (recv_direct_failed(d, &why) == 0)
			return 0;
		*e = why;
		return e->code;
	}
	pthread_mutex_lock(&d->lock);
	want(d, 1);
	pthread_mutex_unlock(&d->lock);
	wake_signal(d->wake);
	return 0;
}

/* ---- direct streams ---- */

const struct secure_mode *recv_direct_mode(const struct recv_direct *d)
{
	return &d->mode;
}

struct stream *recv_direct_open(struct recv_direct *d, char *peer,
				struct err *e)
{
	const struct stream_config cfg = { .timeout_ms = d->cfg->timeout_ms };

	return direct_open(d->connecting, &cfg, peer, e);
}

void recv_direct_joined(struct recv_direct *d, uint64_t number,
			const char *peer, const char *address)
{
	const struct session_events *ev;
	int is_first;

	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	is_first = d->joined++ == 0;
	d->is_over |= d->joined >= d->asked;
	pthread_mutex_unlock(&d->lock);
	ev = d->cfg->events;
	if (is_first && d->connecting && ev->direct)
		ev->direct(ev->ctx, number, peer, address);
	wake_signal(d->wake);
}

int recv_direct_failed(struct recv_direct *d, struct err *e)
{
	const struct session_events *ev = d->cfg->events;
	struct err why = *e;
	unsigned joined;

	pthread_mutex_lock(&d->lock);
	joined = d->joined;
	pthread_mutex_unlock(&d->lock);
	if (!d->connecting || e->code == ERR_INTERRUPTED)
		return 0;
	if (joined > 0)
		events_message(ev, SESSION_VERBOSE,
			       "%s: no further direct stream: %s", d->peer,
			       why.text);
	else if (d->cfg->direct == DIRECT_ONLY)
		return err_set(e, ERR_CONNECT,
			       "no direct connection (--data direct): %s",
			       why.text);
	else
		events_message(ev, SESSION_VERBOSE,
			       "%s: no direct connection, so all goes through "
			       "ssh: %s", d->peer, why.text);
	return 0;
}
