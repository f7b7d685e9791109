/*
 * Both families are compared in one form: 16 bytes, IPv4 as IPv4-mapped IPv6.
 */
#include "net/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/num.h"

enum {
	MAPPED_BITS = 96, /* of ::ffff:0:0/96, before the IPv4 address */
	TEXT_MAX = 64,    /* more than INET6_ADDRSTRLEN */
};

/* Set addr from text.  Returns the size of an address of its family in bits,
 * or 0 when text is not an address. */
static unsigned parse_address(uint8_t addr[ADDR_BYTES], const char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1) {
		addr_bytes(addr, (const struct sockaddr *)&sin);
		return 32;
	}
	if (inet_pton(AF_INET6, text, &sin6.sin6_addr) == 1) {
		addr_bytes(addr, (const struct sockaddr *)&sin6);
		return 128;
	}
	return 0;
}

int cidr_parse(struct cidr *c, const char *text)
{
	const char *slash = strchr(text, '/');
	const size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char host[TEXT_MAX];
	unsigned size;
	uint64_t bits;

	if (len >= sizeof(host))
		return ERR_RANGE;
	memcpy(host, text, len);
	host[len] = '\0';
	size = parse_address(c->addr, host);
	bits = size;
	if (!size || (slash && num_parse(slash + 1, 0, size, &bits)))
		return ERR_RANGE;
	c->bits = (unsigned)bits + (size == 32 ? MAPPED_BITS : 0);
	/* Bits after the prefix: an address was written for a network. */
	for (unsigned i = c->bits; i < 8 * ADDR_BYTES; i++) {
		if (c->addr[i / 8] & 0x80 >> i % 8)
			return ERR_RANGE;
	}
	return 0;
}

int cidr_has(const struct cidr *c, const struct sockaddr *sa)
{
	const int is_ipv4_net = c->bits >= MAPPED_BITS &&
				addr_is_ipv4(c->addr);
	const unsigned whole = c->bits / 8, rest = c->bits % 8;
	const unsigned mask = 0xff00u >> rest & 0xff;
	uint8_t addr[ADDR_BYTES];

	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return 0;
	addr_bytes(addr, sa);
	return addr_is_ipv4(addr) == is_ipv4_net &&
	       memcmp(c->addr, addr, whole) == 0 &&
	       (!rest ||
		((unsigned)(c->addr[whole] ^ addr[whole]) & mask) == 0);
}

int cidr_list_has(const struct cidr_list *l, const struct sockaddr *sa)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (cidr_has(&l->nets[i], sa))
			return 1;
	}
	return l->count == 0;
}
