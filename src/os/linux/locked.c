/*
 * Pages that are locked.
 */
#define _GNU_SOURCE 1
#include "os/locked.h"

#include <string.h>
#include <sys/mman.h>

#include "base/wipe.h"

enum { STACK_BYTES = 32 * 1024 };

void *locked_new(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)mlock(p, n);
	return p;
}

void locked_free(void *p, size_t n)
{
	if (!p)
		return;
	wipe(p, n);
	(void)munmap(p, n);
}

__attribute__((noinline)) void locked_stack(void)
{
	char stack[STACK_BYTES];

	/* The kernel locks only pages that the stack has already. */
	wipe(stack, sizeof(stack));
	(void)mlock(stack, sizeof(stack));
}
