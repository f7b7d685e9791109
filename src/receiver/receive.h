/*
 * receive.h - `ferry receive`: the accept loop and its sessions.
 *
 * Layer: receiver.
 * Threads: receive_run() makes and ends its own; call it from one thread.
 */
#ifndef FERRY_RECEIVER_RECEIVE_H
#define FERRY_RECEIVER_RECEIVE_H

#include <stdint.h>

#include "auth/secure.h"
#include "auth/tls.h"
#include "base/err.h"
#include "net/cidr.h"
#include "net/dial.h"
#include "receiver/conflict.h"
#include "receiver/sync.h"
#include "sandbox/sandbox.h"
#include "session/direct.h"
#include "session/events.h"

struct asked;
struct attr_helper;
struct carrier;
struct connector;
struct dir_opener;
struct exec_helper;
struct ids;
struct mode_rules;
struct senders;

struct receive_reload {
	int fd; /* readable when take() has something; borrowed */
	/* Get the senders that take the place of the former ones.  Does not
	 * block for long.  Returns 0, an error that the user is told, after
	 * which the former stay; or ERR_CLOSED: there will be no others. */
	int (*take)(void *ctx, struct senders **senders, struct err *e);
	/* There will be no other call of take(). */
	void (*finish)(void *ctx);
	void *ctx;
};

/* Of a receiver that is a service. */
enum receive_state { RECEIVE_READY, RECEIVE_ALIVE, RECEIVE_STOPPING };

struct receive_service {
	/* NULL: nobody wants to know.  Does not block. */
	void (*tell)(void *ctx, enum receive_state state);
	int alive_ms; /* tell RECEIVE_ALIVE so often; 0: never */
	void *ctx;
};

struct receive_config {
	/* The sender to connect to (net/role.h), only with once; NULL: listen
	 * at port (0: any free one). */
	const struct host_port *connect_to;
	/* Where the first stream comes from: through ssh; only with once;
	 * borrowed.  NULL: a connection. */
	const struct carrier *carrier;
	/* With a carrier: whether further streams are direct connections, which
	 * the side listens for that has its orders from the other one, at
	 * direct_port (0: any free one); see session/direct.h. */
	enum direct_use direct;
	int is_ordered;
	uint16_t direct_port;
	/* With connect_to or a carrier: how long to try again after the last
	 * progress, when connecting fails or the connection is lost; 0: not at
	 * all. */
	uint64_t retry_ms;
	/* Listening: how long to be without a session; 0: for ever. */
	uint64_t wait_ms;
	uint16_t port;
	/* Instead of opening a socket: one that listens, or, with once, the
	 * only connection; taken over.  0: none. */
	int listen_fd, connected_fd;
	struct receive_service service;
	struct net_options net;
	/* With connect_to, and for direct streams: makes the connections;
	 * borrowed.  NULL: this process does, and the sandbox must be off. */
	struct connector *connector;
	enum security security;
	struct tls *tls;  /* for our role; NULL with SECURITY_PLAIN; borrowed */
	struct secure_code code; /* with SECURITY_CODE, and then once */
	/* What the sender was asked for; borrowed.  NULL: anything. */
	const struct asked *asked;
	/* The senders with names, only where it listens; receive_run() takes
	 * the reference over.  NULL: one sender as dir, existing, accept,
	 * max_size, max_files, exec and opener say. */
	struct senders *senders;
	/* With senders: how the file is read again; fd 0: it is not. */
	struct receive_reload reload;
	/* How long running sessions may go on after the user has stopped the
	 * receiver; 0: they are interrupted. */
	uint64_t drain_ms;
	/* A directory below which senders may get others by a reload; 0: none;
	 * borrowed. */
	int base_fd;
	const char *dir;  /* exists; NULL with to_stdout */
	/* Only a dry run is wanted: a session that is none is refused. */
	int dry_run;
	int to_stdout;    /* the single file's content to stdout_fd */
	int stdout_fd;
	int once;
	enum conflict_policy existing;
	uint32_t accept; /* what senders may ask for: enum wire_request */
	/* and what they may have preserved: enum file_meta_preserve; with named
	 * senders, what any of them may */
	unsigned preserve;
	enum sync_mode sync;
	enum sandbox_mode sandbox;
	/* Sets attributes that the sandbox does not let this process set;
	 * borrowed.  NULL: this process does. */
	struct attr_helper *attrs;
	/* Knows users and groups by their names; borrowed.  NULL: only numbers
	 * are known. */
	struct ids *ids;
	unsigned max_sessions; /* at a time, at least 1 */
	/* what a session may send: bytes of content; files, symlinks and
	 * directories.  UINT64_MAX: no limit. */
	uint64_t max_size, max_files;
	/* What is kept of interrupted transfers: for how many seconds, 0:
	 * nothing; how many bytes of a sender, UINT64_MAX: see kept.h. */
	uint64_t keep_s, max_kept;
	const struct cidr_list *allow; /* who may connect; borrowed */
	const struct mode_rules *chmod; /* borrowed; NULL: modes are kept */
	uint64_t limit_rate;   /* bytes a second of all sessions; 0: none */
	int timeout_ms;
	struct exec_helper *exec; /* --exec, or NULL; borrowed */
	int exec_fd; /* where reports of programs come from; 0: nowhere */
	struct dir_opener *opener; /* for dir; NULL: none is needed; borrowed */
	/* FERRY_EXIT for an enum err_code; NULL: err_exit_status() */
	int (*exit_status)(int code);
	int cancel_fd; /* readable once the user stops the receiver; -1: none */
	const struct session_events *events;
};

/*
 * Start the process of cfg->attrs, unless nothing is confined or there is no
 * directory, and that of cfg->ids, where owners or ACLs are accepted; the
 * caller passes them to attr_helper_stop() and ids_stop().  Call it before
 * there are secrets in memory, threads and a sandbox.  Returns 0 or
 * ERR_RESOURCE.
 */
int receive_start_helpers(struct receive_config *cfg, struct err *e);

/*
 * Listen and serve sessions until cancel_fd becomes readable, or there was no
 * session for wait_ms; or, with once, until one session has ended (a peer that
 * fails to authenticate or does not
 * speak the protocol has no session).  Or connect, and serve one session: an
 * error before it is the result then, unless retry_ms lets it be tried again.
 * Blocks.
 *
 * With a code it also ends when the code is used up without a session: by a
 * wrong guess (ERR_AUTH) that the renewal does not follow, or by a sender that
 * knew it and was lost.
 *
 * DIR is opened once; everything happens below that descriptor, and before the
 * first connection is accepted or made the whole process is confined to it as
 * cfg->sandbox says (sandbox/sandbox.h).  The caller has no other threads, and
 * opens nothing afterwards.
 *
 * Returns 0; with once, the session's result; ERR_TIMEOUT where wait_ms passed
 * without any session; ERR_CONNECT when it cannot listen
 * or connect; ERR_LOCAL when dir cannot be opened; ERR_INTERRUPTED;
 * ERR_RESOURCE (also for a sandbox that is required and not available).
 */
int receive_run(const struct receive_config *cfg, struct err *e);

#endif
