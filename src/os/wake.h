/*
 * wake.h - waking a thread that waits in poll(2) (Linux: an eventfd;
 * POSIX: a pipe).
 *
 * Layer: os.
 * Threads: wake_signal() from any thread, and from a signal handler; the
 * other functions from the owner's.
 */
#ifndef FERRY_OS_WAKE_H
#define FERRY_OS_WAKE_H

struct wake {
	int fd; /* readable once signalled, until it is cleared; or -1 */
	int to; /* POSIX: the other end of the pipe */
};

/* Returns 0, or -1 with errno: w->fd is -1 then. */
int wake_open(struct wake *w);

/* Close the descriptor; w->fd may be -1. */
void wake_close(struct wake *w);

/* Make w->fd readable; nothing where that is -1.  Never blocks; several signals
 * before a clear count as one. */
void wake_signal(const struct wake *w);

/* Make w->fd unreadable.  Call it before checking what the signal is about, so
 * that an event after the check signals again. */
void wake_clear(const struct wake *w);

#endif
