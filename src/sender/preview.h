/*
 * preview.h - what a `ferry send` would send, without sending it.
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
 * with is_planned set.  Nothing is read but directories, nothing connected to.
 * Blocks.
 *
 * Returns 0, or the error that send_run() would begin with: what cannot be
 * sent was told by the file event, and counts as failed.  summary is filled
 * and the summary event called in every case; its files and bytes are those
 * that would be sent.  ERR_INTERRUPTED once cfg->cancel_fd is readable.
 */
int preview_run(const struct send_config *cfg, struct session_summary *summary,
		struct err *e);

#endif
