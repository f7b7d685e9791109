/*
 * ferry: finds the subcommand, runs it, tells of its failure.  The one place
 * that prints errors and the one place that ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/signals.h"
#include "os/process.h"

enum { TICK_MS = 500 };

/*
 * Whoever starts us with one of the three standard descriptors closed would
 * otherwise have messages written into the next file or socket that is
 * opened.  Input and output are opened the wrong way round, so that their use
 * fails: an empty file must not be sent, nor content be thrown away, as if
 * all were well.
 */
static int open_standard_fds(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDWR };

	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (open("/dev/null", modes[fd]) != fd)
			return -1;
	}
	return 0;
}

/*
 * No core file, and no look into us by other processes of the user, before
 * there is a key or a code in memory: the sandbox, which does more, comes
 * later, or not at all.  A program that is started from here has its own.
 * Leak checkers look into the process.
 */
static int hide_memory(void)
{
#ifdef FERRY_INSTRUMENTED
	return 0;
#else
	return process_hide_memory();
#endif
}

static const struct cmd *choose(int argc, char **argv, struct err *e)
{
	const struct cmd *c;
	char text[100];

	if (argc < 2) {
		err_set(e, ERR_USAGE, "a command is missing: send, receive, "
			"keygen or help");
		return NULL;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "--version") == 0)
		return &cmd_help;
	c = commands_find(argv[1]);
	if (c)
		return c;
	text_escape(text, sizeof(text), argv[1], strlen(argv[1]));
	err_set(e, ERR_USAGE, argv[1][0] == '-' ?
		"unknown option '%s': a command comes first" :
		"there is no command '%s'", text);
	return NULL;
}

/* Whether standard error takes a message: a reader that paused is waited for,
 * but not once a signal has come. */
static int can_tell(void)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };

	while (poll(&pfd, 1, TICK_MS) <= 0) {
		if (signals_caught())
			return 0;
	}
	return 1;
}

static void tell(const struct cmd *c, const struct err *e)
{
	const char *text = e->text[0] ? e->text : err_name(e->code);

	if (!can_tell())
		return;
	if (e->code == ERR_USAGE)
		dprintf(STDERR_FILENO, "ferry: %s\nTry: ferry help%s%s\n",
			text, c && c != &cmd_help ? " " : "",
			c && c != &cmd_help ? c->name : "");
	else
		dprintf(STDERR_FILENO, "ferry: %s: %s\n", c ? c->name : "",
			text);
}

int main(int argc, char **argv)
{
	const struct cmd *c;
	struct err e;
	int rc;

	if (open_standard_fds() < 0 || hide_memory() < 0)
		return err_exit_status(ERR_RESOURCE);
	/* a reader that went away is told by EPIPE */
	signal(SIGPIPE, SIG_IGN);
	/* a size limit is an error of write(2), not the end */
	signal(SIGXFSZ, SIG_IGN);
	err_clear(&e);
	c = choose(argc, argv, &e);
	rc = c ? c->run(argc - 1, argv + 1, &e) : ERR_USAGE;
	if (rc) {
		e.code = rc;
		tell(c, &e);
	}
	return signals_exit_status(rc);
}
