/*
 * Loops around read() and write().
 */
#include "base/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int io_write(int fd, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		ssize_t did = write(fd, from, n);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0) {
			if (did == 0)
				errno = ENOSPC;
			return -1;
		}
		from += did;
		n -= (size_t)did;
	}
	return 0;
}

int io_pwrite(int fd, const void *p, size_t n, uint64_t off)
{
	const char *from = p;

	while (n > 0) {
		ssize_t did = pwrite(fd, from, n, (off_t)off);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0) {
			if (did == 0)
				errno = ENOSPC;
			return -1;
		}
		from += did;
		off += (uint64_t)did;
		n -= (size_t)did;
	}
	return 0;
}

ssize_t io_read(int fd, void *p, size_t n)
{
	char *to = p;
	size_t got = 0;

	while (got < n) {
		ssize_t did = read(fd, to + got, n - got);

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -1;
		if (did == 0)
			break;
		got += (size_t)did;
	}
	return (ssize_t)got;
}

ssize_t io_pread(int fd, void *p, size_t n, uint64_t off)
{
	char *to = p;
	size_t got = 0;

	while (got < n) {
		ssize_t did = pread(fd, to + got, n - got,
				    (off_t)(off + got));

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -1;
		if (did == 0)
			break;
		got += (size_t)did;
	}
	return (ssize_t)got;
}

int io_have_same(int fd_a, int fd_b, uint64_t n)
{
	enum { BLOCK = 128 << 10 };
	char *a = malloc(BLOCK), *b = malloc(BLOCK);
	int same = a && b;

	for (uint64_t off = 0; same && off < n; off += BLOCK) {
		const size_t len = n - off < BLOCK ? (size_t)(n - off) : BLOCK;

		same = io_pread(fd_a, a, len, off) == (ssize_t)len &&
		       io_pread(fd_b, b, len, off) == (ssize_t)len &&
		       memcmp(a, b, len) == 0;
	}
	free(a);
	free(b);
	return same;
}

int io_close(int *fd)
{
	int rc = 0;

	if (*fd >= 0)
		rc = close(*fd);
	*fd = -1;
	/* Linux has closed the descriptor on EINTR too (close(2)): a second
	 * call could close another thread's. */
	return rc < 0 && errno != EINTR ? -1 : 0;
}
