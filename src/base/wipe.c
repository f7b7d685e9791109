/*
 * memset() with a barrier: explicit_bzero() is not in all systems.
 */
#include "base/wipe.h"

#include <string.h>

void wipe(void *p, size_t n)
{
	memset(p, 0, n);
	/* The compiler has to assume that this reads what p points to. */
	__asm__ volatile("" : : "r"(p) : "memory");
}
