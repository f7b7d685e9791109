#include "sender/input_end.h"

#include <errno.h>
#include <poll.h>

enum {
	/* How long after the end of the input a signal counts as its cause.  The
	 * kernel signals the processes of a group one after the other, within
	 * microseconds; the rest is for a service manager that does it process
	 * by process, and for a busy machine. */
	SIGNAL_MS = 100,
};

int input_end_is_signalled(int cancel_fd)
{
	struct pollfd signalled = { .fd = cancel_fd, .events = POLLIN };
	int n;

	if (cancel_fd < 0)
		return 0;
	do {
		n = poll(&signalled, 1, SIGNAL_MS);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}
