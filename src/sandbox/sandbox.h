/*
 * sandbox.h - restricts what a process can do, for the case that a peer takes
 * control of it.
 *
 * Layer: sandbox.
 * Threads: call from the only thread, before others are started.
 *
 * It cannot be undone.  It is a second line of defence: nothing else relies on
 * it.
 *
 * A receiver may do below its directory what receiving needs, and only read the
 * attributes of files elsewhere; use the descriptors that are open; accept
 * connections, but not make any; start threads, but no processes.  It can set
 * metadata by descriptor only: times by a call with the path times_empty_path
 * (os/times.h), whose address the filter knows.  A receiver that connects to its
 * sender may also make TCP connections, to the sender's port.
 *
 * A sender may read files below its sources and connect to the receiver's port,
 * but not write files or start a program.  The process that resolves names for
 * it (net/resolver.h) may read any file and connect to any port, because what
 * libc's resolver and its modules need can be anywhere, but not write files or
 * start a program.
 */
#ifndef FERRY_SANDBOX_SANDBOX_H
#define FERRY_SANDBOX_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum sandbox_mode {
	SANDBOX_AUTO,    /* what the kernel supports */
	SANDBOX_REQUIRE, /* all of it, or an error */
	SANDBOX_OFF,
};

enum { SANDBOX_TEXT_MAX = 256 };

/* Where a side connects to. */
struct sandbox_target {
	uint16_t port;
	/* A preloaded library that makes the connections (os/interposed.h): it
	 * goes to a port of its own choice; NULL: none. */
	const char *interposed;
};

/*
 * Restrict a receiver.  dir_fd: the directory to receive into; -1: none.
 * target: the sender that it connects to; NULL: it listens.  text
 * (SANDBOX_TEXT_MAX bytes) gets one line for the user that says what is in
 * force.
 *
 * Returns 0; ERR_RESOURCE when NO_NEW_PRIVS and the like cannot be set; with
 * SANDBOX_REQUIRE also when Landlock or seccomp is missing, fails, or does not
 * pass a test after it was set up.  SANDBOX_AUTO goes on without it.
 */
int sandbox_receiver(enum sandbox_mode mode, int dir_fd,
		     const struct sandbox_target *target, char *text,
		     struct err *e);

struct sandbox_sources {
	const int *fds; /* directories; borrowed */
	size_t count;
	int anywhere;   /* symlinks are followed, which may lead anywhere */
	uint16_t port;  /* the receiver's */
	/* A preloaded library that makes the connections (os/interposed.h): it
	 * goes to a port and reads files of its own choice; NULL: none. */
	const char *interposed;
};

/* Restrict a sender, as sandbox_receiver(). */
int sandbox_sender(enum sandbox_mode mode, const struct sandbox_sources *src,
		   char *text, struct err *e);

/* Restrict the process that resolves names for a sender. */
int sandbox_resolver(enum sandbox_mode mode, struct err *e);

#endif
