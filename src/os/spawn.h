/*
 * spawn.h - starting a program, and waiting in a helper for its end and for
 * messages at once.
 *
 * Layer: os.  Uses os/helper.h.
 * Threads: spawn_program() from any; the others in a helper, which has one.
 */
#ifndef FERRY_OS_SPAWN_H
#define FERRY_OS_SPAWN_H

#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

/* All pointers are borrowed until spawn_program() returns. */
struct spawn_config {
	const char *program; /* its path; NULL: argv[0], looked up in PATH */
	char *const *argv;
	char *const *env;  /* NULL: that of this process */
	int input, output; /* become its standard input and output; -1: those of
			    * this process */
	int keep_ignored;  /* a signal that stays ignored if this process ignores
			    * it; 0: none */
};

/*
 * Start a program: no signal is blocked in it, and those that ferry ignores or
 * handles have their defaults.  It has the standard descriptors, and others
 * only if they are not closed by exec().  Returns 0 and its process id, or an
 * errno: *pid is 0 then.
 */
int spawn_program(const struct spawn_config *cfg, pid_t *pid);

/* The program that a helper has started. */
struct spawn_child {
	pid_t pid;        /* 0: none runs */
	sigset_t waiting; /* what is blocked while it waits */
};

/* Prepare for spawn_wait(), before the program is started. */
void spawn_child_init(struct spawn_child *c);

/*
 * Wait until the program ends or a message of just n bytes comes by
 * HELPER_SOCKET.  Returns 1 for a message; 0 for the end of the program, with
 * its status as of waitpid(2), and c->pid is 0 then.  Does not return once the
 * other process is gone: the program gets SIGTERM, and this process ends.
 */
int spawn_wait(struct spawn_child *c, void *message, size_t n, int *status);

#endif
