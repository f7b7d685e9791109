/*
 * The list of subcommands, and ferry help, --help and --version.
 */
#include "cmd/commands.h"

#include <openssl/crypto.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#include "base/text.h"

static const struct cmd *const list[] = {
	&cmd_send, &cmd_receive, &cmd_keygen, &cmd_help,
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
		printf("  ferry %s %s\n", c->name, c->synopsis);
		printf("      %s\n", c->summary);
	}
	puts("\n"
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

static int help_run(int argc, char **argv, struct err *e)
{
	const struct cmd *c;
	char shown[100];
	int first;

	if (strcmp(argv[0], "--version") == 0) {
		if (argc > 1)
			return cmd_extra_operand(argv[1], e);
		return show_version(e);
	}
	first = options_parse(cmd_help.groups, argc, argv, NULL, e);
	if (first < 0)
		return first;
	if (first == 0)
		return cmd_show_help(&cmd_help, e);
	if (first == argc)
		return show_overview(e);
	if (argc - first > 1)
		return cmd_extra_operand(argv[first + 1], e);
	c = commands_find(argv[first]);
	if (c)
		return cmd_show_help(c, e);
	text_escape(shown, sizeof(shown), argv[first], strlen(argv[first]));
	return err_set(e, ERR_USAGE, "unknown command '%s'", shown);
}

static const struct option_row rows[] = {
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP,
	  .help = "show this help" },
};
static const struct option_group options = {
	"Options", rows, sizeof(rows) / sizeof(rows[0])
};
static const struct option_group *const groups[] = { &options, NULL };

const struct cmd cmd_help = {
	.name = "help",
	.synopsis = "[COMMAND]",
	.summary = "show help on ferry or on a command",
	.about = "Show help on ferry, or on a command and its options.",
	.groups = groups,
	.run = help_run,
};
