/*
 * nowait.h - writing without blocking to a descriptor that other processes
 * share (Linux: RWF_NOWAIT).
 *
 * Layer: os.
 * Threads: any.
 *
 * O_NONBLOCK is a flag of the open file description: set on an inherited
 * terminal or pipe, it would change that for the shell too.
 */
#ifndef FERRY_OS_NOWAIT_H
#define FERRY_OS_NOWAIT_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Write as many of n bytes as the descriptor takes without blocking; only a
 * regular file may block, for the disk.  Returns how many were
 * written; or -1 with errno: EAGAIN for none (wait with poll(2) for POLLOUT).
 */
ssize_t nowait_write(int fd, const void *p, size_t n);

#endif
