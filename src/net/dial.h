/*
 * dial.h - making TCP connections, and waiting for them.
 *
 * Layer: net.  Uses base, os/cancel.h, addr.h.
 * Threads: every function may be called from any thread.
 *
 * Sockets come out blocking, close-on-exec, TCP_NODELAY, with keep-alive and
 * TCP_USER_TIMEOUT set from timeout_ms (a stream takes the latter back, see
 * sock.c); buffer sizes are left to the kernel.
 * For a connection that was made here, dial_suit_line() was done.
 */
#ifndef FERRY_NET_DIAL_H
#define FERRY_NET_DIAL_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "net/addr.h"
#include "os/cancel.h"

enum { DIAL_LONG_US = 10000 };

struct net_options {
	int family;           /* AF_UNSPEC, AF_INET, AF_INET6 */
	const char *bind;     /* local address, or NULL */
	int timeout_ms;       /* for connecting, and TCP_USER_TIMEOUT */
	const char *congestion; /* TCP_CONGESTION, or NULL */
};

/*
 * Resolve the host and connect.  Addresses are tried in the resolver's order
 * with families alternating, the next one started 250 ms after the last
 * (RFC 8305, "Happy Eyeballs") or as soon as one fails; the first that
 * answers wins.  Blocks for at most timeout_ms (name look-up not counted,
 * which the resolver bounds), or until cancel (may be NULL) is set.
 *
 * Returns a descriptor that the caller closes and fills peer (may be NULL,
 * ADDR_TEXT_MAX bytes); or ERR_CONNECT with a text that names host, port, and
 * for each address tried what happened; ERR_INTERRUPTED; ERR_USAGE for a bind
 * address or congestion control that does not exist.
 */
int dial_connect(const struct host_port *hp, const struct net_options *opt,
		 const struct cancel *cancel, char *peer, struct err *e);

/* The round trip time of a connection in microseconds, as the kernel measured
 * it (at first, of the TCP handshake); 0 where it does not say. */
unsigned dial_rtt_us(int fd);

/*
 * Suit a connection by which we send to its line: on a long one (a round trip of
 * DIAL_LONG_US or more) it gets BBR as its congestion control, unless the user
 * named one or the kernel does not allow it: what it sends then follows the
 * line's rate and not each loss (Cardwell et al., "BBR: Congestion-Based
 * Congestion Control", ACM Queue 14(5), 2016); and dial_limit_unsent() is done.
 */
void dial_suit_line(int fd, const struct net_options *opt);

/* Have the kernel take little more than it can send at once (256 KiB,
 * TCP_NOTSENT_LOWAT): then a wait in sending is a wait for the line.  Without
 * effect where the kernel has it not. */
void dial_limit_unsent(int fd);

/* The very address that a connection was made to. */
struct dial_peer {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* Fill peer from a connected socket.  Returns 0, or ERR_LOST where it is not
 * connected any more. */
int dial_peer(int fd, struct dial_peer *peer, struct err *e);

/* Connect to it again (for further streams of a session).  As
 * dial_connect(). */
int dial_again(const struct dial_peer *peer, const struct net_options *opt,
	       const struct cancel *cancel, struct err *e);

/*
 * Listen on a port (0: any free one).  Without a bind address and family, one
 * IPv6 socket serves both families (an IPv4 one where the host has no IPv6).
 * SO_REUSEADDR is set.  The socket is non-blocking.  Returns a descriptor and
 * fills local (ADDR_TEXT_MAX bytes) and *port; or ERR_CONNECT with a text
 * that says what to do ("port 9473 is in use: choose another with -p");
 * ERR_USAGE as above.
 */
int dial_listen(uint16_t port, const struct net_options *opt, char *local,
		uint16_t *port_out, struct err *e);

/*
 * Accept one connection from a non-blocking listener.  Returns a descriptor
 * and fills peer (ADDR_TEXT_MAX bytes) and sa; ERR_AGAIN when there is none (or
 * the one there was went away); ERR_RESOURCE when descriptors or memory ran
 * out (the caller pauses: the connection stays in the queue); ERR_CONNECT.
 */
int dial_accept(int listener, const struct net_options *opt, char *peer,
		struct sockaddr_storage *sa, struct err *e);

/* How many bytes have arrived on a TCP socket, read or not; 0 where the
 * kernel does not tell. */
uint64_t dial_bytes_in(int fd);

#endif
