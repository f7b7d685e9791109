/*
 * getifaddrs().
 */
#define _DEFAULT_SOURCE 1 /* for IFF_UP */
#include "os/interfaces.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stddef.h>

int interfaces_list(interfaces_fn *fn, void *ctx)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return -1;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr *sa = i->ifa_addr;

		if (sa && i->ifa_flags & IFF_UP &&
		    !(i->ifa_flags & IFF_LOOPBACK) &&
		    (sa->sa_family == AF_INET || sa->sa_family == AF_INET6))
			fn(ctx, i->ifa_name, sa);
	}
	freeifaddrs(all);
	return 0;
}
