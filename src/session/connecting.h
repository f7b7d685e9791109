/*
 * connecting.h - starts the process that makes the connections, confined.
 *
 * Layer: session.
 * Threads: while there is one thread only.
 */
#ifndef FERRY_SESSION_CONNECTING_H
#define FERRY_SESSION_CONNECTING_H

#include <stdint.h>

#include "base/err.h"
#include "sandbox/sandbox.h"

struct connector;
struct host_port;
struct net_options;

/*
 * Start the process of net/connector.h, for connections to that host; both are
 * borrowed for as long as *out is used.  *out is NULL where a preloaded library
 * makes the connections (os/interposed.h), which may keep notes of its
 * descriptors in this process.  The caller passes *out to connector_stop().  It
 * forks: call it before there are secrets in memory, threads and a sandbox.
 * Returns 0 or ERR_RESOURCE.
 */
int connecting_start(const struct host_port *to, const struct net_options *net,
		     enum sandbox_mode mode, struct connector **out,
		     struct err *e);

/*
 * The same for direct streams of a session by ssh: the addresses are those that
 * the other side names (connector_any()); port is the one that the user named,
 * or 0.
 */
int connecting_start_direct(uint16_t port, const struct net_options *net,
			    enum sandbox_mode mode, struct connector **out,
			    struct err *e);

#endif
