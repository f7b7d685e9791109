/*
 * resolver.h - finds the addresses of host names.
 *
 * Layer: net.
 * Threads: any.
 */
#ifndef FERRY_NET_RESOLVER_H
#define FERRY_NET_RESOLVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

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
};

/* Whether the host is an address and not a name, so that there is nothing to
 * resolve. */
int resolver_is_address(const char *host);

/*
 * Find the addresses of a host.  For a name this blocks as long as libc's
 * resolver takes, and cannot be interrupted.  Returns 0 with at least one
 * address; ERR_CONNECT with a text that names the host; ERR_RESOURCE.
 */
int resolver_find(const struct resolver_query *q, struct resolved *found,
		  struct err *e);

#endif
