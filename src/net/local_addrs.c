/*
 * The addresses of this host, best first.
 */
#include "net/local_addrs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "os/interfaces.h"

enum { RANK_IPV4, RANK_IPV6, RANK_INNER, RANKS };

/* Whether it leads to containers and virtual machines of this host. */
static int is_inner(const char *interface)
{
	static const char *const prefixes[] = {
		"docker", "br-", "veth", "virbr", "vnet", "lxc", "lxd", "cni",
		"podman", "flannel", "cali",
	};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(interface, prefixes[i], strlen(prefixes[i])) == 0)
			return 1;
	}
	return 0;
}

/* The rank of an interface's address, and its text; -1: it is of no use. */
static int examine(const char *interface, const struct sockaddr *sa, char *text)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	int rank = -1;

	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		if (ntohl(v4.sin_addr.s_addr) >> 16 != 0xa9fe &&
		    inet_ntop(AF_INET, &v4.sin_addr, text, ADDR_TEXT_MAX))
			rank = RANK_IPV4;
	} else {
		memcpy(&v6, sa, sizeof(v6));
		if (!IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) &&
		    inet_ntop(AF_INET6, &v6.sin6_addr, text, ADDR_TEXT_MAX))
			rank = RANK_IPV6;
	}
	return rank >= 0 && is_inner(interface) ? RANK_INNER : rank;
}

struct search {
	struct local_addr *list;
	unsigned count;
	int family, rank;
};

static void add_address(void *ctx, const char *interface,
			const struct sockaddr *sa)
{
	struct search *s = ctx;
	char text[ADDR_TEXT_MAX];

	if (s->count == LOCAL_ADDRS_MAX ||
	    (s->family != AF_UNSPEC && sa->sa_family != s->family) ||
	    examine(interface, sa, text) != s->rank)
		return;
	snprintf(s->list[s->count].address, sizeof(s->list->address), "%s",
		 text);
	snprintf(s->list[s->count].interface, sizeof(s->list->interface), "%s",
		 interface);
	s->count++;
}

unsigned local_addrs_list(struct local_addr *list, int family)
{
	struct search s = { .list = list, .family = family };

	for (; s.rank < RANKS; s.rank++)
		(void)interfaces_list(add_address, &s);
	return s.count;
}
