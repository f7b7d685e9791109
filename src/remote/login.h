/*
 * login.h - one log-in by ssh: starting it, passing over what the login shell
 * there prints, and saying why there is no answer.
 *
 * Layer: remote.
 * Threads: one.  What says "blocks" does so until it is done, the time is over,
 * or cancel is set.
 */
#ifndef FERRY_REMOTE_LOGIN_H
#define FERRY_REMOTE_LOGIN_H

#include <stddef.h>

#include "base/err.h"

struct cancel;
struct login;
struct session_events;
struct ssh;

enum { LOGIN_MARKER_MAX = 64 };

struct login_config {
	struct ssh *ssh;
	const char *host; /* escaped */
	int is_deploying; /* the command there is deploy_script, not ferry */
	const struct session_events *events; /* what was printed goes there */
	const struct cancel *cancel;
};

/* Start ssh.  All of cfg is borrowed.  Returns NULL with an error as
 * ssh_start(), or ERR_RESOURCE. */
struct login *login_start(const struct login_config *cfg, struct err *e);

/* Close the socket, unless it was taken, and free.  NULL is allowed. */
void login_end(struct login *l);

/* From now on, at most ms may go by without a byte that is sent or read. */
void login_limit(struct login *l, int ms);

/*
 * Send n bytes at p, and read up to a marker, which ends with a newline.  It
 * may come before all is sent: the rest is not.  What comes before it is what
 * the login shell printed.  Nothing after it is read.  Blocks.
 *
 * Returns 0; ERR_CONNECT where ssh ends, or the time is over, or too much is
 * printed; ERR_INTERRUPTED; ERR_LOST; ERR_RESOURCE.
 */
int login_exchange(struct login *l, const void *p, size_t n, const char *marker,
	       struct err *e);

/* Read just n bytes.  Blocks.  Returns 0 or an error as above. */
int login_read(struct login *l, void *p, size_t n, struct err *e);

/* The socket, which is the caller's from now on. */
int login_take_socket(struct login *l);

#endif
