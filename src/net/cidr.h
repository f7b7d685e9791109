/*
 * cidr.h - networks written as ADDR/BITS, and who is in them.
 *
 * Layer: net.  Uses base, addr.h.  Pure.
 */
#ifndef FERRY_NET_CIDR_H
#define FERRY_NET_CIDR_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "net/addr.h"

/* The bits count from the beginning of the 16 bytes. */
struct cidr {
	uint8_t addr[ADDR_BYTES];
	unsigned bits;
};

/*
 * Parse "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a
 * network of its own.  IPv4 is also what is IPv4-mapped with 96 bits or more.
 * Nothing is guessed: names, short forms (10/8), and addresses with bits set
 * behind the network's are refused.  Returns 0 or ERR_RANGE.
 */
int cidr_parse(struct cidr *c, const char *text);

/* Whether the address is in the network.  An IPv4 address, mapped or not, is
 * in no network of IPv6, ::/0 included. */
int cidr_has(const struct cidr *c, const struct sockaddr *sa);

/* A list of networks.  One that is empty has everybody. */
enum { CIDR_LIST_MAX = 64 };
struct cidr_list {
	struct cidr nets[CIDR_LIST_MAX];
	unsigned count;
};
int cidr_list_has(const struct cidr_list *l, const struct sockaddr *sa);

#endif
