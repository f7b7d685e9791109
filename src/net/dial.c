/*
 * Opening TCP connections, listening, and accepting.  All attempts to connect
 * run in one poll(2) loop.
 */
#include "net/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "net/proxy.h"
#include "net/resolver.h"
#include "os/fds.h"
#include "os/interposed.h"
#include "os/sockcall.h"
#include "os/tcp.h"

enum {
	/* "Connection Attempt Delay", RFC 8305, section 5. */
	STAGGER_MS = 250,
	/* Further addresses of a host are not tried. */
	ATTEMPTS_MAX = 16,
	/* Large enough for all streams of many senders at once: when the queue
	 * is full the SYN is dropped, and the client repeats it only after a
	 * second. */
	BACKLOG = 4096,
	UNSENT_MAX = 256 * 1024,
	/* For dial_loses_packets(): so often sent again, which takes some
	 * seconds; and how recent the other side's heart-beat is. */
	LOST_RETRANSMITS = 3,
	ALIVE_MS = 10000,
};

/* One address of the host.  fd >= 0 while it is being connected. */
struct attempt {
	struct sockaddr_storage addr;
	socklen_t len;
	int fd;
	int error; /* errno once it failed, else 0 */
};

struct race {
	struct attempt attempts[ATTEMPTS_MAX];
	size_t count;
	size_t started;
	size_t failed;
	uint64_t next_ms; /* when the next attempt starts */
	uint64_t deadline_ms;
	const struct net_options *opt;
	const struct cancel *cancel;
	struct sockaddr_storage local;
	socklen_t local_len; /* 0: not bound */
};

/* ------------------------------------------------------------ sockets */

static int set_int(int fd, int level, int name, int value)
{
	return sockcall_setsockopt(fd, level, name, &value, sizeof(value));
}

/*
 * Set the options of every connection.  Only a failure of TCP_NODELAY is one:
 * it means that this is not a TCP socket.  Without the others a dead peer is
 * found later.
 */
static int set_options(int fd, int timeout_ms)
{
	int s = timeout_ms / 1000;

	if (set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0)
		return -1;
	/* Idle for half of the timeout, then three probes in the other half. */
	tcp_keep_alive(fd, &(struct tcp_keepalive){ s > 4 ? s / 2 : 2,
						    s > 12 ? s / 6 : 2, 3,
						    timeout_ms });
	return 0;
}

static int set_congestion(int fd, const char *name, struct err *e)
{
	if (!name || tcp_set_congestion(fd, name) == 0)
		return 0;
	return err_sys(e, ERR_USAGE, "cannot use congestion control '%s'%s",
		       name, tcp_congestion_hint());
}

unsigned dial_rtt_us(int fd)
{
	struct tcp_state state;

	return tcp_get_state(fd, &state) < 0 ? 0 : state.rtt_us;
}

void dial_limit_unsent(int fd)
{
	tcp_limit_unsent(fd, UNSENT_MAX);
}

void dial_tune_for_rtt(int fd, const struct net_options *opt)
{
	if (dial_rtt_us(fd) < DIAL_LONG_RTT_US)
		return;
	/* What the kernel has accepted cannot be moved to another stream: with
	 * much of it, the slowest stream would delay the end. */
	dial_limit_unsent(fd);
	if (!opt->congestion)
		(void)tcp_set_congestion(fd, "bbr");
}

static int is_exhaustion(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ENOMEM;
}

/* Close fd and preserve errno. */
static void close_keep_errno(int *fd)
{
	int saved = errno;

	io_close(fd);
	errno = saved;
}

/* Whether sa is a link-local IPv6 address (fe80::/10) without a zone: the
 * interface by which it is reached is missing. */
static int lacks_zone(const struct sockaddr_storage *sa)
{
	struct sockaddr_in6 sin6;

	if (sa->ss_family != AF_INET6)
		return 0;
	memcpy(&sin6, sa, sizeof(sin6));
	return IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr) && !sin6.sin6_scope_id;
}

/* Say how to write such an address, with an interface of this host. */
static void zone_advice(const struct sockaddr_storage *sa, char *dst,
			size_t size)
{
	struct if_nameindex *list = if_nameindex(), *found = NULL;
	char host[ADDR_TEXT_MAX];

	for (struct if_nameindex *i = list; i && i->if_index; i++) {
		if (!found || strcmp(found->if_name, "lo") == 0)
			found = i;
	}
	addr_host_text(host, (const struct sockaddr *)sa, sizeof(*sa));
	snprintf(dst, size,
		 "a link-local address needs the network interface: write "
		 "%.60s%%%s, with the interface of this host that leads there",
		 host, found ? found->if_name : "eth0");
	if_freenameindex(list);
}

/* bind() failed.  An address that is not there yet (a VPN, DHCP) may come. */
static int set_bind_error(const struct net_options *opt,
			  const struct sockaddr_storage *sa, struct err *e)
{
	const int error = errno;
	char advice[192];

	if (lacks_zone(sa)) {
		zone_advice(sa, advice, sizeof(advice));
		return err_set(e, ERR_CONNECT, "cannot bind to %s: %s",
			       opt->bind, advice);
	}
	errno = error;
	if (error == EADDRNOTAVAIL)
		return err_set(e, ERR_CONNECT,
			       "cannot bind to %s: it is not an address of "
			       "this host at present: name one of those that "
			       "'ip address' lists, or try again once it is up",
			       opt->bind);
	return err_sys(e, ERR_CONNECT, "cannot bind to %s", opt->bind);
}

/* The address of an interface that is not there (yet); NULL for all else. */
static const char *missing_zone(const char *address)
{
	const char *zone = strchr(address, '%');

	return zone && strchr(address, ':') && zone[1] &&
			       if_nametoindex(zone + 1) == 0
		       ? zone + 1
		       : NULL;
}

/* Set local to the address opt->bind, or *len to 0 if there is none. */
static int resolve_bind(const struct net_options *opt, uint16_t port,
			struct sockaddr_storage *local, socklen_t *len,
			struct err *e)
{
	struct addrinfo hints = {
		.ai_family = opt->family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *found = NULL;
	char text[8];
	int rc;

	*len = 0;
	if (!opt->bind)
		return 0;
	snprintf(text, sizeof(text), "%u", (unsigned)port);
	rc = getaddrinfo(opt->bind, text, &hints, &found);
	if (rc == EAI_MEMORY)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (rc != 0 && missing_zone(opt->bind))
		return err_set(e, ERR_CONNECT,
			       "cannot bind to %s: this host has no network "
			       "interface %s at present",
			       opt->bind, missing_zone(opt->bind));
	if (rc != 0 || !found)
		return err_set(e, ERR_USAGE,
			       "--bind: '%s' is not a numeric%s address",
			       opt->bind,
			       opt->family == AF_INET    ? " IPv4"
			       : opt->family == AF_INET6 ? " IPv6"
							 : "");
	memcpy(local, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* ----------------------------------------------------------- connecting */

/*
 * Start connecting to one address.  A failure that concerns only this address
 * is recorded in the attempt, and 0 returned; an error is returned when no
 * other address could succeed either.
 */
static int start_attempt(struct race *r, struct attempt *a, struct err *e)
{
	int rc, fd = fds_socket(a->addr.ss_family, SOCK_STREAM, O_NONBLOCK);

	if (fd < 0 && is_exhaustion(errno))
		return err_sys(e, ERR_RESOURCE, "cannot create a socket");
	if (fd < 0 || set_options(fd, r->opt->timeout_ms) < 0)
		goto failed;
	rc = set_congestion(fd, r->opt->congestion, e);
	if (rc == 0 && r->local_len > 0 &&
	    bind(fd, (const struct sockaddr *)&r->local, r->local_len) < 0)
		rc = set_bind_error(r->opt, &r->local, e);
	if (rc < 0) {
		close_keep_errno(&fd);
		return rc;
	}
	if (connect(fd, (const struct sockaddr *)&a->addr, a->len) == 0 ||
	    errno == EINPROGRESS || errno == EINTR) {
		a->fd = fd;
		return 0;
	}
failed:
	a->error = errno;
	r->failed++;
	close_keep_errno(&fd);
	return 0;
}

/* Start the attempts that are due: the next one when its time has come, or when
 * all before it have failed. */
static int start_due_attempts(struct race *r, struct err *e)
{
	int rc = 0;

	while (rc == 0 && r->started < r->count &&
	       (r->failed == r->started || clock_ms() >= r->next_ms)) {
		rc = start_attempt(r, &r->attempts[r->started], e);
		r->started++;
		r->next_ms = clock_ms() + STAGGER_MS;
	}
	return rc;
}

/* Record the result of an attempt.  Returns whether it is connected. */
static int finish_attempt(struct race *r, struct attempt *a)
{
	socklen_t len = sizeof(a->error);

	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &a->error, &len) < 0)
		a->error = errno;
	if (a->error == 0)
		return 1;
	io_close(&a->fd);
	r->failed++;
	/* The next attempt starts at once. */
	r->next_ms = 0;
	return 0;
}

/* Wait once.  Returns the attempt that is connected, or NULL. */
static struct attempt *poll_attempts(struct race *r)
{
	struct pollfd fds[ATTEMPTS_MAX + 1];
	struct attempt *of[ATTEMPTS_MAX];
	const int next_ms = clock_left_ms(r->next_ms);
	int ms = clock_left_ms(r->deadline_ms);
	nfds_t n = 0;

	for (size_t i = 0; i < r->started; i++) {
		if (r->attempts[i].fd < 0)
			continue;
		fds[n] = (struct pollfd){ r->attempts[i].fd, POLLOUT, 0 };
		of[n++] = &r->attempts[i];
	}
	fds[n] = (struct pollfd){ cancel_fd(r->cancel), POLLIN, 0 };
	if (r->started < r->count && next_ms < ms)
		ms = next_ms;
	if (poll(fds, n + 1, ms) <= 0)
		return NULL;
	for (nfds_t i = 0; i < n; i++) {
		if (fds[i].revents && finish_attempt(r, of[i]))
			return of[i];
	}
	return NULL;
}

/* Run until one attempt is connected, all have failed, or time is up.  Returns
 * 0, with *won NULL in the latter two cases; or an error. */
static int run_race(struct race *r, struct attempt **won, struct err *e)
{
	int rc;

	*won = NULL;
	while (!*won) {
		if (cancel_is_set(r->cancel))
			return err_set(e, ERR_INTERRUPTED,
				       "interrupted while connecting");
		rc = start_due_attempts(r, e);
		if (rc < 0)
			return rc;
		if (r->failed == r->count || clock_left_ms(r->deadline_ms) == 0)
			return 0;
		*won = poll_attempts(r);
	}
	return 0;
}

/* Why an attempt failed, in lower case for the middle of a sentence. */
static void cause_text(char *dst, size_t size, const struct attempt *a)
{
	const int error = a->error;
	char room[128];

	if (error == EINVAL && lacks_zone(&a->addr)) {
		zone_advice(&a->addr, dst, size);
		return;
	}
	/* Linux says EINVAL of a route of type blackhole; and EHOSTUNREACH of
	 * what most firewalls answer, also on a port of a host that is
	 * there. */
	if (error == EINVAL) {
		snprintf(dst, size, "invalid argument (does a route of this "
				    "host discard it? see 'ip route get')");
		return;
	}
	if (error == EHOSTUNREACH) {
		snprintf(dst, size, "no route to host (it is down, or a "
				    "firewall refuses the port)");
		return;
	}

	/* 0: the attempt was still running when time was up. */
	snprintf(dst, size, "%s",
		 error == 0 || error == ETIMEDOUT
			 ? "timed out"
			 : err_reason(error, room, sizeof(room)));
	if (dst[0] >= 'A' && dst[0] <= 'Z')
		dst[0] = (char)(dst[0] | 0x20);
}

static void append(char *dst, size_t size, const char *text)
{
	size_t used = strlen(dst);

	snprintf(dst + used, size - used, "%s", text);
}

/*
 * "192.0.2.1: connection refused; 2001:db8::1: timed out", without the address
 * where the user gave that address.  What does not fit is replaced by "...".
 */
static void list_causes(const struct race *r, const char *host, char *dst,
			size_t size)
{
	char addr[ADDR_TEXT_MAX], cause[192], one[320];

	dst[0] = '\0';
	for (size_t i = 0; i < r->started; i++) {
		const struct attempt *a = &r->attempts[i];

		addr_host_text(addr, (const struct sockaddr *)&a->addr, a->len);
		cause_text(cause, sizeof(cause), a);
		if (r->count == 1 && strcmp(addr, host) == 0)
			snprintf(one, sizeof(one), "%s", cause);
		else
			snprintf(one, sizeof(one), "%s%s: %s",
				 i > 0 ? "; " : "", addr, cause);
		if (strlen(dst) + strlen(one) + 8 > size) {
			append(dst, size, "; ...");
			return;
		}
		append(dst, size, one);
	}
}

/* Whether this host itself forbids it: a firewall's rule, or a sandbox around
 * us.  Ours allows the receiver's port. */
static int is_forbidden(const struct race *r)
{
	for (size_t i = 0; i < r->started; i++) {
		int error = r->attempts[i].error;

		if (error == EACCES || error == EPERM)
			return 1;
	}
	return 0;
}

static int set_connect_error(const struct race *r, const char *host,
			     unsigned port, struct err *e)
{
	const char *expected = r->opt->expected ? r->opt->expected
						: "ferry receive";
	char causes[384], library[64], hint[192] = "", brackets[96] = "";
	const size_t before_port = addr_before_port(host);
	int is_silent = 0, is_refused = 0;

	for (size_t i = 0; i < r->started; i++) {
		int error = r->attempts[i].error;

		/* 0: it was still running when time was up. */
		is_silent |= error == 0 || error == ETIMEDOUT;
		is_refused |= error == ECONNREFUSED;
	}
	list_causes(r, host, causes, sizeof(causes));
	if (r->opt->proxy)
		return err_set(e, ERR_CONNECT,
			       "cannot connect to the proxy %s port %u: %s",
			       host, port, causes);
	if (interposed_by(library, sizeof(library)))
		snprintf(hint, sizeof(hint),
			 " (the connection is made by %s: does its proxy "
			 "work, and is '%s' running there?)",
			 library, expected);
	else if (is_forbidden(r))
		snprintf(hint, sizeof(hint),
			 " (a firewall or sandbox on this host forbids it)");
	else if (is_refused && *expected)
		snprintf(hint, sizeof(hint),
			 " (is '%s' running there?)", expected);
	else if (is_silent && *expected)
		snprintf(hint, sizeof(hint),
			 " (is '%s' running there, and TCP port %u open in its "
			 "firewall?)", expected, port);
	if (before_port)
		snprintf(brackets, sizeof(brackets),
			 "; if %s is the port, write [%.*s]:%s",
			 host + before_port + 1, (int)before_port, host,
			 host + before_port + 1);
	return err_set(e, ERR_CONNECT, "cannot connect to %s port %u: %s%s%s",
		       host, port, causes, hint, brackets);
}

/* Fill the attempts with the resolver's addresses, families alternating, so
 * that a broken IPv6 path delays the first IPv4 attempt by one interval
 * only. */
static void set_addresses(struct race *r, const struct resolved *found)
{
	const int family = found->list[0].addr.ss_family;
	size_t turn[2] = { 0, 0 };

	for (size_t side = 0, dry = 0; r->count < ATTEMPTS_MAX && dry < 2;
	     side ^= 1) {
		struct attempt *a = &r->attempts[r->count];
		size_t i = turn[side];

		while (i < found->count &&
		       (found->list[i].addr.ss_family == family) != (side == 0))
			i++;
		turn[side] = i + 1;
		if (i >= found->count) {
			dry++;
			continue;
		}
		dry = 0;
		a->addr = found->list[i].addr;
		a->len = found->list[i].len;
		a->fd = -1;
		a->error = 0;
		r->count++;
	}
}

static int resolve(struct race *r, const struct host_port *hp, int family,
		   struct err *e)
{
	const struct resolver_query query = {
		.host = hp->host,
		.family = family,
		.port = hp->port,
	};
	struct resolved found;
	int rc = resolver_find(&query, &found, e);

	if (rc == 0)
		set_addresses(r, &found);
	return rc;
}

static void race_init(struct race *r, const struct net_options *opt,
		      const struct cancel *cancel)
{
	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < ATTEMPTS_MAX; i++)
		r->attempts[i].fd = -1;
	r->opt = opt;
	r->cancel = cancel;
	r->deadline_ms = clock_ms() + (uint64_t)(dial_connect_ms(opt) > 0
							 ? dial_connect_ms(opt)
							 : INT_MAX);
}

int dial_connect_ms(const struct net_options *opt)
{
	return opt->connect_ms > 0 ? opt->connect_ms : opt->timeout_ms;
}

/* Where r connects to the proxy: have that connect to the host. */
static int pass_proxy(const struct race *r, int fd, char *peer, struct err *e)
{
	const struct proxy *p = r->opt->proxy;
	const int is_v6 = strchr(p->to.host, ':') != NULL;

	if (peer)
		snprintf(peer, ADDR_TEXT_MAX, "%s%.80s%s:%u", is_v6 ? "[" : "",
			 p->to.host, is_v6 ? "]" : "", (unsigned)p->to.port);
	return proxy_connect(fd, p, r->deadline_ms, r->cancel, e);
}

/* Connect to one of the addresses in r.  Returns a descriptor or an error. */
static int connect_any(struct race *r, const char *host, unsigned port,
		       char *peer, struct err *e)
{
	struct attempt *won;
	int rc, flags, fd = -1;

	rc = run_race(r, &won, e);
	if (rc == 0 && !won)
		rc = set_connect_error(r, host, port, e);
	if (rc == 0 && won) {
		fd = won->fd;
		won->fd = -1;
		if (peer)
			addr_text(peer, (const struct sockaddr *)&won->addr,
				  won->len);
		/* Only connecting needs a non-blocking socket. */
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
			rc = err_sys(e, ERR_CONNECT,
				     "cannot set up a connection");
		dial_tune_for_rtt(fd, r->opt);
	}
	if (rc == 0 && won && r->opt->proxy)
		rc = pass_proxy(r, fd, peer, e);
	for (size_t i = 0; i < r->count; i++)
		io_close(&r->attempts[i].fd);
	if (rc < 0)
		io_close(&fd);
	return rc < 0 ? rc : fd;
}

int dial_connect(const struct host_port *hp, const struct net_options *opt,
		 const struct cancel *cancel, char *peer, struct err *e)
{
	struct race r;
	int rc;

	if (opt->proxy)
		hp = &opt->proxy->at;
	race_init(&r, opt, cancel);
	rc = resolve_bind(opt, 0, &r.local, &r.local_len, e);
	if (rc < 0)
		return rc;
	rc = resolve(&r, hp, r.local_len > 0 ? r.local.ss_family : opt->family,
		     e);
	if (rc < 0)
		return rc;
	return connect_any(&r, hp->host, hp->port, peer, e);
}

int dial_get_peer(int fd, struct dial_peer *peer, struct err *e)
{
	peer->len = sizeof(peer->addr);
	if (getpeername(fd, (struct sockaddr *)&peer->addr, &peer->len) < 0)
		return err_sys(e, ERR_LOST, "the connection was lost");
	return 0;
}

int dial_connect_any(const struct dial_peer *peers, size_t count,
		     const struct net_options *opt, const struct cancel *cancel,
		     char *peer, struct err *e)
{
	const struct sockaddr *first = (const struct sockaddr *)&peers->addr;
	char host[ADDR_TEXT_MAX];
	struct race r;
	int rc;

	race_init(&r, opt, cancel);
	for (; r.count < count && r.count < ATTEMPTS_MAX; r.count++) {
		r.attempts[r.count].addr = peers[r.count].addr;
		r.attempts[r.count].len = peers[r.count].len;
	}
	rc = resolve_bind(opt, 0, &r.local, &r.local_len, e);
	if (rc < 0)
		return rc;
	addr_host_text(host, first, peers->len);
	return connect_any(&r, host, addr_port(first), peer, e);
}

int dial_connect_peer(const struct dial_peer *peer,
		      const struct net_options *opt,
		      const struct cancel *cancel, struct err *e)
{
	return dial_connect_any(peer, 1, opt, cancel, NULL, e);
}

/* ------------------------------------------------------------- listening */

/* Set sa to the address to listen on, and *dual if one IPv6 socket is to accept
 * IPv4 too. */
static int listen_address(uint16_t port, const struct net_options *opt,
			  struct sockaddr_storage *sa, socklen_t *len,
			  int *dual, struct err *e)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_ANY_INIT,
	};
	int rc = resolve_bind(opt, port, sa, len, e);

	*dual = 0;
	if (rc < 0 || *len > 0)
		return rc;
	if (opt->family == AF_INET) {
		memcpy(sa, &sin, sizeof(sin));
		*len = sizeof(sin);
	} else {
		memcpy(sa, &sin6, sizeof(sin6));
		*len = sizeof(sin6);
		*dual = opt->family == AF_UNSPEC;
	}
	return 0;
}

static int set_listen_error(const struct net_options *opt, unsigned port,
			    const struct sockaddr_storage *sa, struct err *e)
{
	if (errno == EADDRINUSE)
		return err_set(e, ERR_CONNECT,
			       "port %u is in use: choose another with -p",
			       port);
	if (errno == EACCES)
		return err_set(e, ERR_CONNECT,
			       "port %u needs privileges: choose one above "
			       "1023 with -p",
			       port);
	if (opt->bind && (errno == EADDRNOTAVAIL || lacks_zone(sa)))
		return set_bind_error(opt, sa, e);
	if (is_exhaustion(errno))
		return err_sys(e, ERR_RESOURCE, "cannot listen on port %u",
			       port);
	return err_sys(e, ERR_CONNECT, "cannot listen on port %u", port);
}

/* Returns a listening descriptor, or -1 with errno set. */
static int open_listener(const struct sockaddr_storage *sa, socklen_t len,
			 int dual)
{
	int fd = fds_socket(sa->ss_family, SOCK_STREAM, O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
	    (sa->ss_family == AF_INET6 &&
	     set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual) < 0) ||
	    bind(fd, (const struct sockaddr *)sa, len) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		close_keep_errno(&fd);
		return -1;
	}
	return fd;
}

/* Open a dual-stack listener where the host has IPv6, else an IPv4 one. */
static int open_any_listener(uint16_t port, const struct net_options *opt,
			     struct err *e)
{
	struct net_options ipv4 = *opt;
	struct sockaddr_storage sa;
	socklen_t len;
	int rc, fd, dual;

	rc = listen_address(port, opt, &sa, &len, &dual, e);
	if (rc < 0)
		return rc;
	fd = open_listener(&sa, len, dual);
	if (fd < 0 && dual &&
	    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		ipv4.family = AF_INET;
		rc = listen_address(port, &ipv4, &sa, &len, &dual, e);
		if (rc < 0)
			return rc;
		fd = open_listener(&sa, len, dual);
	}
	return fd >= 0 ? fd : set_listen_error(opt, port, &sa, e);
}

int dial_take_listener(int fd, const struct net_options *opt, char *local,
		       uint16_t *port_out, struct err *e)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	/* Accepted connections inherit it. */
	int rc = set_congestion(fd, opt->congestion, e);

	if (rc == 0 && getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		rc = err_sys(e, ERR_CONNECT, "cannot listen");
	if (rc < 0)
		return rc;
	addr_text(local, (const struct sockaddr *)&sa, len);
	*port_out = addr_port((const struct sockaddr *)&sa);
	return fd;
}

int dial_listen(uint16_t port, const struct net_options *opt, char *local,
		uint16_t *port_out, struct err *e)
{
	int rc, fd = open_any_listener(port, opt, e);

	if (fd < 0)
		return fd;
	rc = dial_take_listener(fd, opt, local, port_out, e);
	if (rc < 0)
		close_keep_errno(&fd);
	return rc;
}

int dial_take_connection(int fd, const struct net_options *opt, char *peer,
			 struct sockaddr_storage *sa, struct err *e)
{
	socklen_t len = sizeof(*sa);

	memset(sa, 0, sizeof(*sa));
	if (getpeername(fd, (struct sockaddr *)sa, &len) < 0 ||
	    set_options(fd, opt->timeout_ms) < 0)
		return err_sys(e, ERR_LOST, "the connection of the service "
					    "manager is gone");
	addr_text(peer, (const struct sockaddr *)sa, len);
	return 0;
}

int dial_accept(int listener, const struct net_options *opt, char *peer,
		struct sockaddr_storage *sa, struct err *e)
{
	socklen_t len = sizeof(*sa);
	int fd;

	memset(sa, 0, sizeof(*sa));
	fd = fds_accept(listener, (struct sockaddr *)sa, &len);
	if (fd < 0 && is_exhaustion(errno))
		return err_sys(e, ERR_RESOURCE, "cannot accept a connection");
	if (fd < 0 && (errno == EBADF || errno == EINVAL || errno == ENOTSOCK ||
		       errno == EFAULT || errno == EOPNOTSUPP))
		return err_sys(e, ERR_CONNECT, "cannot accept connections");
	/* accept(2) also returns errors that the new connection met before it
	 * was accepted: only that connection is lost. */
	if (fd < 0 || set_options(fd, opt->timeout_ms) < 0) {
		close_keep_errno(&fd);
		return err_set(e, ERR_AGAIN, "no connection is waiting");
	}
	addr_text(peer, (const struct sockaddr *)sa, len);
	return fd;
}

uint64_t dial_bytes_in(int fd)
{
	struct tcp_state state;

	return tcp_get_state(fd, &state) < 0 ? 0 : state.bytes_received;
}

int dial_loses_packets(int fd)
{
	struct tcp_state state;

	return tcp_get_state(fd, &state) == 0 && state.unacked > 0 &&
	       state.retransmits >= LOST_RETRANSMITS &&
	       state.since_data_ms < ALIVE_MS;
}
