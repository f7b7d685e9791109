/*
 * setup.h - what all sessions of a receiver share: set once before the first
 * connection is accepted, but for what has a lock of its own.
 *
 * Layer: receiver.
 *
 * Lock order, from the one that is taken first: admission's, the list of
 * sessions', a session's.  All others (of the parts of a session, of the
 * connections' threads) are taken last, alone; only a table of files takes a
 * journal's inside its own, and whoever checks leaves of a file holds that
 * file's basis_lock meanwhile.
 */
#ifndef FERRY_RECEIVER_SETUP_H
#define FERRY_RECEIVER_SETUP_H

#include <stdint.h>

#include "auth/secure.h"
#include "fs/journal.h"
#include "os/cancel.h"
#include "receiver/receive.h"
#include "session/rate_limit.h"

struct fd_budget;

struct recv_setup {
	const struct receive_config *cfg; /* borrowed */
	struct secure_mode mode;          /* of cfg */
	int root_fd;      /* -1 with --stdout */
	uint64_t root_dev;
	uint32_t umask;   /* the user's; the process's is 0 meanwhile */
	uint8_t boot[JOURNAL_BOOT]; /* for journals */
	struct fd_budget *fds;
	struct rate_limit rate_limit; /* has a lock of its own */
	struct cancel stop; /* the user stopped it, or it ends */
};

#endif
