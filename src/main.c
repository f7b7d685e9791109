/*
 * ferry: finds the subcommand, runs it and reports its failure.  Only this file
 * prints the error and ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/charset.h"
#include "cmd/commands.h"
#include "cmd/signals.h"
#include "cmd/style.h"
#include "os/locked.h"
#include "os/name_service.h"
#include "os/process.h"
#include "os/service.h"

enum { TICK_MS = 500 };

/*
 * Open those of the three standard descriptors that the parent process has
 * closed.  Otherwise the next file or socket would get the number, and messages
 * would be written into it.  Input is opened for writing and output for
 * reading, so that their use fails: an empty file must not be sent, and content
 * must not be thrown away, with exit status 0.
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

/* Leak checkers of instrumented builds use ptrace() on the process. */
#ifdef FERRY_INSTRUMENTED
enum { IS_INSTRUMENTED = 1 };
#else
enum { IS_INSTRUMENTED = 0 };
#endif

static int is_help(const char *arg)
{
	return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0;
}

static const struct cmd *find_command(int argc, char **argv, struct err *e)
{
	const struct cmd *c;

	if (argc < 2) {
		err_set(e, ERR_USAGE, "missing COMMAND: send, receive, keygen "
			"or help");
		return NULL;
	}
	if (is_help(argv[1]))
		return &cmd_help;
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)
		return &cmd_version;
	c = commands_find(argv[1]);
	if (!c)
		commands_unknown(argc - 1, argv + 1, e);
	return c;
}

/* Whether help is asked for anywhere in a command line that is wrong: beside
 * what is wrong, or as the value of an option. */
static int asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (is_help(argv[i]))
			return 1;
	}
	return 0;
}

/* c: NULL where the command line begins with an option. */
static int show_help(const struct cmd *c, struct err *e)
{
	char name[] = "help";
	char *argv[] = { name, NULL };

	err_clear(e);
	return c ? cmd_show_help(c, e) : cmd_help.run(1, argv, e);
}

/* For a command line without arguments. */
static const char examples[] =
	"To a host that ssh reaches, and back:\n"
	"  ferry send photos host.example:/srv\n"
	"  ferry receive host.example:/srv/photos .\n"
	"With a one-time code, which receive shows and send asks for:\n"
	"  ferry receive /srv/incoming\n"
	"  ferry send photos host.example\n"
	"In scripts, with a key from 'ferry keygen ferry.key', on both hosts:\n"
	"  ferry receive --key ferry.key /srv/incoming\n"
	"  ferry send --key ferry.key photos host.example\n"
	"All commands: ferry help\n";

static void print_error(const struct cmd *c, const struct err *e, int has_args)
{
	const int is_styled = style_is_used(STDERR_FILENO) &&
			      e->code != ERR_INTERRUPTED;
	const char *begin = is_styled ? style_begin(STYLE_ERROR) : "";
	const char *end = is_styled ? STYLE_END : "";
	const char *text = e->text[0] ? e->text : err_name(e->code);
	char ascii[4 * sizeof(e->text)];
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	/* Being stopped is no error of a service. */
	const char *priority = !service_is_journal(STDERR_FILENO) ? "" :
			       e->code == ERR_INTERRUPTED ? "<6>" : "<3>";

	/* A reader that pauses must not keep a process that was told to end. */
	while (poll(&pfd, 1, TICK_MS) <= 0) {
		if (signals_caught())
			return;
	}
	if (charset_is_ascii(STDERR_FILENO))
		text = charset_to_ascii(ascii, sizeof(ascii), text);
	if (e->code == ERR_USAGE && !has_args)
		dprintf(STDERR_FILENO, "%s%sferry:%s %s\n%s", priority, begin,
			end, text, examples);
	else if (e->code == ERR_USAGE)
		dprintf(STDERR_FILENO,
			"%s%sferry:%s %s\nTry: ferry help%s%s\n", priority,
			begin, end, text, c && c != &cmd_help ? " " : "",
			c && c != &cmd_help ? c->name : "");
	else
		dprintf(STDERR_FILENO, "%s%sferry:%s %s: %s\n", priority, begin,
			end, c ? c->name : "", text);
}

int main(int argc, char **argv)
{
	const struct cmd *c;
	struct err e;
	int rc;

	/* Hide the memory before a key or a code is in it: the sandbox, which
	 * does more, comes later, or not at all.  execve() undoes this for the
	 * program of --exec. */
	if (open_standard_fds() < 0 ||
	    (!IS_INSTRUMENTED && process_hide_memory() < 0))
		return err_exit_status(ERR_RESOURCE);
	locked_stack();
	/* a peer or reader that is gone is an error of write(2), EPIPE */
	signal(SIGPIPE, SIG_IGN);
	/* so is a limit on the size of files (ulimit -f), EFBIG */
	signal(SIGXFSZ, SIG_IGN);
	/* asks for a report, once there is something to report */
	signal(SIGUSR1, SIG_IGN);
	name_service_init();
	err_clear(&e);
	c = find_command(argc, argv, &e);
	rc = c ? c->run(argc - 1, argv + 1, &e) : ERR_USAGE;
	if (rc == ERR_USAGE && asks_for_help(argc, argv) &&
	    (c || argv[1][0] == '-'))
		rc = show_help(c, &e);
	if (rc) {
		e.code = rc;
		print_error(c, &e, argc > 1);
	}
	/* everything is cleaned up, and the error is told */
	if (rc && signals_caught())
		signals_die(signals_caught());
	return signals_exit_status(rc);
}
