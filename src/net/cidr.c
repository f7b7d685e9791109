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

/* Whether a and b begin with the same bits. */
static int has_same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	const unsigned whole = bits / 8, rest = bits % 8;
	const unsigned mask = 0xff00u >> rest & 0xff;

	return memcmp(a, b, whole) == 0 &&
	       (!rest || ((unsigned)(a[whole] ^ b[whole]) & mask) == 0);
}

/* Whether all bits after the prefix are 0. */
static int has_no_host_bits(const uint8_t *addr, unsigned bits)
{
	for (unsigned i = bits; i < 8 * ADDR_BYTES; i++) {
		if (addr[i / 8] & 0x80 >> i % 8)
			return 0;
	}
	return 1;
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
	return has_no_host_bits(c->addr, c->bits) ? 0 : ERR_RANGE;
}

int cidr_has(const struct cidr *c, const struct sockaddr *sa)
{
	const int is_ipv4_net = c->bits >= MAPPED_BITS &&
				addr_is_ipv4(c->addr);
	uint8_t addr[ADDR_BYTES];

	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return 0;
	addr_bytes(addr, sa);
	return addr_is_ipv4(addr) == is_ipv4_net &&
	       has_same_prefix(c->addr, addr, c->bits);
}

int cidr_list_has(const struct cidr_list *l, const struct sockaddr *sa)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (cidr_has(&l->nets[i], sa))
			return 1;
	}
	return l->count == 0;
}
