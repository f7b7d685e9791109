/*
 * send.h - a whole transfer from the sender's side: what `ferry send` does.
 *
 * Layer: sender.
 * Threads: send_run() starts threads and ends them before it returns.
 */
#ifndef FERRY_SENDER_SEND_H
#define FERRY_SENDER_SEND_H

#include <stdint.h>

#include "auth/secure.h"
#include "auth/tls.h"
#include "base/err.h"
#include "chunk/codec.h"
#include "chunk/digest.h"
#include "fs/scan.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "net/dial.h"
#include "sandbox/sandbox.h"
#include "session/direct.h"
#include "session/events.h"

struct carrier;
struct command;
struct connector;
struct ids;

/* Whether only what differs from a file that is replaced is sent. */
enum send_delta {
	SEND_DELTA_AUTO, /* of files that wait for STATE anyway */
	SEND_DELTA_ON,
	SEND_DELTA_OFF,
};

struct send_config {
	struct host_port dest; /* the receiver; with is_listening, the port to
				  listen on */
	/* Where the first stream comes from: through ssh; borrowed.  NULL: a
	 * connection to dest. */
	const struct carrier *carrier;
	/* With a carrier: whether further streams are direct connections, which
	 * the side listens for that has its orders from the other one, at
	 * direct_port (0: any free one); see session/direct.h. */
	enum direct_use direct;
	int is_ordered;
	uint16_t direct_port;
	int is_listening; /* the receiver connects; see net/role.h */
	/* with is_listening: who may connect; how long to wait for a receiver,
	 * 0: for ever */
	const struct cidr_list *allow;
	uint64_t wait_ms;
	/* with is_listening: how many receivers to serve, one after the other;
	 * UINT_MAX: any number.  More than 1 only without a code and standard
	 * input. */
	unsigned receivers;
	struct net_options net;
	/* Makes the connections, also direct ones; borrowed.  NULL: this
	 * process does, which the sandbox then has to allow. */
	struct connector *connector;
	enum security security;
	/* made for the role that is_listening gives; NULL with SECURITY_PLAIN;
	 * borrowed */
	struct tls *tls;
	struct secure_code code; /* with SECURITY_CODE */
	const struct digest_ops *digest;
	struct codec_choice codec;
	enum send_delta delta;
	int compare_time; /* files of the same size and time are the same */
	/* Only find out what would be done: requests has FEATURE_DRY_RUN, and
	 * the files reported have is_planned set. */
	int dry_run;
	unsigned streams;  /* 1..STREAMS_MAX; 0: as growth.h says */
	struct scan *scan; /* has the sources; NULL: only standard input */
	int follow_links;  /* --symlinks follow */
	/* what the receiver has to accept: enum wire_request; and with
	 * REQUEST_EXISTING, enum wire_existing */
	uint32_t requests;
	uint8_t existing;
	/* What is to be preserved: enum file_meta_preserve. */
	unsigned preserve;
	/* --archive: of both, what the receiver does not accept is left out
	 * with a warning, except the bits of these, which were asked for by
	 * name; and directories that are there already get metadata, too. */
	int is_archive;
	uint32_t requests_needed;
	unsigned preserve_needed;
	/* Knows users and groups by their names; borrowed.  NULL: only numbers
	 * are sent. */
	struct ids *ids;
	int growing;       /* --growing */
	/* Delete at the receiver what is not here (REQUEST_DELETE); at most so
	 * many, if has_max_delete. */
	int deletes, has_max_delete;
	uint64_t max_delete;
	int stdin_fd;      /* standard input, to be sent; or -1 */
	/* stdin_fd is its output, and it is to be started; or NULL */
	struct command *command;
	const char *stdin_name; /* its name at the receiver (checked here) */
	uint64_t limit_rate;    /* content bytes per second; 0: no limit */
	int timeout_ms;
	/* How long to try again after the last progress, when connecting fails
	 * or the connection is lost; 0: not at all, always with
	 * is_listening: there the receiver may connect again. */
	uint64_t retry_ms;
	/* OFF also where the process has other threads */
	enum sandbox_mode sandbox;
	int cancel_fd; /* readable once the user stops the transfer; -1: none */
	const struct session_events *events;
};

/*
 * Connect, or wait for a receiver that connects; send everything, and wait
 * until the receiver has committed it.  After a lost connection, try again as
 * retry_ms says; or, where the receiver connects and said that it would do so
 * again, wait for that for timeout_ms.  Blocks.  Before there is a connection
 * the whole process is confined for good to reading the sources
 * (sandbox/sandbox.h), so the caller must have no other threads.
 *
 * A receiver that connects and is lost or refuses before its session begins
 * leaves a sender that listens waiting for another, except after it has used up
 * a one-time code.  With several receivers each has a transfer of its own, and
 * a summary event; the result is the first that is not 0, and a number of any
 * ends with ERR_INTERRUPTED, or with wait_ms.
 *
 * Returns 0 only when every file asked for was committed, or was there
 * unchanged; otherwise an enum err_code, with the reason in e.  Every file that
 * failed was reported by the file event.  In every case summary is filled in
 * for the last transfer, and the summary event was called with it once.
 */
int send_run(const struct send_config *cfg, struct session_summary *summary,
	     struct err *e);

#endif
