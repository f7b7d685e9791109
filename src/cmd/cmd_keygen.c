/*
 * ferry keygen: a new shared key.
 */
#include "cmd/commands.h"

#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "auth/key.h"
#include "cmd/charset.h"

static const struct option_row rows[] = {
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP,
	  .help = "show this help" },
};
static const struct option_group options = {
	"Options", rows, sizeof(rows) / sizeof(rows[0]), NULL
};
static const struct option_group *const groups[] = { &options, NULL };

static int keygen_run(int argc, char **argv, struct err *e)
{
	char shown[400], ascii[400];
	const char *path;
	int first = options_parse(groups, argc, argv, NULL, e), rc;

	if (first < 0)
		return first;
	if (first == 0)
		return cmd_show_help(&cmd_keygen, e);
	if (first == argc)
		return err_set(e, ERR_USAGE,
			       "missing FILE to write the new key to");
	if (argc - first > 1)
		return cmd_extra_operand(argv[first + 1], e);
	path = argv[first];
	if (strcmp(path, "-") == 0 || !*path)
		return err_set(e, ERR_USAGE,
			       "keygen writes to a FILE only (give ./- for a "
			       "file named -)");
	rc = key_generate(path, e);
	if (rc < 0)
		return rc;
	text_escape(shown, sizeof(shown), path, strlen(path));
	fprintf(stderr,
		"ferry: wrote a new key to %s; anyone who has a copy can send "
		"and receive\n",
		charset_is_ascii(STDERR_FILENO) ?
			charset_to_ascii(ascii, sizeof(ascii), shown) : shown);
	return 0;
}

const struct cmd cmd_keygen = {
	.name = "keygen",
	.synopsis = "FILE",
	.summary = "write a new shared key to FILE",
	.about = "Write a new shared key to FILE, which must not exist yet, "
		 "readable only by you (mode 0600). Copy it to the other host "
		 "in a way that nobody else can read, such as scp -p, and give "
		 "it with --key on both hosts.",
	.groups = groups,
	.run = keygen_run,
};
