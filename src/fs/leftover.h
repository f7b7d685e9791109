/*
 * leftover.h - the parts and journals that interrupted transfers left below a
 * directory.
 *
 * Layer: fs.  Uses os.
 * Threads: any, on their own arguments.
 */
#ifndef FERRY_FS_LEFTOVER_H
#define FERRY_FS_LEFTOVER_H

#include <stddef.h>
#include <stdint.h>

#include "fs/journal.h"

struct cancel;

/* A part, with its journal if it has one; or a journal alone. */
struct leftover {
	int dir_fd;      /* borrowed, for the call */
	const char *dir; /* its path below the root, terminated; "" is the root */
	uint64_t tag;
	uint64_t bytes;  /* that both take on the disk */
	int64_t used_s;  /* when either was written last (CLOCK_REALTIME) */
	int is_list;      /* a list of what a lost transfer has made */
	int is_resumable; /* it is a list, or there are both, and */
	uint8_t peer[JOURNAL_PEER]; /* the journal names this sender */
};

typedef void (*leftover_fn)(void *ctx, const struct leftover *l);

/*
 * Find the leftovers of this user in root_fd and below, on the same file
 * system, and call fn for each, which may remove it.  Symlinks are not
 * followed.  Blocks for as long as the disk takes; ends early once stop (NULL:
 * never) is set, but not in the first LEFTOVER_LEAST entries.
 *
 * Holds LEFTOVER_FDS descriptors at most, and LEFTOVER_PATHS bytes of paths:
 * where more subdirectories than that are waiting, the others are left out.
 * After those it pauses now and then, so that it takes little from transfers.
 */
enum {
	LEFTOVER_LEAST = 4096,
	LEFTOVER_FDS = 6,
	LEFTOVER_PATHS = 8 << 20,
};
void leftover_find(int root_fd, const struct cancel *stop, leftover_fn fn,
		   void *ctx);

/* Read what there is of this tag in dir_fd.  dir is not set.  Returns 0; -1
 * where there is nothing, or it is not this user's. */
int leftover_look(int dir_fd, uint64_t tag, struct leftover *l);

/* Whether a transfer is using the part, or that cannot be told.  It is locked
 * for a moment, to find out. */
int leftover_is_used(int dir_fd, uint64_t tag);

/* Remove it, unless a transfer is using it.  Returns 0, or -1 where it is still
 * there. */
int leftover_remove(int dir_fd, uint64_t tag);

#endif
