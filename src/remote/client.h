/*
 * client.h - starting ferry on the other host by ssh, and the stream to it.
 *
 * Layer: remote.
 * Threads: client_new() and client_free() before and after the session; the
 * carrier's open() in the thread of a first stream.
 */
#ifndef FERRY_REMOTE_CLIENT_H
#define FERRY_REMOTE_CLIENT_H

#include "base/err.h"
#include "remote/deploy.h"
#include "remote/ssh.h"

struct carrier;
struct client;
struct session_events;

/*
 * Split off the process that starts ssh.  It forks: call it before there are
 * secrets in memory, threads and a sandbox.  args (borrowed, ends with NULL) is
 * what ferry remote there is told to do: see server.h.  deploy: whether to copy
 * this program to there.  NULL with an error as ssh_new() or deploy_new(), or
 * ERR_USAGE where args are too long.
 */
struct client *client_new(const struct ssh_config *ssh, enum deploy_use deploy,
			  char *const *args, struct err *e);

/* End ssh, where it still runs, and free.  NULL is allowed. */
void client_free(struct client *c);

/* What is said about the login there; borrowed. */
void client_set_events(struct client *c, const struct session_events *events);

/*
 * Starts ssh anew each time, and gives its order.  Where there is a terminal
 * ssh may ask for a password: then it has three minutes or the stream's
 * time-out, whichever is longer, until ferry there answers; else the time-out.
 *
 * Fails with ERR_CONNECT where ssh ended, or nothing answered; ERR_REMOTE with
 * the reason of the other side where it refuses; ERR_PROTOCOL;
 * ERR_INTERRUPTED; ERR_RESOURCE.
 */
const struct carrier *client_carrier(const struct client *c);

/*
 * After the session: wait for ssh's end, at most ms.  Returns the exit status
 * of ferry on the other host, or -1 where it is not known.
 */
int client_remote_status(struct client *c, int ms);

#endif
