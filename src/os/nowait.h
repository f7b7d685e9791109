/*
 * nowait.h - writing to a descriptor that is shared with other processes
 * without ever waiting (Linux: RWF_NOWAIT).
 *
 * Layer: os.
 * Threads: any.
 *
 * O_NONBLOCK belongs to the open file, which others may have too (a terminal,
 * a pipe inherited from a shell): it is never set on one that we did not open.
 */
#ifndef FERRY_OS_NOWAIT_H
#define FERRY_OS_NOWAIT_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Write as much of n bytes as the descriptor takes at once.  A regular file
 * takes all.  Returns how many were written; or -1 with errno: EAGAIN where it
 * takes nothing now (wait with poll(2) for POLLOUT).
 */
ssize_t nowait_write(int fd, const void *p, size_t n);

#endif
