/*
 * late.h - what can only be done when a session's files are in place: modes
 * and times of directories.
 *
 * Layer: session.  Uses base, fs/.
 * Threads: none of its own; the owner locks.
 *
 * A million directories must not cost memory: the list is kept in a buffer of
 * at most LATE_MEMORY bytes and what does not fit goes to a temporary file
 * that has no name any more.
 */
#ifndef FERRY_SESSION_LATE_H
#define FERRY_SESSION_LATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "fs/part.h"

struct late {
	int root_fd;    /* borrowed; the temporary file is made there */
	struct buf mem; /* records: u16 length | path | u32 mode | u64
			   seconds | u32 nanoseconds */
	int spill_fd;   /* or -1 */
	uint64_t count;
};

void late_init(struct late *l, int root_fd);
void late_release(struct late *l);

/* Note a directory.  Returns 0, ERR_RESOURCE or ERR_LOCAL. */
int late_add(struct late *l, const char *path, size_t len,
	     const struct file_meta *meta, struct err *e);

/* Called for each directory whose metadata could not be set; err_no says
 * why. */
typedef void (*late_trouble)(void *ctx, const char *path, size_t len,
			     int err_no);

/*
 * Set modes and times of all.  Directories that their owner may not enter or
 * read get that mode in a second pass, so that what lies below them can be
 * reached first.  Returns 0, or an error that prevented the whole.
 */
int late_apply(struct late *l, late_trouble trouble, void *ctx,
	       struct err *e);

#endif
