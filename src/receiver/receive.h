/*
 * receive.h - `ferry receive`: the accept loop and its sessions.
 *
 * Layer: receiver.
 * Threads: receive_run() makes and ends its own; call it from one thread.
 */
#ifndef FERRY_RECEIVER_RECEIVE_H
#define FERRY_RECEIVER_RECEIVE_H

#include <stdint.h>

#include "base/err.h"
#include "sandbox/sandbox.h"
#include "net/cidr.h"
#include "net/dial.h"
#include "auth/pake.h"
#include "auth/tls.h"
#include "session/events.h"
#include "receiver/conflict.h"
#include "receiver/sync.h"

struct exec_helper;

struct receive_config {
	/* Where we connect to a sender that listens (net/role.h), with once
	 * alone; NULL: we listen, at port (0: any free one). */
	const struct host_port *connect_to;
	uint16_t port;
	struct net_options net;
	enum security security;
	struct tls *tls;  /* for our role; NULL with SECURITY_PLAIN; borrowed */
	struct pake *pake; /* with SECURITY_CODE, and then once; borrowed */
	const char *dir;  /* exists; NULL with to_stdout */
	int to_stdout;    /* the single file's content to stdout_fd */
	int stdout_fd;
	int once;
	enum conflict_policy existing;
	enum sync_mode sync;
	enum sandbox_mode sandbox;
	unsigned max_sessions; /* at a time, at least 1 */
	/* what a session may send: bytes of content; files, links and
	 * directories.  UINT64_MAX: no limit. */
	uint64_t max_size, max_files;
	const struct cidr_list *allow; /* who may connect; borrowed */
	uint64_t limit_rate;   /* bytes a second of all sessions; 0: none */
	int timeout_ms;
	struct exec_helper *exec; /* --exec, or NULL; borrowed */
	int cancel_fd; /* readable once the user wants to stop; -1: none */
	const struct session_events *events;
};

/*
 * Listen and serve sessions until cancel_fd becomes readable, or, with once,
 * until one session has ended (peers that fail to authenticate or do not
 * speak the protocol are no session).  Or connect, and serve one session: then
 * what goes wrong before it is the result.  Blocks.
 *
 * With a code it also ends when the code was used up without a session: by a
 * wrong guess (ERR_AUTH), or by a sender that knew it and was lost.
 *
 * DIR is opened once; everything happens below that descriptor, and before
 * the first connection is accepted the whole process is confined to it as
 * cfg->sandbox says (sandbox/sandbox.h).  The caller has no other threads, and
 * opens nothing afterwards.
 *
 * Where we connect the sandbox must be off: it does not permit that so far.
 *
 * Returns 0; with once, the session's result; ERR_CONNECT when it cannot
 * listen or connect; ERR_LOCAL when dir cannot be opened; ERR_INTERRUPTED; ERR_RESOURCE
 * (also for a sandbox that is required and cannot be had).
 */
int receive_run(const struct receive_config *cfg, struct err *e);

#endif
