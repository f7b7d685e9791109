/*
 * getaddrinfo(), and what its results mean.
 */
#include "net/resolver.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Returns getaddrinfo()'s result. */
static int look_up(const struct resolver_query *q, int flags,
		   struct resolved *found)
{
	/* No AI_ADDRCONFIG: "::1" and "127.0.0.1" must work on a host that has
	 * only loopback addresses. */
	const struct addrinfo hints = {
		.ai_family = q->family,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP,
		.ai_flags = AI_NUMERICSERV | flags,
	};
	struct addrinfo *list = NULL;
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", (unsigned)q->port);
	found->count = 0;
	rc = getaddrinfo(q->host, port, &hints, &list);
	if (rc)
		return rc;
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		if (found->count == RESOLVED_MAX ||
		    ai->ai_addrlen > sizeof(found->list[0].addr))
			continue;
		memcpy(&found->list[found->count].addr, ai->ai_addr,
		       ai->ai_addrlen);
		found->list[found->count++].len = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	return found->count > 0 ? 0 : EAI_NONAME;
}

/* The user has asked for one family, which this host or its name does not have.
 * Returns the code, or 0 where it is not that. */
static int set_family_error(const struct resolver_query *q, int gai,
			    struct err *e)
{
	const char *wanted = q->family == AF_INET6 ? "IPv6" : "IPv4";
	const struct resolver_query any = { .host = q->host,
					    .family = AF_UNSPEC };
	struct resolved found;

	if (q->family == AF_UNSPEC || gai == EAI_AGAIN)
		return 0;
	if (look_up(&any, AI_NUMERICHOST, &found) == 0)
		return err_set(e, ERR_CONNECT,
			       "cannot connect to %s: it is an %s address, and "
			       "%s is asked for (-4, -6 or the address of "
			       "--bind)", q->host,
			       q->family == AF_INET6 ? "IPv4" : "IPv6", wanted);
	return err_set(e, ERR_CONNECT,
		       "cannot resolve host %s: %s (%s alone is asked for, by "
		       "-4, -6 or the address of --bind)",
		       q->host, gai_strerror(gai), wanted);
}

static int set_error(const struct resolver_query *q, int gai, struct err *e)
{
	int rc;

	if (gai == EAI_MEMORY)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (gai == EAI_SYSTEM)
		return err_sys(e, ERR_CONNECT, "cannot resolve host %s",
			       q->host);
	rc = set_family_error(q, gai, e);
	if (rc)
		return rc;
	return err_set(e, ERR_CONNECT, "cannot resolve host %s: %s", q->host,
		       gai_strerror(gai));
}

/* The zone of an IPv6 address, such as "eth0"; NULL where there is none. */
static const char *zone_of(const char *host)
{
	const char *zone = strchr(host, '%');

	return zone && strchr(host, ':') ? zone + 1 : NULL;
}

int resolver_is_address(const char *host)
{
	const struct resolver_query q = { .host = host, .family = AF_UNSPEC };
	struct resolved found;

	return zone_of(host) || look_up(&q, AI_NUMERICHOST, &found) == 0;
}

int resolver_find(const struct resolver_query *q, struct resolved *found,
		  struct err *e)
{
	const char *zone = zone_of(q->host);
	int rc = look_up(q, AI_NUMERICHOST, found);

	if (rc == 0)
		return 0;
	/* An interface may come up later. */
	if (zone && if_nametoindex(zone) == 0)
		return err_set(e, ERR_CONNECT,
			       "cannot connect to %s: this host has no "
			       "network interface %s",
			       q->host, zone);
	if (rc == EAI_NONAME)
		rc = look_up(q, 0, found);
	return rc ? set_error(q, rc, e) : 0;
}
