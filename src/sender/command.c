/*
 * Each message is an int32_t.  To the helper: RUN, or the number of a signal.
 * Back: 0 or the errno of starting the command; then its status as of
 * waitpid(2).
 */
#include "sender/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "os/fds.h"
#include "os/helper.h"
#include "os/spawn.h"

enum {
	SHOWN_MAX = 200,
	RUN = 0,
	/* How long a command may take to end after its output was closed, and
	 * after SIGTERM. */
	END_MS = 200,
	TERM_MS = 1000,
};

struct command {
	char *const *argv;
	struct helper helper;
	int output;
	int is_running;
	int status; /* of waitpid(2); -1: unknown */
};

/* ---- in the helper ---- */

struct runner {
	char *const *argv;
	int keeps_sighup; /* nohup: the command ignores SIGHUP, too */
};

static void reply(int value)
{
	const int32_t message = value;

	/* The sender may be gone. */
	(void)helper_send(HELPER_SOCKET, &message, sizeof(message), -1, 0);
}

/* Start the command, with the pipe that was kept as its output. */
static int start_command(const struct runner *r, pid_t *pid)
{
	const struct spawn_config cfg = {
		.argv = r->argv,
		.input = -1,
		.output = HELPER_KEPT,
		.keep_ignored = r->keeps_sighup ? SIGHUP : 0,
	};
	int rc = spawn_program(&cfg, pid);

	/* The sender has to see the end of the output. */
	close(HELPER_KEPT);
	return rc;
}

static void supervise(void *ctx)
{
	const struct runner *r = ctx;
	struct spawn_child command;
	int32_t message;
	int status;

	spawn_child_init(&command);
	while (spawn_wait(&command, &message, sizeof(message), &status)) {
		if (message == RUN && command.pid == 0)
			reply(start_command(r, &command.pid));
		else if (message != RUN && command.pid > 0)
			kill(command.pid, message);
	}
	reply(status);
}

/* ---- in the sender ---- */

static int split_off(struct command *c, struct err *e)
{
	struct runner r = { .argv = c->argv };
	struct helper_config cfg = { HELPER_STDIO_OWN, -1, supervise, &r };
	struct sigaction hangup;
	int pipes[2] = { -1, -1 }, rc = -1;

	r.keeps_sighup = sigaction(SIGHUP, NULL, &hangup) == 0 &&
			 hangup.sa_handler == SIG_IGN;
	if (fds_pipe(pipes, 0) == 0) {
		cfg.keep = pipes[1];
		rc = helper_start(&c->helper, &cfg);
	}
	if (rc < 0)
		err_sys(e, ERR_RESOURCE, "--stdin-from-command");
	c->output = pipes[0];
	io_close(&pipes[1]);
	return rc < 0 ? ERR_RESOURCE : 0;
}

struct command *command_new(char *const *argv, struct err *e)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	c->argv = argv;
	c->helper.fd = c->output = -1;
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

	return helper_send(c->helper.fd, &message, sizeof(message), -1, 0);
}

/* The next message.  Returns 0; ERR_AGAIN where none came within ms (-1: no
 * limit); ERR_CLOSED where the helper is gone. */
static int receive(const struct command *c, int ms, int *value)
{
	struct pollfd pfd = { .fd = c->helper.fd, .events = POLLIN };
	int32_t message = 0;
	int rc;

	if (poll(&pfd, 1, ms) <= 0)
		return ERR_AGAIN;
	rc = helper_receive(c->helper.fd, &message, sizeof(message), NULL, 0);
	*value = message;
	return rc < 0 ? ERR_CLOSED : 0;
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
	return c->helper.fd;
}

int command_result_fd(const struct command *c)
{
	return c->helper.fd;
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
	helper_stop(&c->helper, 0);
	free(c);
}
