/*
 * local_addrs.h - the addresses by which other hosts may reach this one.
 *
 * Layer: net.
 * Threads: any.
 */
#ifndef FERRY_NET_LOCAL_ADDRS_H
#define FERRY_NET_LOCAL_ADDRS_H

#include "net/addr.h"

enum { LOCAL_ADDRS_MAX = 8, LOCAL_ADDRS_INTERFACE_MAX = 16 };

struct local_addr {
	char address[ADDR_TEXT_MAX]; /* numeric, without a port */
	char interface[LOCAL_ADDRS_INTERFACE_MAX];
};

/*
 * Write the addresses of the interfaces that are up to list (LOCAL_ADDRS_MAX
 * entries), the one that most likely works first: IPv4 before IPv6, as it is
 * shorter to type, and last those of bridges to containers and virtual machines
 * of this host.  Loopback and link-local addresses are left out.  family:
 * AF_INET, AF_INET6, or AF_UNSPEC for both.  Returns how many there are; 0 also
 * where they cannot be found out, as in the sandbox.
 */
unsigned local_addrs_list(struct local_addr *list, int family);

#endif
