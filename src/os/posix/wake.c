/*
 * A pipe.
 */
#include "os/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "os/fds.h"

int wake_open(struct wake *w)
{
	int fds[2];

	w->fd = w->to = -1;
	if (fds_pipe(fds, O_NONBLOCK) < 0)
		return -1;
	w->fd = fds[0];
	w->to = fds[1];
	return 0;
}

void wake_close(struct wake *w)
{
	if (w->fd >= 0)
		io_close(&w->to);
	io_close(&w->fd);
}

void wake_signal(const struct wake *w)
{
	const int saved = errno;

	if (w->fd < 0)
		return;
	/* EAGAIN: the pipe is full, so it is readable. */
	while (write(w->to, "", 1) < 0 && errno == EINTR)
		;
	errno = saved;
}

void wake_clear(const struct wake *w)
{
	char bytes[256];
	ssize_t n;

	/* A pipe of what was signalled since the last time; EAGAIN: it is
	 * empty. */
	do {
		n = read(w->fd, bytes, sizeof(bytes));
	} while (n > 0 || (n < 0 && errno == EINTR));
}
