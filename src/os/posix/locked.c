/*
 * mlock(): pages of the heap.
 */
#include "os/locked.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/wipe.h"

enum { STACK_BYTES = 32 * 1024 };

/* n rounded up to whole pages, so that no other page is unlocked with them. */
static size_t whole_pages(size_t n, size_t page)
{
	return (n + page - 1) / page * page;
}

void *locked_new(size_t n)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p = NULL;

	if (posix_memalign(&p, page, whole_pages(n, page)))
		return NULL;
	memset(p, 0, n);
	(void)mlock(p, n);
	return p;
}

void locked_free(void *p, size_t n)
{
	if (!p)
		return;
	wipe(p, n);
	(void)munlock(p, n);
	free(p);
}

__attribute__((noinline)) void locked_stack(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char stack[STACK_BYTES], *at = stack;

	wipe(stack, sizeof(stack));
	/* Some systems take only the beginning of a page. */
	at += (page - (size_t)at % page) % page;
	if (at < stack + sizeof(stack))
		(void)mlock(at, (size_t)(stack + sizeof(stack) - at));
}
