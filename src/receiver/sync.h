/*
 * sync.h - how durable a file is before it is reported (--sync).
 *
 * Layer: receiver.
 * Threads: any.
 */
#ifndef FERRY_RECEIVER_SYNC_H
#define FERRY_RECEIVER_SYNC_H

#include "base/err.h"

enum sync_mode {
	SYNC_NONE,  /* nothing is flushed */
	SYNC_BATCH, /* files are flushed in groups */
	SYNC_FILE,  /* each file is flushed by itself */
};

/*
 * Flush the whole file system that root_fd is on, for what was changed there
 * besides files: symlinks, modes and times of directories.  Does nothing with
 * SYNC_NONE.  Blocks for as long as the disk takes.  Returns 0, or
 * ERR_LOCAL with errno.
 */
int sync_all(int root_fd, enum sync_mode mode, struct err *e);

#endif
