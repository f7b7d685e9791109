/*
 * An eventfd: takes one descriptor, not two as a pipe, and cannot fill up.
 */
#define _GNU_SOURCE 1
#include "os/wake.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"

int wake_open(struct wake *w)
{
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->fd < 0 ? -1 : 0;
}

void wake_close(struct wake *w)
{
	io_close(&w->fd);
}

void wake_signal(const struct wake *w)
{
	const uint64_t one = 1;
	const int saved = errno;

	/* EAGAIN: the counter is at its maximum, so it is readable. */
	while (write(w->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

void wake_clear(const struct wake *w)
{
	uint64_t count;

	/* EAGAIN: another thread has cleared it. */
	while (read(w->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}
