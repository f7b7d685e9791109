/*
 * naming.h - starts the process that knows users and groups, confined.
 *
 * Layer: session.
 * Threads: while there is one thread only.
 */
#ifndef FERRY_SESSION_NAMING_H
#define FERRY_SESSION_NAMING_H

#include "base/err.h"
#include "sandbox/sandbox.h"

struct ids;

/* ids_start() (os/ids.h); the caller passes *out to ids_stop().  It forks: call
 * it before there are secrets in memory, threads and a sandbox.  Returns 0 or
 * ERR_RESOURCE. */
int naming_start(enum sandbox_mode mode, struct ids **out, struct err *e);

#endif
