/*
 * setup.h - what all sessions of a receiver share: set before the first
 * connection is accepted, then constant, or with a lock of its own.
 *
 * Layer: receiver.
 *
 * Lock order, first to last: admission's, the list of sessions', a session's.
 * All other locks (those of the parts of a session and of the set of
 * connections) are taken last, one at a time, with three exceptions: the table
 * of files takes a journal's lock inside its own, the queue of --exec that of
 * the process it posts to, and the lock of a basis is held while its leaves are
 * checked, which takes others.
 */
#ifndef FERRY_RECEIVER_SETUP_H
#define FERRY_RECEIVER_SETUP_H

#include <stdatomic.h>
#include <stdint.h>

#include "auth/secure.h"
#include "fs/journal.h"
#include "os/cancel.h"
#include "receiver/receive.h"
#include "receiver/senders.h"
#include "session/rate_limit.h"
#include "session/refusals.h"

struct cpu_shares;
struct exec_queue;
struct fd_budget;
struct keeper;
struct recv_direct;

struct recv_setup {
	const struct receive_config *cfg; /* borrowed */
	/* of cfg; each connection gets the tls of its senders, if these have
	 * names */
	struct secure_mode mode;
	struct senders_current *senders;
	uint32_t umask;   /* the user's; the process's is 0 meanwhile */
	uint32_t dir_mode; /* that directories are created with */
	uint8_t boot[JOURNAL_BOOT]; /* for journals */
	struct recv_direct *direct;       /* NULL: no direct streams */
	struct fd_budget *fds;
	struct cpu_shares *cpu;
	struct keeper *keeper; /* NULL: what is kept has no limit */
	struct refusals refusals;
	struct rate_limit rate_limit; /* has a lock of its own */
	struct cancel stop; /* set when the receiver ends */
	atomic_int is_draining; /* no session begins any more */
	/* sessions for which --exec is run that have no report of it yet, and
	 * those of them that wait here */
	atomic_uint programs;
	struct exec_queue *exec_queue;
	int is_confined; /* set before there are connections */
};

#endif
