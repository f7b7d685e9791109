/*
 * connector.h - makes the connections to one host, in a process of its own.
 *
 * Layer: net.  Uses base, os.
 * Threads: connector_start() as helper_start() (os/helper.h); connector_first()
 * and connector_further() from any thread; the rest from the owner's.
 *
 * The host is fixed from the start, except for connector_any(); so a process
 * that has a connector needs neither socket() nor connect(), and one that an
 * attacker controls can have a connection to that host and port, and to nothing
 * else.  Names are resolved there too: libc's resolver reads configuration
 * files, which may be symlinks to anywhere (on WSL, /etc/resolv.conf is), loads
 * modules, and cannot be interrupted.  Names are resolved again for each first
 * connection, and a name server that does not answer holds nothing up.
 */
#ifndef FERRY_NET_CONNECTOR_H
#define FERRY_NET_CONNECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cancel;
struct connector;
struct dial_peer;
struct host_port;
struct net_options;

struct connector_config {
	/* borrowed until connector_stop(); NULL: only connector_any() */
	const struct host_port *to;
	uint16_t port; /* see connector_any(); 0: none */
	const struct net_options *net; /* borrowed; timeout_ms also holds for
					  resolving a name */
	/* What the process does first, to confine itself; NULL: nothing.
	 * Returns 0 or an error, which all connections then fail with. */
	int (*confine)(const void *ctx, struct err *e);
	const void *ctx;
};

/* Start the process.  It ends with connector_stop(), and also when this process
 * ends in whatever way.  Returns NULL with ERR_RESOURCE. */
struct connector *connector_start(const struct connector_config *cfg,
				  struct err *e);
/* Blocks until the process has ended.  NULL is allowed. */
void connector_stop(struct connector *c);

/* Connect as dial_connect() does (net/dial.h).  Blocks until net.timeout_ms, or
 * until cancel (may be NULL) is set.  Returns a descriptor or an error, as
 * dial_connect() does, and ERR_RESOURCE where the process is gone. */
int connector_first(struct connector *c, const struct cancel *cancel,
		    char *peer, struct err *e);

enum { CONNECTOR_ADDRESSES_MAX = 8 };

/*
 * Only where there is no `to`: connect to one of the count (at most
 * CONNECTOR_ADDRESSES_MAX) addresses, as dial_connect_any().  That is for an
 * address that only the peer knows.  So that what such a peer, or who controls
 * this process, can reach is limited, the other process refuses multicast
 * addresses and ports below 1024, except that of `port`, which the user named.
 */
int connector_any(struct connector *c, const struct dial_peer *peers,
		  size_t count, const struct cancel *cancel, char *peer,
		  struct err *e);

/* Connect to the address to which connector_first() or connector_any()
 * connected last, as dial_connect_peer(). */
int connector_further(struct connector *c, const struct cancel *cancel,
		      struct err *e);

#endif
