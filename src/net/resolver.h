/*
 * resolver.h - finds the addresses of host names, in a process of its own.
 *
 * Layer: net.  Uses base, os.
 * Threads: resolver_start() while there is one thread only; then one at a time.
 *
 * libc's resolver reads configuration files, which may be symlinks to anywhere
 * (on WSL, /etc/resolv.conf is), loads modules, and cannot be interrupted.  In
 * another process it needs nothing of what the sandbox takes away, names can be
 * resolved again for each retry, and a name server that does not answer holds
 * nothing up.
 */
#ifndef FERRY_NET_RESOLVER_H
#define FERRY_NET_RESOLVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct cancel;
struct resolver;

/* What a process of resolver_start() does first, to confine itself.  Returns 0
 * or an error. */
typedef int resolver_confine_fn(const void *ctx, struct err *e);

/* Start the process.  It ends with resolver_stop(), and also when this process
 * ends in whatever way.  Returns NULL with ERR_RESOURCE. */
struct resolver *resolver_start(resolver_confine_fn *confine, const void *ctx,
				struct err *e);
/* NULL is allowed. */
void resolver_stop(struct resolver *r);

enum { RESOLVED_MAX = 32 };

struct resolved {
	size_t count;
	struct {
		struct sockaddr_storage addr;
		socklen_t len;
	} list[RESOLVED_MAX]; /* in the order of libc's resolver */
};

struct resolver_query {
	const char *host; /* a name, or an address with or without a zone */
	int family;       /* AF_UNSPEC, AF_INET, AF_INET6 */
	uint16_t port;    /* of the addresses that are found */
	uint64_t deadline_ms;        /* clock_ms() time */
	int timeout_ms;              /* how long that is, for the message */
	const struct cancel *cancel; /* NULL: cannot be cancelled */
};

/* Whether the host is an address and not a name, so that there is nothing to
 * ask a resolver. */
int resolver_is_address(const char *host);

/*
 * Find the addresses of a host.  With r NULL, names are resolved in the calling
 * thread, where neither deadline nor cancel token apply.  Addresses never need
 * r.  Returns 0 with at least one address; ERR_CONNECT with a text that names
 * the host, also at the deadline; ERR_INTERRUPTED; ERR_RESOURCE.
 */
int resolver_find(struct resolver *r, const struct resolver_query *q,
		  struct resolved *found, struct err *e);

#endif
