#include "sender/input_end.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>

enum {
	/* How long after the end of the input a signal counts as its cause.
	 * The kernel signals the processes of a group one after the other,
	 * within microseconds; the rest is for a service manager that does it
	 * process by process, and for a busy machine. */
	SIGNAL_MS = 100,
};

int input_end_is_signalled(int cancel_fd)
{
	struct pollfd signalled = { .fd = cancel_fd, .events = POLLIN };
	sigset_t ending, before, pending;
	int n;

	if (cancel_fd < 0)
		return 0;
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	/* The thread that the kernel has chosen for a signal may not have run
	 * since, on a busy machine.  Until then the signal is pending, which
	 * only a thread that blocks it can see. */
	pthread_sigmask(SIG_BLOCK, &ending, &before);
	do {
		n = poll(&signalled, 1, SIGNAL_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0 && sigpending(&pending) == 0)
		n = sigismember(&pending, SIGINT) ||
		    sigismember(&pending, SIGTERM) ||
		    sigismember(&pending, SIGHUP);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return n > 0;
}

int input_end_is_hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct stat st;

	/* A pipe whose writer has closed it is told in the same way. */
	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
	       poll(&p, 1, 0) > 0 && (p.revents & POLLHUP) != 0;
}
