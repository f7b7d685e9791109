/*
 * wipe.h - overwriting secrets.
 *
 * Layer: base.
 * Threads: any, on their own memory.
 */
#ifndef FERRY_BASE_WIPE_H
#define FERRY_BASE_WIPE_H

#include <stddef.h>

/* Set n bytes to zero, also where the compiler sees that nobody reads them
 * again. */
void wipe(void *p, size_t n);

#endif
