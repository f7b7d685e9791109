/*
 * nowait_flag.h - the flag of a write that is not to block (Linux: RWF_NOWAIT).
 * For os/nowait.h.
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_NOWAIT_FLAG_H
#define FERRY_OS_NOWAIT_FLAG_H

#include <stddef.h>
#include <sys/types.h>

/* As nowait_write(); EOPNOTSUPP where there is no such flag for this
 * descriptor. */
ssize_t nowait_flag_write(int fd, const void *p, size_t n);

#endif
