/*
 * proxy.h - connecting through a proxy: SOCKS5 (RFC 1928, RFC 1929) or HTTP
 * CONNECT (RFC 9110, 9.3.6).
 *
 * Layer: net.
 * Threads: any; a struct proxy is constant while it is in use.
 *
 * The proxy resolves the host's name.  What it says is bounded: at most a few
 * hundred bytes of SOCKS5, PROXY_HEAD_MAX of HTTP.
 */
#ifndef FERRY_NET_PROXY_H
#define FERRY_NET_PROXY_H

#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

struct cancel;

enum proxy_kind { PROXY_NONE, PROXY_SOCKS5, PROXY_HTTP };

enum {
	PROXY_PORT = 1080,          /* where the URL has none, as for curl */
	PROXY_SECRET_MAX = 255 + 1, /* RFC 1929; with the NUL */
	PROXY_HEAD_MAX = 16384,     /* bytes of all HTTP response heads */
};

struct proxy {
	enum proxy_kind kind;
	struct host_port at; /* where the proxy listens */
	struct host_port to; /* what it is to connect to; set by the caller */
	char user[PROXY_SECRET_MAX];     /* "": none */
	char password[PROXY_SECRET_MAX]; /* set and wiped by the caller */
};

/*
 * Parse "socks5://[USER@]HOST[:PORT]" (or socks5h://), "http://..." or "none";
 * the rest of *p is zeroes.  A password in it is refused, because arguments and
 * the environment are no place for one.  Returns 0; or ERR_USAGE with a text
 * without text itself.
 */
int proxy_parse(struct proxy *p, const char *text, struct err *e);

/* Whether the host is in a list as in NO_PROXY: names, which stand for all
 * below them too, addresses, networks, or "*"; with commas or spaces
 * between. */
int proxy_is_exempt(const char *list, const char *host);

/*
 * Have the proxy that fd is connected to connect to p->to.  Blocks until
 * deadline_ms (clock_ms()) or until cancel (may be NULL) is set.  After success
 * the next byte that is read from fd is the other host's.  Returns 0; ERR_AUTH
 * where the proxy wants other credentials; ERR_CONNECT for any other failure;
 * each with a text that names the proxy, p->to, and what the proxy said; or
 * ERR_INTERRUPTED.  fd stays the caller's.
 */
int proxy_connect(int fd, const struct proxy *p, uint64_t deadline_ms,
		  const struct cancel *cancel, struct err *e);

#endif
