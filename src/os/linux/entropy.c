/*
 * Random bytes from the kernel.
 */
#define _GNU_SOURCE 1
#include "os/entropy.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

int entropy_get(void *p, size_t n)
{
	ssize_t got;

	do {
		got = getrandom(p, n, 0);
	} while (got < 0 && errno == EINTR);
	if (got == (ssize_t)n)
		return 0;
	if (got >= 0)
		errno = EIO;
	return -1;
}
