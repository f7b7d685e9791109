/*
 * The operands of ferry send.
 */
#include "cmd/send_operands.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "cmd/operand_hints.h"
#include "net/resolver.h"
#include "remote/host_names.h"

enum { SHOWN_MAX = 200 };

static const char *escape(char *dst, const char *text)
{
	return text_escape(dst, SHOWN_MAX, text, strlen(text));
}

int send_operands_is_stdin(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int exists(const char *path)
{
	struct stat st;

	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): argv */
	return lstat(path, &st) == 0;
}

void send_operands_hint_at_host(const struct send_operands *o, struct err *e)
{
	char host[SHOWN_MAX];

	escape(host, o->host);
	if (exists(o->host))
		err_append(e, " (a file with this name exists here: is HOST "
			      "missing?)");
	else if (o->ssh_knows)
		err_append(e, " (ssh knows it: to send by ssh, write %s:DIR, or "
			      "%s: for the home directory there)", host, host);
}

static int operand_missing(int count, const char *only, struct err *e)
{
	char text[SHOWN_MAX];

	if (count == 0)
		return err_set(e, ERR_USAGE,
			       "missing PATH and HOST");
	if (exists(only) || send_operands_is_stdin(only) || strchr(only, '/'))
		return err_set(e, ERR_USAGE,
			       "missing HOST after '%s'",
			       escape(text, only));
	return err_set(e, ERR_USAGE,
		       "missing PATH before '%s'",
		       escape(text, only));
}

/* The last operand is not a host: say what was probably meant. */
static int bad_host(const struct send_operands *o, struct err *e)
{
	const char *host = o->host, *colon = strchr(host, ':');

	send_operands_hint_at_host(o, e);
	if (!exists(host) && colon && colon[1] &&
	    !colon[1 + strspn(colon + 1, "0123456789")])
		err_append(e, " (a directory of digits, by ssh, is written "
			      "HOST:./N)");
	return e->code;
}

/* Parse the last operand, the host. */
static int read_host(struct send_operands *o, const struct common_options *common,
		     struct err *e)
{
	const int is_stdin = send_operands_is_stdin(o->host);
	char text[SHOWN_MAX];

	o->is_ssh = target_is_ssh(o->host);
	if (o->is_ssh && target_parse(&o->target, o->host, e))
		return err_prefix(e, "'%s'", escape(text, o->host));
	if (o->is_ssh)
		return 0;
	if (is_stdin || strchr(o->host, '/'))
		return err_set(e, ERR_USAGE,
			       "the last operand must be the HOST to send to, "
			       "but '%s' is %s", escape(text, o->host),
			       is_stdin ? "standard input" :
					  "a path (to copy on this host, use "
					  "cp -a)");
	if (common_target(common, "HOST", o->host, &o->dest, e))
		return bad_host(o, e);
	/* Later its configuration cannot be read. */
	o->ssh_knows = !o->dest.has_port && !resolver_is_address(o->host) &&
		       host_names_ssh_knows(o->host);
	return 0;
}

/* With --listen, all operands are PATHs.  The last of several that does not
 * exist is rather a HOST than a file that is missing. */
static int check_no_host(int count, char **args, struct err *e)
{
	const char *last = count > 1 ? args[count - 1] : "";
	char text[SHOWN_MAX];

	if (!*last || send_operands_is_stdin(last) || strchr(last, '/') ||
	    exists(last))
		return 0;
	return err_set(e, ERR_USAGE,
		       "with --listen there is no HOST, and no file '%s' "
		       "either: either leave out '%s' or --listen",
		       escape(text, last), text);
}

/* With --files-from: [DIR] HOST. */
static int read_list_operands(struct send_operands *o,
			      const struct send_options *opts, int count,
			      char **args, struct err *e)
{
	const int dirs = opts->listen ? count : count - 1;
	char text[SHOWN_MAX];

	if (dirs < 0)
		return err_set(e, ERR_USAGE, "missing HOST");
	if (dirs > 1)
		return err_set(e, ERR_USAGE,
			       "--files-from allows one PATH, the directory "
			       "that the names are relative to: extra operand "
			       "'%s'", escape(text, args[1]));
	o->list_dir = dirs == 1 ? args[0] : ".";
	if (send_operands_is_stdin(o->list_dir))
		return err_set(e, ERR_USAGE,
			       "with --files-from, PATH must be a directory, "
			       "not standard input");
	if (opts->name || o->command)
		return err_set(e, ERR_USAGE,
			       "%s and --files-from exclude each other",
			       o->command ? "--" SEND_OPTIONS_COMMAND : "--name");
	if (opts->listen)
		return 0;
	o->host = args[count - 1];
	return read_host(o, &opts->common, e);
}

/* What excludes what about standard input. */
static int check_stdin_operands(const struct send_operands *o,
				const struct send_options *opts, struct err *e)
{
	if (o->has_stdin > 1)
		return err_set(e, ERR_USAGE,
			       "standard input (-) is named twice");
	if (o->has_stdin && o->command)
		return err_set(e, ERR_USAGE,
			       "standard input (-) and --" SEND_OPTIONS_COMMAND
			       " exclude each other");
	if (opts->name && !o->has_stdin && !o->command)
		return err_set(e, ERR_USAGE,
			       "--name needs standard input (-) as a PATH, or "
			       "--" SEND_OPTIONS_COMMAND);
	return 0;
}

int send_operands_read(struct send_operands *o, const struct send_options *opts,
		       int count, char **args, struct err *e)
{
	int rc;

	if (opts->from_command && !o->command)
		return err_set(e, ERR_USAGE,
			       "--" SEND_OPTIONS_COMMAND " needs a command: %s-- "
			       "COMMAND [ARG]...", opts->listen ? "" : "HOST ");
	if (opts->files_from)
		return read_list_operands(o, opts, count, args, e);
	if (opts->null)
		return err_set(e, ERR_USAGE, "-0 needs --files-from");
	o->paths = args;
	o->path_count = opts->listen ? count : count - 1;
	if (o->path_count < 0 && o->command)
		return err_set(e, ERR_USAGE, "missing HOST before --");
	if (count == 0 && opts->listen && !o->command)
		return err_set(e, ERR_USAGE, "missing PATH");
	if (o->path_count <= 0 && !opts->listen && !o->command)
		return operand_missing(count, count ? args[0] : NULL, e);
	for (int i = 0; i < o->path_count; i++)
		o->has_stdin += send_operands_is_stdin(args[i]);
	rc = check_stdin_operands(o, opts, e);
	if (rc == 0 && opts->listen)
		return check_no_host(count, args, e);
	o->host = args[count - 1];
	if (rc == 0)
		rc = operand_hints_send(args, count, e);
	return rc ? rc : read_host(o, &opts->common, e);
}
