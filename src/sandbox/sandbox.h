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
 * Neither side may open a socket, connect, or send to another destination than
 * that of a connection which it has; set metadata by path, or set-ID bits;
 * start processes or programs, or reach into other processes.  What of that a
 * role needs, a helper does for it that was split off before (os/helper.h).
 * Both may start threads and read the attributes of any file.
 *
 * A receiver may besides do below its directory what receiving needs, accept
 * connections, and restrict its threads further.  A sender may read its
 * sources, and nothing else.
 *
 * The process that makes a sender's connections (net/connector.h) may read any
 * file and connect anywhere, because what libc's resolver and its modules need
 * can be anywhere, but not write files or start a program.
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

enum { SANDBOX_TEXT_MAX = 512 };

/* What is in force. */
struct sandbox_state {
	char text[SANDBOX_TEXT_MAX]; /* one line for the user */
	/* Less than all of it, and not by the user's choice: the text says
	 * why. */
	int is_partial;
};

struct sandbox_receiving {
	int dir_fd; /* the directory to receive into; -1: none */
	/* A preloaded library that makes the connections to the sender
	 * (os/interposed.h), to ports of its own choice; NULL: none. */
	const char *interposed;
	/* enum file_meta_preserve: what it may set, besides, of what is open */
	unsigned allowed;
};

/*
 * Restrict a receiver.
 *
 * Returns 0; ERR_RESOURCE when NO_NEW_PRIVS and the like cannot be set; with
 * SANDBOX_REQUIRE also when Landlock or seccomp is missing, fails, does not
 * pass a test after it was set up, or would leave a way out: other threads, or
 * a socket that was inherited and can send anywhere.  SANDBOX_AUTO goes on
 * without.
 */
int sandbox_receiver(enum sandbox_mode mode, const struct sandbox_receiving *r,
		     struct sandbox_state *state, struct err *e);

struct sandbox_dirs {
	const int *fds; /* borrowed */
	size_t count;
	unsigned allowed; /* enum file_meta_preserve */
};

/* The same for a receiver with several directories, which listens. */
int sandbox_receiver_of_many(enum sandbox_mode mode,
			     const struct sandbox_dirs *dirs,
			     struct sandbox_state *state, struct err *e);

/*
 * Restrict the calling thread of a receiver that is restricted already, and the
 * threads that it starts from then on, to reading what is below dir_fd (-1:
 * nothing), for a session that is to change nothing.  Files that are open for
 * writing can still be written to, and the other threads do as before.  mode:
 * that of the process.  Returns 0; ERR_RESOURCE with SANDBOX_REQUIRE where that
 * is not possible.
 */
int sandbox_reading_thread(enum sandbox_mode mode, int dir_fd, struct err *e);

struct sandbox_sources {
	const int *fds; /* directories, or files; borrowed */
	size_t count;
	int anywhere;   /* symlinks are followed, which may lead anywhere */
	/* A preloaded library that makes the connections (os/interposed.h): it
	 * connects to ports and reads files of its own choice; NULL: none. */
	const char *interposed;
};

/* Restrict a sender, as sandbox_receiver(). */
int sandbox_sender(enum sandbox_mode mode, const struct sandbox_sources *src,
		   struct sandbox_state *state, struct err *e);

/* Restrict the process that makes the connections, or asks the name service for
 * users and groups, whose modules need the same. */
int sandbox_connector(enum sandbox_mode mode, struct err *e);

/* Restrict the process that sets attributes (fs/attr_helper.h): to that, and no
 * file can be opened.  allowed: as for the receiver. */
int sandbox_attr_helper(enum sandbox_mode mode, unsigned allowed,
			struct err *e);

/* Restrict the process that unlocks directories (receiver/dir_opener.h): to
 * open with O_PATH, and to set modes that let the owner in and have no
 * set-user-ID bit; before Linux 6.6 by path, of any file. */
int sandbox_dir_opener(enum sandbox_mode mode, struct err *e);

#endif
