/*
 * dial.h - opening TCP connections, listening, and accepting.
 *
 * Layer: net.
 * Threads: every function may be called from any thread.
 *
 * Connections are returned blocking and close-on-exec, with TCP_NODELAY, and
 * with keep-alive and TCP_USER_TIMEOUT set from timeout_ms (a stream clears the
 * latter, see sock.c).  Buffer sizes are left to the kernel.  For a connection
 * opened here, dial_tune_for_rtt() was called; for an accepted one it was not.
 */
#ifndef FERRY_NET_DIAL_H
#define FERRY_NET_DIAL_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "net/addr.h"
#include "os/cancel.h"

/* From this round trip time on a path counts as long. */
enum { DIAL_LONG_RTT_US = 10000 };

struct proxy;

struct net_options {
	int family;           /* AF_UNSPEC, AF_INET, AF_INET6 */
	const char *bind;     /* numeric local address, or NULL */
	/* For connecting, keep-alive and TCP_USER_TIMEOUT; 0: no limit. */
	int timeout_ms;
	/* For connecting, where that is to take less; 0: timeout_ms. */
	int connect_ms;
	const char *congestion; /* TCP_CONGESTION, or NULL */
	/* To connect through it, and to its `to` (proxy.h); borrowed; NULL:
	 * directly. */
	const struct proxy *proxy;
	/* What should listen where we connect to, for messages: "ferry send
	 * --listen"; "": nothing is said; NULL: "ferry receive". */
	const char *expected;
};

/*
 * Resolve the host and connect.  Addresses are tried in the resolver's order
 * with families alternating; the next attempt starts 250 ms after the last or
 * as soon as one fails, and the first to connect is used (RFC 8305, "Happy
 * Eyeballs").  Blocks for at most timeout_ms or until cancel (may be NULL) is
 * set, but while a name is resolved for as long as that takes: connector.h does
 * not.
 *
 * With a proxy, that is the host that is connected to, and hp must be its `to`,
 * which is then what peer gets.
 *
 * Returns a descriptor that the caller closes, and fills peer (may be NULL,
 * ADDR_TEXT_MAX bytes); as proxy_connect(); ERR_CONNECT with a text that names
 * the host, the port, and the failure of each address tried; ERR_INTERRUPTED;
 * ERR_USAGE for a bind address or congestion control that does not exist;
 * ERR_RESOURCE.
 */
int dial_connect(const struct host_port *hp, const struct net_options *opt,
		 const struct cancel *cancel, char *peer, struct err *e);

/* The round trip time of a connection in microseconds, as the kernel measured
 * it (at first, that of the TCP handshake); 0 where it is not known. */
unsigned dial_rtt_us(int fd);

/*
 * Tune a connection for sending over a long path.  With a round trip time of
 * DIAL_LONG_RTT_US or more, dial_limit_unsent() is called, and the congestion
 * control becomes BBR, unless the user chose one or the kernel does not allow
 * it.  BBR's sending rate follows the bandwidth measured and does not drop at
 * each loss (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM
 * Queue 14(5), 2016).  Below that time nothing is done.
 */
void dial_tune_for_rtt(int fd, const struct net_options *opt);

/* Let the kernel hold at most 256 KiB that it has not sent yet
 * (TCP_NOTSENT_LOWAT), so that the time spent in sending is the network's.  No
 * effect where the kernel does not support it. */
void dial_limit_unsent(int fd);

/* The address of a connection's other end. */
struct dial_peer {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* Fill peer from a connected socket.  Returns 0, or ERR_LOST if it is no longer
 * connected. */
int dial_get_peer(int fd, struct dial_peer *peer, struct err *e);

/* Connect to the same address, for a further stream of a session: the host name
 * could resolve to another host.  With a proxy it is the proxy's address, and
 * the proxy resolves the name again.  Returns as dial_connect(). */
int dial_connect_peer(const struct dial_peer *peer,
		      const struct net_options *opt,
		      const struct cancel *cancel, struct err *e);

/* How long connecting may take; 0: no limit. */
int dial_connect_ms(const struct net_options *opt);

/* Connect to one of the count (1 or more) addresses, as dial_connect() does to
 * those of a host. */
int dial_connect_any(const struct dial_peer *peers, size_t count,
		     const struct net_options *opt, const struct cancel *cancel,
		     char *peer, struct err *e);

/*
 * Listen on a port (0: any free one).  Without a bind address and family, one
 * IPv6 socket accepts both families (an IPv4 socket where the host has no
 * IPv6).  SO_REUSEADDR is set.  The socket is non-blocking.
 *
 * Returns a descriptor, and fills local (ADDR_TEXT_MAX bytes) and *port_out;
 * ERR_CONNECT with a text that says what to do ("port 9473 is in use: choose
 * another with -p"); ERR_USAGE as dial_connect(); ERR_RESOURCE.
 */
int dial_listen(uint16_t port, const struct net_options *opt, char *local,
		uint16_t *port_out, struct err *e);

/* The same with a socket that listens already and does not block, which a
 * service manager has opened; it is the result.  Returns as dial_listen(), and
 * on failure fd stays the caller's. */
int dial_take_listener(int fd, const struct net_options *opt, char *local,
		       uint16_t *port_out, struct err *e);

/* Make a connection that a service manager has accepted what dial_accept()
 * gives: fills peer and sa.  Returns 0 or ERR_LOST. */
int dial_take_connection(int fd, const struct net_options *opt, char *peer,
			 struct sockaddr_storage *sa, struct err *e);

/*
 * Accept one connection from a non-blocking listener.  Returns a descriptor,
 * and fills peer (ADDR_TEXT_MAX bytes) and sa; ERR_AGAIN when none is waiting
 * (or the one that was has been closed); ERR_RESOURCE when descriptors or
 * memory ran out: the connection stays in the backlog, so the caller must pause
 * or it would spin; ERR_CONNECT when the listener is unusable.
 */
int dial_accept(int listener, const struct net_options *opt, char *peer,
		struct sockaddr_storage *sa, struct err *e);

/* Whether data that was sent on a TCP socket has not been acknowledged, though
 * it was sent again several times, while the other side's data arrives: as on a
 * path that drops large packets.  0 where that is not known. */
int dial_loses_packets(int fd);

/* How many bytes have arrived on a TCP socket, read or not; 0 where that is not
 * known. */
uint64_t dial_bytes_in(int fd);

#endif
