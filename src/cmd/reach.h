/*
 * reach.h - whether the other host can be connected to, before its user's code
 * is asked for.
 *
 * Layer: cmd.
 * Threads: main's only, before a sandbox and while a signal ends the process.
 */
#ifndef FERRY_CMD_REACH_H
#define FERRY_CMD_REACH_H

#include "base/err.h"

struct host_port;
struct net_options;
struct report;

/*
 * Connect, and close the connection: the other side takes that for a port
 * scanner.  Says so when there is no answer for some seconds, and at SIGUSR1
 * what goes on, from a thread that has ended when it returns.  Blocks as
 * dial_connect(), and returns 0 or as that.
 */
int reach_host(const struct host_port *host, const struct net_options *net,
	       struct report *report, struct err *e);

#endif
