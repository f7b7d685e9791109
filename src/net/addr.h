/*
 * addr.h - host and port from text, and addresses to text.
 *
 * Layer: net.  Uses base.  Pure but for addr_local.
 */
#ifndef FERRY_NET_ADDR_H
#define FERRY_NET_ADDR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

enum {
	FERRY_PORT = 9473,
	ADDR_HOST_MAX = 256, /* with the NUL */
	/* "[v6%scope]:port" with the NUL */
	ADDR_TEXT_MAX = 96,
};

struct host_port {
	char host[ADDR_HOST_MAX];
	uint16_t port;
	int has_port; /* whether the text named one */
};

/*
 * Parse HOST, HOST:PORT, [V6], [V6]:PORT; a bare IPv6 address (two colons or
 * more, no brackets) is a host without a port.  A host is not empty, begins
 * with no '-' and holds no white space, control character, '/' or bracket.
 * Without a port, default_port is used.  Returns 0 or ERR_USAGE with a text that says
 * what is wrong and how to write it.
 */
int addr_parse(struct host_port *hp, const char *text, uint16_t default_port,
	       struct err *e);

/* "192.0.2.1:9473", "[2001:db8::1]:9473"; an IPv4-mapped IPv6 address as
 * IPv4.  Returns dst (ADDR_TEXT_MAX bytes). */
char *addr_text(char *dst, const struct sockaddr *sa, socklen_t len);

/* The address alone, without a port and brackets, as addr_text(). */
char *addr_host_text(char *dst, const struct sockaddr *sa, socklen_t len);

/* The port of an IPv4 or IPv6 address. */
uint16_t addr_port(const struct sockaddr *sa);

/* The 16 bytes of an address, IPv4 as IPv4-mapped IPv6 (::ffff:a.b.c.d);
 * all 0 for one that is neither.  And whether such bytes are IPv4. */
enum { ADDR_BYTES = 16 };
void addr_bytes(uint8_t dst[ADDR_BYTES], const struct sockaddr *sa);
int addr_is_ipv4(const uint8_t bytes[ADDR_BYTES]);

#endif
