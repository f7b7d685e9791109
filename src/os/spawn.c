/*
 * posix_spawn(), and pselect(), which lets SIGCHLD through only while it waits.
 */
#include "os/spawn.h"

#include <errno.h>
#include <spawn.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/helper.h"

extern char **environ;

/* ---- starting ---- */

static int set_signals(posix_spawnattr_t *attr, int keep_ignored)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE,
				       SIGXFSZ, SIGCHLD, SIGUSR1 };
	sigset_t defaults, none;
	int rc;

	sigemptyset(&none);
	sigemptyset(&defaults);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (signals[i] != keep_ignored)
			sigaddset(&defaults, signals[i]);
	}
	rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attr, &defaults);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF |
						    POSIX_SPAWN_SETSIGMASK);
	return rc;
}

static int set_descriptors(posix_spawn_file_actions_t *actions,
			   const struct spawn_config *cfg)
{
	int rc = 0;

	if (cfg->input >= 0)
		rc = posix_spawn_file_actions_adddup2(actions, cfg->input,
						      STDIN_FILENO);
	if (rc == 0 && cfg->output >= 0)
		rc = posix_spawn_file_actions_adddup2(actions, cfg->output,
						      STDOUT_FILENO);
	return rc;
}

static int start_child(const struct spawn_config *cfg,
		       const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, pid_t *pid)
{
	char *const *env = cfg->env ? cfg->env : environ;

	if (cfg->program)
		return posix_spawn(pid, cfg->program, actions, attr, cfg->argv,
				   env);
	return posix_spawnp(pid, cfg->argv[0], actions, attr, cfg->argv, env);
}

int spawn_program(const struct spawn_config *cfg, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc = posix_spawnattr_init(&attr);

	*pid = 0;
	if (rc)
		return rc;
	rc = posix_spawn_file_actions_init(&actions);
	if (rc) {
		posix_spawnattr_destroy(&attr);
		return rc;
	}
	rc = set_descriptors(&actions, cfg);
	if (rc == 0)
		rc = set_signals(&attr, cfg->keep_ignored);
	if (rc == 0)
		rc = start_child(cfg, &actions, &attr, pid);
	/* What posix_spawn() leaves there is not a process. */
	if (rc)
		*pid = 0;
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return rc;
}

/* ---- waiting ---- */

static void on_child(int sig)
{
	(void)sig; /* only to end pselect() */
}

void spawn_child_init(struct spawn_child *c)
{
	const struct sigaction child = { .sa_handler = on_child };
	sigset_t blocked;

	c->pid = 0;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &c->waiting);
	sigdelset(&c->waiting, SIGCHLD);
	sigaction(SIGCHLD, &child, NULL);
}

int spawn_wait(struct spawn_child *c, void *message, size_t n, int *status)
{
	for (;;) {
		fd_set readable;

		if (c->pid > 0 && waitpid(c->pid, status, WNOHANG) == c->pid) {
			c->pid = 0;
			return 0;
		}
		FD_ZERO(&readable);
		FD_SET(HELPER_SOCKET, &readable);
		if (pselect(HELPER_SOCKET + 1, &readable, NULL, NULL, NULL,
			    &c->waiting) <= 0)
			continue;
		if (helper_receive(HELPER_SOCKET, message, n, NULL,
				   MSG_DONTWAIT) == 0)
			return 1;
		if (errno == EAGAIN)
			continue;
		if (c->pid > 0)
			kill(c->pid, SIGTERM);
		_exit(0);
	}
}
