/*
 * entropy.h - random bytes that nobody can predict (Linux: getrandom()).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_ENTROPY_H
#define FERRY_OS_ENTROPY_H

#include <stddef.h>

/* Fill n bytes (at most 256, which the kernel gives at once).  Blocks only
 * while the kernel has not gathered enough since boot.  Returns 0, or -1 with
 * errno: then p holds nothing to be used. */
int entropy_get(void *p, size_t n);

#endif
