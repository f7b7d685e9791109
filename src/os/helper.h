/*
 * helper.h - a process that is split off from this one before the sandbox, and
 * does for it one thing that the sandbox forbids.
 *
 * Layer: os.  Uses base.
 * Threads: helper_start() while there is one thread only and before secrets are
 * in memory; helper_send() and helper_receive() as os/packet.h says; the rest
 * from the owner's.
 *
 * The two exchange messages that arrive whole or not at all (os/packet.h).  A
 * helper ends when this process closes its socket, and so also when this
 * process ends in whatever way.  It ignores SIGINT, SIGTERM and SIGHUP: Ctrl-C
 * in the terminal reaches both, and what this process still has to do may need
 * the helper.
 */
#ifndef FERRY_OS_HELPER_H
#define FERRY_OS_HELPER_H

#include <stddef.h>
#include <sys/types.h>

struct helper {
	int fd; /* -1: none */
	pid_t pid;
};

enum {
	/* In the helper: its socket, and the descriptor that was kept. */
	HELPER_SOCKET = 3,
	HELPER_KEPT = 4,
};

/* What the standard descriptors are in the helper; standard input is the
 * terminal's or the pipe's of this process only with HELPER_STDIO_OWN. */
enum helper_stdio {
	HELPER_STDIO_NONE,  /* /dev/null all three */
	HELPER_STDIO_ERROR, /* input from /dev/null, output to standard error */
	HELPER_STDIO_OWN,   /* those of this process */
};

struct helper_config {
	enum helper_stdio stdio;
	int keep; /* becomes HELPER_KEPT; -1: none.  Borrowed */
	/* What the helper does, until the socket is closed; ctx is a copy of
	 * this process's, as all memory is. */
	void (*serve)(void *ctx);
	void *ctx;
};

/* Start the process.  In it no descriptor is open but the standard ones and the
 * two above, which are closed by exec().  Returns 0; or -1 with errno, and
 * h->fd is -1. */
int helper_start(struct helper *h, const struct helper_config *cfg);

/* Send nothing more, so that the process ends when it has done what it does,
 * and wait for that, at most ms milliseconds.  Returns whether it ends. */
int helper_ends(const struct helper *h, int ms);

/* Close the socket, and collect the process; with wait, block until it has
 * ended.  For a helper that was not started (fd -1, pid 0) nothing is done. */
void helper_stop(struct helper *h, int wait);

/* As packet_send() and packet_receive(), by the socket fd: helper.fd or
 * HELPER_SOCKET. */
int helper_send(int fd, const void *p, size_t n, int pass, int flags);
int helper_receive(int fd, void *p, size_t n, int *passed, int flags);

#endif
