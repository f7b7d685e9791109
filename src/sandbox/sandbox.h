/*
 * sandbox.h - what is left to a process once somebody has taken it over.
 *
 * Layer: sandbox.  Uses base, os/times.h.
 * Threads: call from the only thread, before others are started.
 *
 * Nothing of it can be undone.  It is a second line of defence: nothing else
 * relies on it.
 *
 * A receiver may do below its directory what receiving needs, and nothing
 * with files elsewhere but look at their attributes; use the descriptors that
 * are open; accept connections, but make none; start threads, but no process.
 * Metadata is set by descriptor only: for times that is a call with the path
 * times_empty_path (os/times.h), which the filter knows by its address.
 *
 * A sender may read below its sources and what the resolver reads, write
 * nothing, connect to the receiver's port, and start no program.
 */
#ifndef FERRY_SANDBOX_SANDBOX_H
#define FERRY_SANDBOX_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum sandbox_mode {
	SANDBOX_AUTO,    /* as much as the kernel can */
	SANDBOX_REQUIRE, /* all or nothing */
	SANDBOX_OFF,
};

enum { SANDBOX_TEXT_MAX = 256 };

/*
 * dir_fd: the directory to receive into; -1: none.  text
 * (SANDBOX_TEXT_MAX) gets one line for people: what confines us.
 *
 * Returns 0; ERR_RESOURCE when rights cannot be given up; with
 * SANDBOX_REQUIRE also when Landlock or seccomp are missing, fail, or are
 * found not to confine, without which the other modes go on.
 */
int sandbox_receiver(enum sandbox_mode mode, int dir_fd, char *text,
		     struct err *e);

struct sandbox_sources {
	const int *fds; /* directories; borrowed */
	size_t count;
	int anywhere;   /* links are followed, and may lead anywhere */
	uint16_t port;  /* the receiver's */
};

/* As sandbox_receiver() with SANDBOX_AUTO. */
int sandbox_sender(const struct sandbox_sources *src, char *text,
		   struct err *e);

#endif
