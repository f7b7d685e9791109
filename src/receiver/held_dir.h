/*
 * held_dir.h - a descriptor of a directory that several files share until they
 * are committed.
 *
 * Layer: receiver.
 * Threads: references may be taken and dropped by any thread; all else is set
 * once by held_dir_new().
 */
#ifndef FERRY_RECEIVER_HELD_DIR_H
#define FERRY_RECEIVER_HELD_DIR_H

#include <stdatomic.h>
#include <stdint.h>

struct held_dir;

/* Duplicate fd, with one reference.  root_dev is the device of the directory
 * that is received into.  NULL with errno. */
struct held_dir *held_dir_new(int fd, uint64_t root_dev);

struct held_dir *held_dir_ref(struct held_dir *d);

/* Drop a reference; the last one closes the descriptor.  errno is kept.  NULL
 * is allowed. */
void held_dir_unref(struct held_dir *d);

/* Borrowed: valid as long as the caller's reference. */
int held_dir_fd(const struct held_dir *d);

/* Whether it is on the root's file system, so that a syncfs() of that includes
 * it. */
int held_dir_is_root_fs(const struct held_dir *d);

/* Whether files that are created in it get exactly the mode that open() is
 * given: it has no default ACL (the process's umask is 0). */
int held_dir_is_exact(const struct held_dir *d);

/* Whether names can be exchanged in it, as far as that is known: see struct
 * candidate. */
atomic_int *held_dir_exchanges(struct held_dir *d);

#endif
