/*
 * addr.h - parses HOST:PORT, and formats socket addresses.
 *
 * Layer: net.
 * Threads: any.  Nothing is resolved; only addr_text() and addr_host_text()
 * ask the kernel, for the interface name of an IPv6 scope.
 */
#ifndef FERRY_NET_ADDR_H
#define FERRY_NET_ADDR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

enum {
	FERRY_PORT = 9473,
	/* A DNS name has at most 253 bytes as text; with the NUL. */
	ADDR_HOST_MAX = 256,
	/* "[v6%scope]:port", with the NUL */
	ADDR_TEXT_MAX = 96,
};

struct host_port {
	char host[ADDR_HOST_MAX];
	uint16_t port;
	int has_port; /* whether the text contained a port */
};

/*
 * Parse HOST, HOST:PORT, [V6] or [V6]:PORT.  An IPv6 address without brackets
 * (two colons or more) is a host without a port.  A host must not be empty,
 * begin with '-', or contain white space, a control character, '/' or a
 * bracket.  Without a port, default_port is used.  Returns 0, or ERR_USAGE with
 * a text that says what is wrong and how to write it.
 */
int addr_parse(struct host_port *hp, const char *text, uint16_t default_port,
	       struct err *e);

/*
 * The length of the address in an IPv6 address whose last group is like a port,
 * so that it may be [V6]:PORT without brackets: four decimal digits after an
 * address.  0 if host is anything else.
 */
size_t addr_before_port(const char *host);

/* "192.0.2.1:9473", "[2001:db8::1]:9473"; an IPv4-mapped IPv6 address as
 * IPv4; "?:0" for another family.  Returns dst (ADDR_TEXT_MAX bytes). */
char *addr_text(char *dst, const struct sockaddr *sa, socklen_t len);

/* As addr_text(), but the address alone, without port and brackets. */
char *addr_host_text(char *dst, const struct sockaddr *sa, socklen_t len);

/* The port of an IPv4 or IPv6 address; 0 for another family. */
uint16_t addr_port(const struct sockaddr *sa);

/* Whether it is one of many hosts, or none: a multicast, broadcast or
 * unspecified address, or another family. */
int addr_is_multicast(const struct sockaddr *sa);

enum { ADDR_BYTES = 16 };
/* The 16 bytes of an address, IPv4 as IPv4-mapped IPv6 (::ffff:a.b.c.d); all 0
 * for another family. */
void addr_bytes(uint8_t dst[ADDR_BYTES], const struct sockaddr *sa);
/* Whether bytes of addr_bytes() are an IPv4 address. */
int addr_is_ipv4(const uint8_t bytes[ADDR_BYTES]);

/* The socket address of such bytes, with a port; returns its length. */
socklen_t addr_of_bytes(struct sockaddr_storage *sa,
			const uint8_t bytes[ADDR_BYTES], uint16_t port);

#endif
