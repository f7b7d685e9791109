/*
 * locked.h - memory for keys and codes that is not written to swap space
 * (Linux: mlock(2)).
 *
 * Layer: os.
 * Threads: any, on their own memory.
 *
 * Where the kernel refuses, as the limit (ulimit -l) is reached or there is no
 * such right, the memory is as any other.
 */
#ifndef FERRY_OS_LOCKED_H
#define FERRY_OS_LOCKED_H

#include <stddef.h>

/* Allocate n bytes, which are zero: whole pages of their own.  NULL when out of
 * memory. */
void *locked_new(size_t n);

/* Wipe and free what locked_new(n) returned.  NULL is allowed. */
void locked_free(void *p, size_t n);

/* Lock the next 32 KiB of this thread's stack: what the functions that are
 * called from here on have in it. */
void locked_stack(void);

#endif
