/*
 * The list of subcommands, and ferry help, --help and --version.
 */
#include "cmd/commands.h"

#include <openssl/crypto.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#include "auth/code.h"
#include "base/similar.h"
#include "base/text.h"
#include "cmd/complete.h"
#include "os/lacks.h"
#include "remote/target.h"

static const struct cmd *const list[] = {
	&cmd_send, &cmd_receive, &cmd_keygen, &cmd_remote, &cmd_help,
	&cmd_version,
};

const struct cmd *commands_at(size_t index)
{
	return index < sizeof(list) / sizeof(list[0]) ? list[index] : NULL;
}

const struct cmd *commands_find(const char *name)
{
	const struct cmd *c;

	for (size_t i = 0; (c = commands_at(i)); i++) {
		if (strcmp(c->name, name) == 0 ||
		    (c->alias && strcmp(c->alias, name) == 0))
			return c;
	}
	return NULL;
}

/* ---- what is no command ---- */

/* The command that name is near to, or that does what it does in other tools;
 * NULL if there is none. */
static const char *nearest_command(const char *name)
{
	static const char *const meant[][2] = {
		{ "scp", "send" },	   { "rsync", "send" },
		{ "sync", "send" },	   { "share", "send" },
		{ "fetch", "receive" },	   { "accept", "receive" },
		{ "put", "send" },	   { "push", "send" },
		{ "upload", "send" },	   { "copy", "send" },
		{ "cp", "send" },	   { "client", "send" },
		{ "connect", "send" },	   { "tx", "send" },
		{ "get", "receive" },	   { "pull", "receive" },
		{ "download", "receive" }, { "listen", "receive" },
		{ "serve", "receive" },	   { "server", "receive" },
		{ "daemon", "receive" },   { "rx", "receive" },
		{ "genkey", "keygen" },	   { "key", "keygen" },
		{ "man", "help" },	   { "usage", "help" },
	};
	const struct cmd *c;
	struct similar s;

	for (size_t i = 0; i < sizeof(meant) / sizeof(meant[0]); i++) {
		if (strcmp(meant[i][0], name) == 0)
			return meant[i][1];
	}
	similar_begin(&s, name);
	for (size_t i = 0; (c = commands_at(i)); i++) {
		similar_offer(&s, c->name);
		if (c->alias)
			similar_offer(&s, c->alias);
	}
	return s.nearest;
}

int commands_unknown(int argc, char **argv, struct err *e)
{
	const char *name = argv[0], *near = nearest_command(name);
	char shown[100], line[300], code[CODE_MAX];
	struct similar s;

	text_escape(shown, sizeof(shown), name, strlen(name));
	cmd_show_words(line, sizeof(line), argv, argc);
	if (name[0] == '-' && argc > 2)
		return err_set(e, ERR_USAGE,
			       "unknown option '%s' (the command comes first); "
			       "write: ferry send %s", shown, line);
	similar_begin(&s, name);
	similar_offer(&s, "--help");
	similar_offer(&s, "--version");
	if (argc == 1 && name[0] == '-' && s.nearest)
		return err_set(e, ERR_USAGE, "unknown option '%s'; did you mean "
			       "'ferry %s'?", shown, s.nearest);
	if (name[0] == '-')
		return err_set(e, ERR_USAGE,
			       "unknown option '%s' (the command comes first)",
			       shown);
	if (argc > 1 && access(name, F_OK) < 0 && target_is_ssh(name))
		return err_set(e, ERR_USAGE, "'%s' is a place, not a command; "
			       "to fetch it, write: ferry receive %s", shown,
			       line);
	if (near)
		return err_set(e, ERR_USAGE, "unknown command '%s'; did you "
			       "mean 'ferry %s'?", shown, near);
	if (code_parse(code, name, strlen(name), e) == 0) {
		code_wipe(code);
		return err_set(e, ERR_USAGE, "a one-time code is no command: "
			       "ferry receive shows one, and ferry send "
			       "PATH... HOST asks for it");
	}
	if (argc > 1 && (strchr(name, '/') || access(name, F_OK) == 0))
		return err_set(e, ERR_USAGE, "'%s' is a path, not a command; "
			       "write: ferry send %s", shown, line);
	return err_set(e, ERR_USAGE, "unknown command '%s'", shown);
}

/* ---- version and help ---- */

struct help_options {
	int tables, hosts; /* for programs, not for people */
};

/* The versions of the libraries loaded at run time, not at compile time. */
static int show_version(struct err *e)
{
	const unsigned xxh = XXH_versionNumber();

	printf("ferry %s\n", FERRY_VERSION);
	printf("OpenSSL %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
	printf("zlib %s\n", zlibVersion());
	printf("libzstd %s\n", ZSTD_versionString());
	printf("libxxhash %u.%u.%u\n", xxh / 10000, xxh / 100 % 100,
	       xxh % 100);
	if (lacks_text())
		printf("%s\n", lacks_text());
	return cmd_flush_stdout(e);
}

static int show_overview(struct err *e)
{
	const struct cmd *c;

	puts("Usage: ferry COMMAND [OPTION]... [OPERAND]...\n"
	     "       ferry --help | --version\n"
	     "\n"
	     "Moves files between hosts: ferry receive on one, ferry send on "
	     "the other.\n"
	     "\n"
	     "Commands:");
	for (size_t i = 0; (c = commands_at(i)); i++) {
		printf("  ferry %s%s%s\n", c->name, *c->synopsis ? " " : "",
		       c->synopsis);
		printf("      %s\n", c->summary);
	}
	puts("\n"
	     "To a host that ssh reaches, and back:\n"
	     "  ferry send photos host.example:/srv\n"
	     "  ferry receive host.example:/srv/photos .\n"
	     "\n"
	     "Interactively, with a one-time code that receive shows and send "
	     "asks for:\n"
	     "  ferry receive /srv/incoming\n"
	     "  ferry send photos host.example\n"
	     "\n"
	     "In scripts, with a shared key, of which both hosts have a copy:\n"
	     "  ferry keygen ferry.key\n"
	     "  ferry receive --key ferry.key /srv/incoming\n"
	     "  ferry send --key ferry.key photos host.example\n"
	     "\n"
	     "'ferry help COMMAND' lists a command's options; see ferry(1) for "
	     "the rest.");
	return cmd_flush_stdout(e);
}

/* For the completion of shells: the commands, or the options of one. */
static int show_tables(const char *name, struct err *e)
{
	const struct cmd *c = name ? commands_find(name) : NULL;

	if (c)
		complete_print_options(stdout, c);
	for (size_t i = 0; !name && (c = commands_at(i)); i++)
		complete_print_command(stdout, c);
	return cmd_flush_stdout(e);
}

static int help_run(int argc, char **argv, struct err *e)
{
	const struct cmd *c;
	struct help_options opts = { .tables = 0 };
	int first;

	first = options_parse(cmd_help.groups, argc, argv, &opts, e);
	if (first < 0)
		return first;
	if (first == 0)
		return cmd_show_help(&cmd_help, e);
	if (argc - first > 1)
		return cmd_extra_operand(argv[first + 1], e);
	if (opts.hosts && first < argc)
		return cmd_extra_operand(argv[first], e);
	if (opts.hosts) {
		const int rc = complete_print_hosts(stdout, e);

		return rc ? rc : cmd_flush_stdout(e);
	}
	c = first < argc ? commands_find(argv[first]) : NULL;
	if (opts.tables && (c || first == argc))
		return show_tables(argv[first], e);
	if (first == argc)
		return show_overview(e);
	if (c)
		return cmd_show_help(c, e);
	return commands_unknown(1, argv + first, e);
}

static int version_run(int argc, char **argv, struct err *e)
{
	const int first = options_parse(cmd_version.groups, argc, argv, NULL,
					e);

	if (first < 0)
		return first;
	if (first == 0)
		return cmd_show_help(&cmd_version, e);
	if (first < argc)
		return cmd_extra_operand(argv[first], e);
	return show_version(e);
}

static const struct option_row rows[] = {
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP,
	  .help = "show this help" },
};
static const struct option_group options = {
	"Options", rows, sizeof(rows) / sizeof(rows[0]), NULL
};

static const struct option_row help_rows[] = {
	{ .name = "options", .kind = OPTION_FLAG, .value = 1,
	  .off = offsetof(struct help_options, tables),
	  .help = "print the commands, or the options of COMMAND, for programs: "
		  "a line each, with tabs between the fields" },
	{ .name = "hosts", .kind = OPTION_FLAG, .value = 1,
	  .off = offsetof(struct help_options, hosts),
	  .help = "print the hosts that ssh's configuration, known_hosts and "
		  "/etc/hosts name, for programs: a line each" },
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP,
	  .help = "show this help" },
};
static const struct option_group help_options = {
	"Options", help_rows, sizeof(help_rows) / sizeof(help_rows[0]), NULL
};
static const struct option_group *const help_groups[] = { &help_options,
							  NULL };
static const struct option_group *const groups[] = { &options, NULL };

const struct cmd cmd_help = {
	.name = "help",
	.synopsis = "[--hosts | --options] [COMMAND]",
	.summary = "show help on ferry or on a command",
	.about = "Show help on ferry, or on a command and its options.",
	.groups = help_groups,
	.run = help_run,
};

const struct cmd cmd_version = {
	.name = "version",
	.synopsis = "",
	.summary = "show the version of ferry and its libraries",
	.about = "Show the version of ferry, and of the libraries that it has "
		 "loaded. 'ferry --version' and 'ferry -V' do the same.",
	.groups = groups,
	.run = version_run,
};
