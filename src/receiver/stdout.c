/*
 * Writing without ever blocking in write(): a thread that did would send no
 * heart-beats and not notice that the receiver is stopped.
 */
#include "receiver/stdout.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "os/nowait.h"
#include "receiver/input.h"

enum { TICK_MS = 250, ZEROS = 65536 };

int stdout_write(struct input *in, int fd, const void *p, size_t n,
		 struct err *e)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	const char *from = p;

	while (n > 0) {
		ssize_t did = nowait_write(fd, from, n);

		if (did > 0) {
			from += did;
			n -= (size_t)did;
		} else if (did < 0 && errno == EAGAIN) {
			/* Before each wait: a slow reader ends every one of
			 * them soon, and the chunk may last for minutes. */
			int rc = input_tick(in, 0, e);

			if (rc)
				return rc;
			(void)poll(&pfd, 1, TICK_MS);
		} else if (did == 0 || errno != EINTR) {
			return err_sys(e, ERR_LOCAL,
				       "cannot write to standard output");
		}
	}
	return 0;
}

int stdout_write_zeros(struct input *in, int fd, uint64_t n, struct err *e)
{
	static const uint8_t zeros[ZEROS];
	int rc = 0;

	while (rc == 0 && n > 0) {
		size_t part = n < ZEROS ? (size_t)n : ZEROS;

		rc = stdout_write(in, fd, zeros, part, e);
		n -= part;
	}
	return rc;
}
