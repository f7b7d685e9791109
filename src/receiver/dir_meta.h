/*
 * dir_meta.h - what can only be done when a session's files are in place: modes
 * and times of directories.
 *
 * Layer: receiver.  Uses base, fs/.
 * Threads: none of its own; the owner locks.
 *
 * A million directories must not cost memory: the list is kept in a buffer of
 * at most DIR_META_MEMORY bytes and what does not fit goes to a temporary file
 * that has no name any more.
 */
#ifndef FERRY_RECEIVER_DIR_META_H
#define FERRY_RECEIVER_DIR_META_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "fs/part.h"

struct dir_meta {
	int root_fd;    /* borrowed; the temporary file is made there */
	struct buf mem; /* records: u16 length | path | metadata in the
			   form FILE_META_EXTENDED */
	int spill_fd;   /* or -1 */
	uint64_t count;
};

void dir_meta_init(struct dir_meta *l, int root_fd);
void dir_meta_release(struct dir_meta *l);

/* Note a directory.  Returns 0, ERR_RESOURCE or ERR_LOCAL. */
int dir_meta_add(struct dir_meta *l, const char *path, size_t len,
	     const struct file_meta *meta, struct err *e);

/* Called for each directory whose metadata could not be set; err_no says
 * why. */
typedef void (*dir_meta_trouble)(void *ctx, const char *path, size_t len,
			     int err_no);

/*
 * Set modes and times of all.  Directories that their owner may not enter or
 * read get that mode in a second pass, so that what lies below them can be
 * reached first.  Returns 0, or an error that prevented the whole.
 */
int dir_meta_apply(struct dir_meta *l, dir_meta_trouble trouble, void *ctx,
	       struct err *e);

#endif
