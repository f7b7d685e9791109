/*
 * dir_opener.h - a process that unlocks directories which the receiver cannot
 * open: without a descriptor to read from, a mode can be changed by path only,
 * which the sandbox does not allow.
 *
 * Layer: receiver.
 * Threads: dir_opener_start() and dir_opener_free() while there is one;
 * dir_opener_unlock() from any.
 *
 * The process is split off before the receiver confines itself and reads keys.
 * Whatever it is asked, it only adds permissions for their owner to directories
 * of this user below DIR, to which it goes without following symlinks.
 */
#ifndef FERRY_RECEIVER_DIR_OPENER_H
#define FERRY_RECEIVER_DIR_OPENER_H

#include <stddef.h>

#include "base/err.h"
#include "fs/unlock.h"
#include "sandbox/sandbox.h"

struct dir_opener;

/* Split off the process for the directory dir, which confines itself as mode
 * says (sandbox_dir_opener()).  NULL with ERR_RESOURCE. */
struct dir_opener *dir_opener_start(const char *dir, enum sandbox_mode mode,
				    struct err *e);

/* A process that another one has started, by its socket, which is taken over,
 * also on failure.  NULL when out of memory. */
struct dir_opener *dir_opener_adopt(int fd);

/* Free o, but not the process, which goes on.  Returns its socket, which is the
 * caller's. */
int dir_opener_detach(struct dir_opener *o);

/* Ends the process.  NULL is allowed. */
void dir_opener_free(struct dir_opener *o);

/* unlock_closed_dir() for path (len bytes, which have passed name_check())
 * below DIR.  Blocks for as long as the disk takes.  Returns the same. */
int dir_opener_unlock(struct dir_opener *o, const char *path, size_t len,
		      struct unlock *was);

#endif
