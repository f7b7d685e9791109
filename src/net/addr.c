/*
 * Parsing HOST:PORT, and formatting addresses.  The syntax is checked here and
 * not left to the resolver, so that the user is told of a mistyped "host:" or
 * "host:80:90" instead of a name that could not be resolved.
 */
#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

/* Ends most messages. */
#define HOW "write HOST, HOST:PORT or [IPV6]:PORT"

/* Whether s is an IPv6 address, with or without "%scope". */
static int is_ipv6(const char *s)
{
	char addr[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	size_t n = strcspn(s, "%");

	if (n >= sizeof(addr) || (s[n] == '%' && !s[n + 1]))
		return 0;
	memcpy(addr, s, n);
	addr[n] = '\0';
	return inet_pton(AF_INET6, addr, &in6) == 1;
}

size_t addr_before_port(const char *host)
{
	char addr[INET6_ADDRSTRLEN];
	const char *colon = strrchr(host, ':');
	const size_t n = colon ? (size_t)(colon - host) : 0;

	if (n == 0 || n >= sizeof(addr) || strlen(colon + 1) != 4 ||
	    strspn(colon + 1, "0123456789") != 4)
		return 0;
	memcpy(addr, host, n);
	addr[n] = '\0';
	return is_ipv6(host) && is_ipv6(addr) ? n : 0;
}

static int copy_host(struct host_port *hp, const char *from, size_t n,
		     struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_USAGE, "missing host: " HOW);
	if (n >= sizeof(hp->host))
		return err_set(e, ERR_USAGE,
			       "the host name is too long (%zu bytes)", n);
	memcpy(hp->host, from, n);
	hp->host[n] = '\0';
	if (hp->host[0] == '-')
		return err_set(e, ERR_USAGE,
			       "a host cannot begin with '-': " HOW);
	for (const char *s = hp->host; *s; s++) {
		if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("/[]", *s))
			return err_set(e, ERR_USAGE,
				       "a host cannot contain a space, a "
				       "control character, a bracket or "
				       "'/': " HOW);
	}
	return 0;
}

static int parse_port(struct host_port *hp, const char *text, struct err *e)
{
	uint64_t port;

	if (num_parse(text, 1, UINT16_MAX, &port) < 0)
		return err_set(e, ERR_USAGE,
			       "a port must be a number from 1 to 65535: " HOW);
	hp->port = (uint16_t)port;
	hp->has_port = 1;
	return 0;
}

/* "[V6]" or "[V6]:PORT" */
static int parse_bracketed(struct host_port *hp, const char *text,
			   struct err *e)
{
	const char *end = strchr(text, ']');
	int rc;

	if (!end)
		return err_set(e, ERR_USAGE, "missing ']': " HOW);
	rc = copy_host(hp, text + 1, (size_t)(end - text - 1), e);
	if (rc < 0)
		return rc;
	if (!is_ipv6(hp->host))
		return err_set(e, ERR_USAGE,
			       "no IPv6 address between '[' and ']': " HOW);
	if (!end[1])
		return 0;
	if (end[1] != ':')
		return err_set(e, ERR_USAGE,
			       "only ':PORT' may follow ']': " HOW);
	return parse_port(hp, end + 2, e);
}

int addr_parse(struct host_port *hp, const char *text, uint16_t default_port,
	       struct err *e)
{
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	int rc;

	memset(hp, 0, sizeof(*hp));
	hp->port = default_port;
	if (text[0] == '[')
		return parse_bracketed(hp, text, e);
	if (colon && strchr(colon + 1, ':')) {
		rc = copy_host(hp, text, strlen(text), e);
		if (rc == 0 && !is_ipv6(hp->host))
			rc = err_set(e, ERR_USAGE,
				     "more than one ':', but not an IPv6 "
				     "address: " HOW);
		return rc;
	}
	rc = copy_host(hp, text, n, e);
	if (rc == 0 && colon)
		rc = parse_port(hp, colon + 1, e);
	return rc;
}

/* Whether sa is an IPv4 address, plain or IPv4-mapped; *in4 is set if so.  sa
 * is of AF_INET or AF_INET6. */
static int get_ipv4(const struct sockaddr *sa, struct in_addr *in4)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		*in4 = sin.sin_addr;
		return 1;
	}
	memcpy(&sin6, sa, sizeof(sin6));
	if (!IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr))
		return 0;
	memcpy(in4, &sin6.sin6_addr.s6_addr[12], sizeof(*in4));
	return 1;
}

static void ipv6_text(char *dst, size_t size, const struct sockaddr *sa)
{
	struct sockaddr_in6 sin6;
	char name[IF_NAMESIZE];
	size_t used;

	memcpy(&sin6, sa, sizeof(sin6));
	if (!inet_ntop(AF_INET6, &sin6.sin6_addr, dst, (socklen_t)size))
		return;
	if (!sin6.sin6_scope_id)
		return;
	used = strlen(dst);
	if (if_indextoname(sin6.sin6_scope_id, name))
		snprintf(dst + used, size - used, "%%%s", name);
	else
		snprintf(dst + used, size - used, "%%%u",
			 (unsigned)sin6.sin6_scope_id);
}

/* Whether sa is a complete IPv4 or IPv6 address. */
static int is_known(const struct sockaddr *sa, socklen_t len)
{
	if (len < sizeof(struct sockaddr_in))
		return 0;
	if (sa->sa_family == AF_INET6)
		return len >= sizeof(struct sockaddr_in6);
	return sa->sa_family == AF_INET;
}

char *addr_host_text(char *dst, const struct sockaddr *sa, socklen_t len)
{
	struct in_addr in4;

	snprintf(dst, ADDR_TEXT_MAX, "?");
	if (!is_known(sa, len))
		return dst;
	if (get_ipv4(sa, &in4))
		inet_ntop(AF_INET, &in4, dst, ADDR_TEXT_MAX);
	else
		ipv6_text(dst, ADDR_TEXT_MAX, sa);
	return dst;
}

char *addr_text(char *dst, const struct sockaddr *sa, socklen_t len)
{
	char host[ADDR_TEXT_MAX];
	unsigned port;

	addr_host_text(host, sa, len);
	port = is_known(sa, len) ? addr_port(sa) : 0;
	/* No address is longer than 80 bytes; without the precision the
	 * compiler warns of truncation. */
	snprintf(dst, ADDR_TEXT_MAX,
		 strchr(host, ':') ? "[%.80s]:%u" : "%.80s:%u", host, port);
	return dst;
}

uint16_t addr_port(const struct sockaddr *sa)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		return ntohs(sin.sin_port);
	}
	if (sa->sa_family != AF_INET6)
		return 0;
	memcpy(&sin6, sa, sizeof(sin6));
	return ntohs(sin6.sin6_port);
}

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

void addr_bytes(uint8_t dst[ADDR_BYTES], const struct sockaddr *sa)
{
	struct sockaddr_in6 sin6;
	struct in_addr in4;

	memset(dst, 0, ADDR_BYTES);
	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return;
	if (get_ipv4(sa, &in4)) {
		memcpy(dst, mapped, sizeof(mapped));
		memcpy(dst + sizeof(mapped), &in4, sizeof(in4));
		return;
	}
	memcpy(&sin6, sa, sizeof(sin6));
	memcpy(dst, &sin6.sin6_addr, ADDR_BYTES);
}

int addr_is_ipv4(const uint8_t bytes[ADDR_BYTES])
{
	return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

int addr_is_multicast(const struct sockaddr *sa)
{
	static const uint8_t none[ADDR_BYTES];
	uint8_t bytes[ADDR_BYTES];

	addr_bytes(bytes, sa);
	if (!addr_is_ipv4(bytes))
		return bytes[0] == 0xff ||
		       memcmp(bytes, none, sizeof(none)) == 0;
	/* 0.0.0.0/8, which Linux takes for this host; 224.0.0.0/3 */
	return bytes[12] == 0 || bytes[12] >= 224;
}

socklen_t addr_of_bytes(struct sockaddr_storage *sa,
			const uint8_t bytes[ADDR_BYTES], uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	memset(sa, 0, sizeof(*sa));
	if (addr_is_ipv4(bytes)) {
		sin.sin_port = htons(port);
		memcpy(&sin.sin_addr, bytes + sizeof(mapped),
		       sizeof(sin.sin_addr));
		memcpy(sa, &sin, sizeof(sin));
		return sizeof(sin);
	}
	sin6.sin6_port = htons(port);
	memcpy(&sin6.sin6_addr, bytes, ADDR_BYTES);
	memcpy(sa, &sin6, sizeof(sin6));
	return sizeof(sin6);
}
