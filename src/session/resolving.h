/*
 * resolving.h - starts the process that resolves a host's name, confined.
 *
 * Layer: session.
 * Threads: while there is one thread only.
 */
#ifndef FERRY_SESSION_RESOLVING_H
#define FERRY_SESSION_RESOLVING_H

#include "base/err.h"
#include "sandbox/sandbox.h"

struct resolver;

/*
 * Start it if host is a name; otherwise *out is NULL, and also where a preloaded
 * library makes the connections (os/interposed.h).  The caller passes *out to
 * resolver_stop().  It forks: call it before there are secrets in memory,
 * threads and a sandbox.  Returns 0 or ERR_RESOURCE.
 */
int resolving_start(const char *host, enum sandbox_mode mode,
		    struct resolver **out, struct err *e);

#endif
