/*
 * send.h - one `ferry send`: a session from the sender's side.
 *
 * Layer: sender.
 * Threads: send_run() makes and ends its own; call it from one thread.
 */
#ifndef FERRY_SENDER_SEND_H
#define FERRY_SENDER_SEND_H

#include <stdint.h>

#include "base/err.h"
#include "chunk/codec.h"
#include "chunk/digest.h"
#include "sandbox/sandbox.h"
#include "fs/scan.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "net/dial.h"
#include "auth/pake.h"
#include "auth/tls.h"
#include "session/events.h"

struct send_config {
	struct host_port dest; /* the receiver; where we listen, only the port
				  is used: ours */
	int is_listening; /* the receiver connects to us; see net/role.h */
	const struct cidr_list *allow; /* where we listen: who may connect */
	struct net_options net;
	enum security security;
	/* for our role; NULL with SECURITY_PLAIN; borrowed */
	struct tls *tls;
	struct pake *pake; /* with SECURITY_CODE; borrowed */
	const struct digest_ops *digest;
	struct codec_choice codec;
	unsigned streams;  /* 1..STREAMS_MAX; 0: chosen here */
	struct scan *scan; /* the sources, added already; NULL: only stdin */
	int follow_links;  /* --symlinks follow */
	int stdin_fd;      /* a stream to send, or -1 */
	const char *stdin_name; /* the name it gets (checked here) */
	uint64_t limit_rate;    /* content bytes a second; 0: no limit */
	int timeout_ms;
	/* If connecting fails or the connection is lost, try again for so long
	 * after the last progress; 0: do not, as always where we listen. */
	uint64_t retry_ms;
	/* AUTO: confine the process; OFF: do not (it has other threads) */
	enum sandbox_mode sandbox;
	int cancel_fd; /* readable once the user wants to stop; -1: none */
	const struct session_events *events;
};

/*
 * Connect (again, as retry_ms says), or wait for a receiver that connects, send
 * everything, and wait until the receiver has committed it.  Blocks.  Before
 * there is a connection, the whole process is
 * confined for good to reading the sources and connecting to dest.port
 * (sandbox/sandbox.h): the caller has no other threads.
 *
 * Returns 0 only when every file asked for was committed (or was there
 * unchanged); else an enum err_code with the reason in e.  Every file that
 * failed was reported by the file event.  summary is filled in every case, and
 * the summary event was called with it.
 */
int send_run(const struct send_config *cfg, struct session_summary *summary,
	     struct err *e);

#endif
