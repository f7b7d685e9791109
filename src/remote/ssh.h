/*
 * ssh.h - the ssh program, through which the other host is reached.
 *
 * Layer: remote.
 * Threads: one at a time.
 *
 * It is the child of a process that is split off before this one is confined,
 * so that it can be started also in the sandbox, and again for each session of
 * a transfer.  It is started without a shell, and has the terminal: it asks for
 * passwords itself, and its messages go to standard error.
 */
#ifndef FERRY_REMOTE_SSH_H
#define FERRY_REMOTE_SSH_H

#include "base/err.h"

struct ssh;

struct ssh_config {
	/* The program and its first arguments, split at spaces; what is quoted
	 * by '' or "" is one argument.  It must take ssh's options. */
	const char *command;
	const char *host;         /* [USER@]HOST, checked */
	const char *remote_ferry; /* where ferry is there; NULL: look for it */
	/* What to run there instead: one simple command for any login shell;
	 * NULL: ferry remote. */
	const char *script;
};

/*
 * Split off the process.  It forks: call it before there are secrets in memory,
 * threads and a sandbox.  cfg is used only in the call.  Returns NULL with
 * ERR_USAGE for a command or a path that cannot be used, or ERR_RESOURCE.
 */
struct ssh *ssh_new(const struct ssh_config *cfg, struct err *e);

/* End ssh, if it runs, and the process.  Blocks for some seconds at most.  NULL
 * is allowed. */
void ssh_free(struct ssh *s);

/*
 * Start ssh, after ending the one that was started before.  Returns a socket,
 * which the caller closes, that is ssh's standard input and output; ERR_CONNECT
 * where the program cannot be started; ERR_RESOURCE.
 */
int ssh_start(struct ssh *s, struct err *e);

/* Wait at most ms until ssh has ended.  Returns 1 with *status as of
 * waitpid(2), or -1 where that is not known; 0 where it still runs. */
int ssh_wait(struct ssh *s, int ms, int *status);

/* The program's name, to be shown; escaped. */
const char *ssh_name(const struct ssh *s);

#endif
