/*
 * Two processes and a pair of sockets of packets (SOCK_SEQPACKET), so that a
 * message is received whole or not at all.  Each is an int32_t.  To the process
 * that was split off: RUN, or the number of a signal.  Back: 0 or the errno of
 * starting the command; then its status as of waitpid(2).
 */
#include "sender/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "os/process.h"

enum {
	SHOWN_MAX = 200,
	RUN = 0,
	/* Descriptors in the process that was split off. */
	LOW_FD = STDERR_FILENO + 1,
	HIGH_FD,
	/* How long a command may take to end after its output was closed, and
	 * after SIGTERM. */
	END_MS = 200,
	TERM_MS = 1000,
};

struct command {
	char *const *argv;
	int sock;
	int output;
	pid_t pid; /* of the process that was split off */
	int is_running;
	int status; /* of waitpid(2); -1: unknown */
};

/* ---- in the process that was split off ---- */

struct runner {
	char *const *argv;
	int sock;
	int output; /* for the command to write to */
	int keeps_sighup; /* nohup: the command ignores SIGHUP, too */
	pid_t pid;  /* of the command; 0: not running */
};

static void on_child(int sig)
{
	(void)sig; /* only to end ppoll() */
}

/* Start the command.  Returns 0 or an errno. */
static int spawn(struct runner *r)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGPIPE, SIGXFSZ,
				       SIGCHLD };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	int rc = posix_spawnattr_init(&attr);

	if (rc)
		return rc;
	rc = posix_spawn_file_actions_init(&actions);
	if (rc) {
		posix_spawnattr_destroy(&attr);
		return rc;
	}
	rc = posix_spawn_file_actions_adddup2(&actions, r->output,
					      STDOUT_FILENO);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	if (!r->keeps_sighup)
		sigaddset(&set, SIGHUP);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETSIGMASK);
	if (rc == 0)
		rc = posix_spawnp(&r->pid, r->argv[0], &actions, &attr, r->argv,
				  environ);
	if (rc)
		r->pid = 0;
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	/* The sender has to see the end of the output. */
	io_close(&r->output);
	return rc;
}

static void reply(const struct runner *r, int value)
{
	const int32_t message = value;

	/* The sender may be gone. */
	(void)send(r->sock, &message, sizeof(message), MSG_NOSIGNAL);
}

/* Handle what the sender sends.  Does not return when that is gone. */
static void take_message(struct runner *r)
{
	int32_t message;
	ssize_t n = recv(r->sock, &message, sizeof(message), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n != sizeof(message)) {
		if (r->pid > 0)
			kill(r->pid, SIGTERM);
		_exit(0);
	}
	if (message == RUN && r->pid == 0)
		reply(r, spawn(r));
	else if (message != RUN && r->pid > 0)
		kill(r->pid, message);
}

/* Keep the three standard descriptors, the socket and the pipe; nothing else
 * of the sender's must stay open here or in the command. */
static int arrange_descriptors(struct runner *r)
{
	const int is_low = r->sock < r->output;

	if (dup2(is_low ? r->sock : r->output, LOW_FD) < 0 ||
	    dup2(is_low ? r->output : r->sock, HIGH_FD) < 0)
		return -1;
	r->sock = is_low ? LOW_FD : HIGH_FD;
	r->output = is_low ? HIGH_FD : LOW_FD;
	process_close_from(HIGH_FD + 1);
	if (fcntl(LOW_FD, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return fcntl(HIGH_FD, F_SETFD, FD_CLOEXEC);
}

static _Noreturn void supervise(struct runner *r)
{
	struct sigaction child = { .sa_handler = on_child };
	struct pollfd pfd;
	sigset_t waiting, usual;
	int status;

	/* Ctrl-C in the terminal reaches the command as well; this process ends
	 * after it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	r->keeps_sighup = signal(SIGHUP, SIG_IGN) == SIG_IGN;
	/* So that it is noticed only in ppoll(), and there always. */
	sigemptyset(&usual);
	sigaddset(&usual, SIGCHLD);
	sigprocmask(SIG_BLOCK, &usual, &waiting);
	sigdelset(&waiting, SIGCHLD);
	sigaction(SIGCHLD, &child, NULL);
	if (arrange_descriptors(r) < 0)
		_exit(1);
	pfd = (struct pollfd){ .fd = r->sock, .events = POLLIN };
	for (;;) {
		if (r->pid > 0 && waitpid(r->pid, &status, WNOHANG) == r->pid) {
			reply(r, status);
			_exit(0);
		}
		if (ppoll(&pfd, 1, NULL, &waiting) > 0)
			take_message(r);
	}
}

/* ---- in the sender ---- */

static int split_off(struct command *c, struct err *e)
{
	struct runner r = { .argv = c->argv };
	int socks[2] = { -1, -1 }, pipes[2] = { -1, -1 };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0 &&
	    pipe2(pipes, O_CLOEXEC) == 0)
		c->pid = fork();
	if (c->pid == 0) {
		r.sock = socks[1];
		r.output = pipes[1];
		supervise(&r);
	}
	if (c->pid < 0)
		err_sys(e, ERR_RESOURCE, "--stdin-from-command");
	c->sock = socks[0];
	c->output = pipes[0];
	io_close(&socks[1]);
	io_close(&pipes[1]);
	return c->pid < 0 ? ERR_RESOURCE : 0;
}

struct command *command_new(char *const *argv, struct err *e)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	c->argv = argv;
	c->sock = c->output = c->pid = -1;
	if (split_off(c, e) == 0)
		return c;
	command_free(c);
	return NULL;
}

static const char *shown_name(const struct command *c, char text[SHOWN_MAX])
{
	return text_escape(text, SHOWN_MAX, c->argv[0], strlen(c->argv[0]));
}

static int tell(const struct command *c, int value)
{
	const int32_t message = value;

	return send(c->sock, &message, sizeof(message), MSG_NOSIGNAL) ==
			       sizeof(message)
		       ? 0
		       : -1;
}

/* The next message.  Returns 0; ERR_AGAIN where none came within ms (-1: no
 * limit); ERR_CLOSED where the other process is gone. */
static int receive(const struct command *c, int ms, int *value)
{
	struct pollfd pfd = { .fd = c->sock, .events = POLLIN };
	int32_t message;
	ssize_t n;

	if (poll(&pfd, 1, ms) <= 0)
		return ERR_AGAIN;
	do {
		n = recv(c->sock, &message, sizeof(message), 0);
	} while (n < 0 && errno == EINTR);
	*value = message;
	return n == sizeof(message) ? 0 : ERR_CLOSED;
}

int command_start(struct command *c, struct err *e)
{
	char text[SHOWN_MAX];
	int rc = tell(c, RUN), error = 0;

	if (rc == 0) {
		/* ERR_AGAIN: a signal has ended the wait. */
		do {
			rc = receive(c, -1, &error);
		} while (rc == ERR_AGAIN);
	}
	if (rc)
		return err_set(e, ERR_RESOURCE,
			       "cannot run %s: the process that was to start "
			       "it is gone",
			       shown_name(c, text));
	if (error) {
		errno = error;
		return err_sys(e, ERR_LOCAL, "cannot run %s",
			       shown_name(c, text));
	}
	c->is_running = 1;
	return 0;
}

int command_output_fd(const struct command *c)
{
	return c->output;
}

int command_signal_fd(const struct command *c)
{
	return c->sock;
}

int command_result_fd(const struct command *c)
{
	return c->sock;
}

/* Take the status, waiting at most ms for it.  Returns whether it is known. */
static int await_status(struct command *c, int ms)
{
	int rc;

	if (!c->is_running)
		return 1;
	rc = receive(c, ms, &c->status);
	if (rc == ERR_AGAIN)
		return 0;
	if (rc)
		c->status = -1;
	c->is_running = 0;
	return 1;
}

int command_take_result(struct command *c, struct err *e)
{
	char text[SHOWN_MAX];

	if (!await_status(c, 0))
		return ERR_AGAIN;
	if (c->status == 0)
		return 0;
	shown_name(c, text);
	if (c->status == -1)
		return err_set(e, ERR_LOCAL,
			       "how the command %s ended is not known", text);
	if (WIFSIGNALED(c->status))
		return err_set(e, ERR_LOCAL,
			       "the command %s was ended by signal %d (%s)",
			       text, WTERMSIG(c->status),
			       strsignal(WTERMSIG(c->status)));
	return err_set(e, ERR_LOCAL,
		       "the command %s ended with exit status %d", text,
		       WEXITSTATUS(c->status));
}

void command_free(struct command *c)
{
	if (!c)
		return;
	io_close(&c->output);
	if (!await_status(c, END_MS)) {
		(void)tell(c, SIGTERM);
		(void)await_status(c, TERM_MS);
	}
	io_close(&c->sock);
	if (c->pid > 0)
		(void)waitpid(c->pid, NULL, WNOHANG);
	free(c);
}
