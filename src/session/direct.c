/*
 * Where the other side of ssh listens, and connecting to it.
 */
#include "session/direct.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/secure.h"
#include "auth/tls.h"
#include "base/clock.h"
#include "base/io.h"
#include "net/connector.h"
#include "net/dial.h"
#include "os/cancel.h"
#include "os/entropy.h"
#include "os/interfaces.h"
#include "wire/msg.h"

enum {
	/* The handshake of a further stream. */
	HANDSHAKE_MS = 10000,
};

_Static_assert((int)DIRECT_KEY == (int)TLS_PSK_BYTES, "a key fits");
_Static_assert((int)DIRECT_ADDRESS == (int)ADDR_BYTES, "an address fits");
_Static_assert((int)DIRECT_ADDRESSES_MAX <= (int)CONNECTOR_ADDRESSES_MAX,
	       "all addresses are tried");

/* ---- the side that listens ---- */

static void add_address(struct msg_direct *m, const struct sockaddr *sa)
{
	uint8_t bytes[ADDR_BYTES];

	addr_bytes(bytes, sa);
	for (unsigned i = 0; i < m->count; i++) {
		if (memcmp(m->addresses[i], bytes, sizeof(bytes)) == 0)
			return;
	}
	if (m->count < DIRECT_ADDRESSES_MAX)
		memcpy(m->addresses[m->count++], bytes, sizeof(bytes));
}

/* The third word of "CLIENT PORT SERVER PORT".  An address with a zone, which
 * has no meaning on another host, does not count. */
static void add_reached_address(struct msg_direct *m, const char *connection)
{
	char server[INET6_ADDRSTRLEN];
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };

	if (!connection ||
	    sscanf(connection, "%*s %*s %45s %*s", server) != 1)
		return;
	if (inet_pton(AF_INET, server, &sin.sin_addr) == 1)
		add_address(m, (const struct sockaddr *)&sin);
	else if (inet_pton(AF_INET6, server, &sin6.sin6_addr) == 1 &&
		 !IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr))
		add_address(m, (const struct sockaddr *)&sin6);
}

static void add_usable(void *ctx, const char *interface,
		       const struct sockaddr *sa)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_UNSPEC };

	(void)interface;
	if (sa->sa_family == AF_INET6)
		memcpy(&sin6, sa, sizeof(sin6));
	if (!IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr))
		add_address(ctx, sa);
}

void direct_find_addresses(struct msg_direct *m)
{
	m->count = 0;
	add_reached_address(m, getenv("SSH_CONNECTION"));
	(void)interfaces_list(add_usable, m);
}

/* Credentials with the key of m; NULL with an error. */
static struct tls *make_tls(const struct msg_direct *m, enum net_role role,
			    struct err *e)
{
	const struct tls_config cfg = { .mode = SECURITY_CODE, .role = role };
	struct tls *tls = tls_new(&cfg, e);

	if (tls)
		tls_set_psk(tls, m->key);
	return tls;
}

struct tls *direct_make_key(struct msg_direct *m, struct err *e)
{
	if (entropy_get(m->key, sizeof(m->key))) {
		err_sys(e, ERR_RESOURCE, "cannot get random bytes");
		return NULL;
	}
	return make_tls(m, NET_LISTENS, e);
}

/* ---- the side that connects ---- */

struct direct {
	struct connector *connector; /* or NULL */
	const struct net_options *net;
	struct cancel stop;
	struct tls *tls;
	/* until one is found: all; then that one */
	struct dial_peer peers[DIRECT_ADDRESSES_MAX];
	size_t count;
	int is_found;
};

struct direct *direct_new(struct connector *connector,
			  const struct net_options *net)
{
	struct direct *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->connector = connector;
	d->net = net;
	if (cancel_init(&d->stop) == 0)
		return d;
	free(d);
	return NULL;
}

void direct_free(struct direct *d)
{
	if (!d)
		return;
	tls_free(d->tls);
	cancel_release(&d->stop);
	free(d);
}

void direct_cancel(struct direct *d)
{
	cancel_set(&d->stop);
}

void direct_reset(struct direct *d)
{
	cancel_reset(&d->stop);
	tls_free(d->tls);
	d->tls = NULL;
	d->count = 0;
	d->is_found = 0;
}

int direct_take(struct direct *d, const struct msg_direct *m, struct err *e)
{
	if (m->count == 0)
		return err_set(e, ERR_CONNECT,
			       "the other host cannot listen on a port");
	for (unsigned i = 0; i < m->count; i++)
		d->peers[i].len = addr_of_bytes(&d->peers[i].addr,
						m->addresses[i], m->port);
	d->count = m->count;
	d->tls = make_tls(m, NET_CONNECTS, e);
	return d->tls ? 0 : e->code;
}

static int connect_any(struct direct *d, const struct dial_peer *peers,
		       size_t count, char *peer, struct err *e)
{
	return d->connector ? connector_any(d->connector, peers, count,
					    &d->stop, peer, e)
			    : dial_connect_any(peers, count, d->net, &d->stop,
					       peer, e);
}

/* The handshake; fd stays open if it fails. */
static struct stream *secure(const struct direct *d, int fd, int timeout_ms,
			     uint64_t deadline_ms, struct err *e)
{
	const struct secure_mode mode = {
		.role = NET_CONNECTS,
		.tls = d->tls,
	};
	const struct stream_config cfg = {
		.timeout_ms = timeout_ms,
		.deadline_ms = deadline_ms,
		.cancel = &d->stop,
	};

	return secure_open(fd, &mode, &cfg, NULL, e);
}

/* What listens at this address has not the key, or does not answer: there may
 * be another host with the same private address. */
static size_t without(struct dial_peer *peers, size_t count,
		      const struct dial_peer *bad)
{
	uint8_t a[ADDR_BYTES], b[ADDR_BYTES];
	size_t kept = 0;

	addr_bytes(b, (const struct sockaddr *)&bad->addr);
	for (size_t i = 0; i < count; i++) {
		addr_bytes(a, (const struct sockaddr *)&peers[i].addr);
		if (memcmp(a, b, sizeof(a)) != 0)
			peers[kept++] = peers[i];
	}
	return kept < count ? kept : 0;
}

static struct stream *open_first(struct direct *d, int timeout_ms, char *peer,
				 struct err *e)
{
	const uint64_t deadline_ms = clock_ms() + DIRECT_CONNECT_MS;
	struct dial_peer peers[DIRECT_ADDRESSES_MAX], to;
	size_t count = d->count;
	struct stream *stream = NULL;

	memcpy(peers, d->peers, sizeof(peers));
	while (!stream && count > 0) {
		int fd = connect_any(d, peers, count, peer, e);

		if (fd < 0)
			return NULL;
		if (dial_get_peer(fd, &to, e) == 0)
			stream = secure(d, fd, timeout_ms, deadline_ms, e);
		if (stream) {
			d->peers[0] = to;
			d->is_found = 1;
			return stream;
		}
		io_close(&fd);
		err_prefix(e, "%s", peer);
		if (e->code == ERR_INTERRUPTED ||
		    clock_left_ms(deadline_ms) == 0)
			return NULL;
		count = without(peers, count, &to);
	}
	return NULL;
}

static struct stream *open_further(struct direct *d, int timeout_ms, char *peer,
				   struct err *e)
{
	const struct dial_peer *to = &d->peers[0];
	struct stream *stream;
	int fd = d->connector
			 ? connector_any(d->connector, to, 1, &d->stop, NULL, e)
			 : dial_connect_peer(to, d->net, &d->stop, e);

	addr_text(peer, (const struct sockaddr *)&to->addr, to->len);
	if (fd < 0)
		return NULL;
	stream = secure(d, fd, timeout_ms, clock_ms() + HANDSHAKE_MS, e);
	if (stream)
		return stream;
	io_close(&fd);
	err_prefix(e, "%s", peer);
	return NULL;
}

struct stream *direct_open(struct direct *d, const struct stream_config *cfg,
			   char *peer, struct err *e)
{
	peer[0] = '\0';
	if (!d->tls) {
		err_set(e, ERR_CONNECT, "there is no key");
		return NULL;
	}
	return d->is_found ? open_further(d, cfg->timeout_ms, peer, e)
			   : open_first(d, cfg->timeout_ms, peer, e);
}
