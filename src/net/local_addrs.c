/*
 * The addresses of this host, from getifaddrs(3).
 */
#include "net/local_addrs.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

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

/* The rank of the interface's address, and its text; -1: it is of no use. */
static int examine(const struct ifaddrs *ifa, int family, char *text)
{
	const struct sockaddr *sa = ifa->ifa_addr;
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	int rank = -1;

	if (!sa || !(ifa->ifa_flags & IFF_UP) ||
	    ifa->ifa_flags & IFF_LOOPBACK ||
	    (family != AF_UNSPEC && sa->sa_family != family))
		return -1;
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		if (ntohl(v4.sin_addr.s_addr) >> 16 != 0xa9fe &&
		    inet_ntop(AF_INET, &v4.sin_addr, text, ADDR_TEXT_MAX))
			rank = RANK_IPV4;
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		if (!IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) &&
		    inet_ntop(AF_INET6, &v6.sin6_addr, text, ADDR_TEXT_MAX))
			rank = RANK_IPV6;
	}
	return rank >= 0 && is_inner(ifa->ifa_name) ? RANK_INNER : rank;
}

unsigned local_addrs_list(struct local_addr *list, int family)
{
	struct ifaddrs *all = NULL;
	char text[ADDR_TEXT_MAX];
	unsigned n = 0;

	if (getifaddrs(&all))
		return 0;
	for (int rank = 0; rank < RANKS; rank++) {
		for (const struct ifaddrs *i = all; i && n < LOCAL_ADDRS_MAX;
		     i = i->ifa_next) {
			if (examine(i, family, text) != rank)
				continue;
			snprintf(list[n].address, sizeof(list[n].address),
				 "%s", text);
			snprintf(list[n].interface,
				 sizeof(list[n].interface), "%s", i->ifa_name);
			n++;
		}
	}
	freeifaddrs(all);
	return n;
}
