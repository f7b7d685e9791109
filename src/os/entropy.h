/*
 * entropy.h - random bytes fit for keys (Linux: getrandom()).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_ENTROPY_H
#define FERRY_OS_ENTROPY_H

#include <stddef.h>

/* Fill n bytes: at most 256, which getrandom(2) returns whole.  Blocks only
 * until the kernel has seeded its generator after boot.  Returns 0, or -1 with
 * errno: p must not be used then. */
int entropy_get(void *p, size_t n);

#endif
