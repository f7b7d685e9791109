/*
 * preview.h - reports what `ferry send` would send, without sending it.
 *
 * Layer: sender.
 * Threads: none of its own.
 */
#ifndef FERRY_SENDER_PREVIEW_H
#define FERRY_SENDER_PREVIEW_H

#include "base/err.h"
#include "sender/send.h"

/*
 * Walk the sources of cfg and report each file and symlink by the file event,
 * with is_planned set.  Opens each file, but reads directories only, and
 * connects to nobody.  Blocks.
 *
 * Returns 0; the error of the walk; ERR_INTERRUPTED once cfg->cancel_fd is
 * readable; or, where something cannot be sent, the error that send_run() would
 * return for it: that was reported by the file event too and counts as failed.
 * summary is filled and the summary event called in every case; its files and
 * bytes are those that would be sent.
 */
int preview_run(const struct send_config *cfg, struct session_summary *summary,
		struct err *e);

#endif
