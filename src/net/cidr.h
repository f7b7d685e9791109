/*
 * cidr.h - networks written as ADDR/BITS, and whether they contain an address.
 *
 * Layer: net.  Pure.
 */
#ifndef FERRY_NET_CIDR_H
#define FERRY_NET_CIDR_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "net/addr.h"

struct cidr {
	uint8_t addr[ADDR_BYTES]; /* as addr_bytes() */
	unsigned bits; /* prefix length in addr[]: 96 more for IPv4 */
};

/*
 * Parse "192.0.2.0/24", "2001:db8::/32", or a single address, which is a
 * network of one.  An IPv4-mapped prefix of 96 bits or more is an IPv4 network.
 * Host names, short forms (10/8), and addresses with bits set after the prefix
 * are refused.  Returns 0, or ERR_RANGE with *c undefined.
 */
int cidr_parse(struct cidr *c, const char *text);

/* Whether the network contains the address.  An IPv6 network, even ::/0,
 * contains no IPv4 address, mapped or not. */
int cidr_has(const struct cidr *c, const struct sockaddr *sa);

enum { CIDR_LIST_MAX = 64 };
struct cidr_list {
	struct cidr nets[CIDR_LIST_MAX];
	unsigned count;
};
/* Whether one of the networks contains the address; an empty list contains
 * every address. */
int cidr_list_has(const struct cidr_list *l, const struct sockaddr *sa);

#endif
