/*
 * ferry remote: what ssh starts on the other host.
 */
#include "cmd/commands.h"

#include <fcntl.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cmd/ordered.h"
#include "cmd/receive_words.h"
#include "remote/only.h"
#include "remote/server.h"
#include "session/direct.h"

enum { ORDER_MS = 60000, SHOWN_MAX = 200 };

struct remote_options {
	const char *only;
	int read_only, write_only;
	const char *accept;
	int data; /* enum direct_use */
};

#define OFF(field) offsetof(struct remote_options, field)

static const struct option_word data_words[] = {
	{ "auto", DIRECT_AUTO, "directly where that works" },
	{ "ssh", DIRECT_NEVER, "through ssh" },
	{ NULL, 0, NULL },
};

static const struct option_row rows[] = {
	{ .name = "only", .arg = "DIR", .kind = OPTION_TEXT, .off = OFF(only),
	  .help = "only what is in this directory, where relative paths begin" },
	{ .name = "read-only", .kind = OPTION_FLAG, .value = 1,
	  .off = OFF(read_only), .help = "only ferry receive HOST:PATH" },
	{ .name = "write-only", .kind = OPTION_FLAG, .value = 1,
	  .off = OFF(write_only), .help = "only ferry send PATH HOST:DIR" },
	{ .name = "accept", .arg = "LIST", .kind = OPTION_TEXT,
	  .off = OFF(accept), .words = receive_words_accept,
	  .help = "what a sender may ask for, as for ferry receive (default: "
		  "all)" },
	{ .name = "data", .arg = "WAY", .kind = OPTION_WORD, .off = OFF(data),
	  .words = data_words,
	  .help = "ssh: never listen for direct connections; auto (default): "
		  "as the other side wants" },
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP,
	  .help = "show this help" },
};
static const struct option_group options = {
	"Options, for a forced command in authorized_keys (see sshd(8))", rows,
	sizeof(rows) / sizeof(rows[0]), NULL
};
static const struct option_group *const groups[] = { &options, NULL };

/* The home directory of this user, or of the one with this name; NULL where it
 * is not known.  Borrowed until the next call. */
static const char *find_home(const char *user)
{
	const char *home = *user ? NULL : getenv("HOME");
	const struct passwd *pw;

	if (home && *home)
		return home;
	pw = *user ? getpwnam(user) : getpwuid(getuid());
	return pw ? pw->pw_dir : NULL;
}

/* Paths are relative to the home directory, wherever the login shell has left
 * us. */
static int go_home(struct err *e)
{
	const char *home = find_home("");
	char shown[SHOWN_MAX];

	if (!home)
		return err_set(e, ERR_LOCAL, "no home directory is known");
	if (chdir(home) < 0)
		return err_sys(e, ERR_LOCAL, "cannot enter the home directory "
			       "%s", text_escape(shown, sizeof(shown), home,
						 strlen(home)));
	return 0;
}

/* Replace ~ and ~USER at the beginning of a path, as a shell would, and "-".
 * *path becomes the new one, which the caller frees, or stays NULL where there
 * is nothing to replace.  Returns 0 or an error. */
static int expand_home(const struct only *only, const char *given, char **path,
		       struct err *e)
{
	const size_t len = strcspn(given, "/");
	char user[SHOWN_MAX], shown[SHOWN_MAX];
	const char *home, *rest = given + len;
	size_t size;

	/* a name here, not standard input */
	if (strcmp(given, "-") == 0) {
		*path = strdup("./-");
		return *path ? 0 : err_set(e, ERR_RESOURCE, "out of memory");
	}
	if (given[0] != '~')
		return 0;
	/* what is in it: nobody has named the directory itself */
	if (!rest[strspn(rest, "/")])
		rest = "/.";
	snprintf(user, sizeof(user), "%.*s", (int)len - 1, given + 1);
	if (only && *user)
		return err_set(e, ERR_REMOTE,
			       "home directories are not for this log-in, which "
			       "is restricted to a directory (--only)");
	home = only ? only_dir(only) : find_home(user);
	if (!home)
		return err_set(e, ERR_LOCAL, "there is no user '%s' (a name "
			       "that begins with ~ is written ./~...)",
			       text_escape(shown, sizeof(shown), user,
					   strlen(user)));
	size = strlen(home) + strlen(rest) + 1;
	*path = malloc(size);
	if (!*path)
		return err_set(e, ERR_RESOURCE, "out of memory");
	snprintf(*path, size, "%s%s", home, rest);
	return 0;
}

/* The same for all operands, which may not lead out of `only`; made[i] is what
 * the caller frees. */
static int expand_operands(struct ordered *o, const struct only *only,
			   char **made, struct err *e)
{
	int i = 1, rc = 0;

	while (i < o->argc && strcmp(o->argv[i], "--") != 0)
		i++;
	for (i++; rc == 0 && i < o->argc; i++) {
		rc = expand_home(only, o->argv[i], &made[i], e);
		if (made[i])
			o->argv[i] = made[i];
		if (rc == 0 && only)
			rc = only_check(only, o->argv[i], e);
	}
	return rc;
}

/* What the options of ferry remote forbid.  Returns 0 or ERR_REMOTE. */
static int check_restrictions(const struct ordered *o,
			      const struct remote_options *opts, struct err *e)
{
	const int sends = strcmp(o->argv[0], "send") == 0;

	if (sends && opts->write_only)
		return err_set(e, ERR_REMOTE,
			       "this log-in is only for sending to here "
			       "(--write-only)");
	if (!sends && opts->read_only)
		return err_set(e, ERR_REMOTE,
			       "this log-in is only for receiving from here "
			       "(--read-only)");
	for (int i = 1; opts->only && i < o->argc; i++) {
		if (strcmp(o->argv[i], "--") == 0)
			break;
		if (strcmp(o->argv[i], "--symlinks=follow") == 0)
			return err_set(e, ERR_REMOTE,
				       "--symlinks follow is not for this log-in, "
				       "which is restricted to a directory "
				       "(--only)");
	}
	return 0;
}

static int run_command(const struct ordered *o, struct err *e)
{
	if (strcmp(o->argv[0], "receive") == 0)
		return cmd_receive_ordered(o, e);
	if (strcmp(o->argv[0], "send") == 0)
		return cmd_send_ordered(o, e);
	return err_set(e, ERR_PROTOCOL,
		       "ferry here does not know what was ordered (is it an "
		       "older release?)");
}

static int follow_order(struct server *server, const struct only *only,
			const struct remote_options *opts, struct err *e)
{
	struct ordered o = { .carrier = server_carrier(server),
			     .host = server_host(server),
			     .accept = opts->accept,
			     .data = opts->data };
	char **made;
	int rc = only ? 0 : go_home(e);

	o.argv = server_order(server, &o.argc);
	/* argv is permuted, so these are not found by their place in it */
	made = calloc((size_t)o.argc, sizeof(*made));
	if (!made)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	if (rc == 0)
		rc = check_restrictions(&o, opts, e);
	if (rc == 0)
		rc = expand_operands(&o, only, made, e);
	if (rc == 0)
		rc = run_command(&o, e);
	for (int i = 0; made && i < o.argc; i++)
		free(made[i]);
	free(made);
	if (rc) {
		server_refuse(server, e);
		/* The other side tells its user, who has what is said here on
		 * the same terminal.  The sandbox does not allow dup2(). */
		(void)close(STDERR_FILENO);
	}
	return rc;
}

static int serve(int argc, char **argv, struct err *e)
{
	struct remote_options opts = { 0 };
	const int first = options_parse(groups, argc, argv, &opts, e);
	struct server *server;
	struct only *only = NULL;
	int rc;

	if (first < 0)
		return first;
	if (first == 0)
		return cmd_show_help(&cmd_remote, e);
	if (first < argc)
		return cmd_extra_operand(argv[first], e);
	if (opts.read_only && opts.write_only)
		return err_set(e, ERR_USAGE,
			       "--read-only and --write-only exclude each other");
	/* before anything from the other side is read */
	if (opts.only) {
		only = only_enter(opts.only, e);
		if (!only)
			return e->code;
	}
	server = server_new(ORDER_MS, e);
	rc = server ? follow_order(server, only, &opts, e) : e->code;
	server_free(server);
	only_free(only);
	return rc;
}

static int remote_main(int argc, char **argv, struct err *e)
{
	const int by_ssh = !isatty(STDIN_FILENO);
	char host[SHOWN_MAX] = "", shown[SHOWN_MAX];
	int rc = serve(argc, argv, e);

	/* What goes wrong before there is an order is read among the messages
	 * of the ferry that has started ssh. */
	if (rc < 0 && by_ssh && gethostname(host, sizeof(host) - 1) == 0)
		err_prefix(e, "%s", text_escape(shown, sizeof(shown), host,
						strlen(host)));
	return rc;
}

const struct cmd cmd_remote = {
	.name = "remote",
	.synopsis = "[OPTION]...",
	.summary = "what ssh starts on the other host; not for the command line",
	.about = "The other side of ferry send PATH... HOST:DIR and ferry "
		 "receive HOST:PATH... DIR, which start it by ssh. It reads what "
		 "it is to do from standard input.",
	.groups = groups,
	.run = remote_main,
};
