/*
 * ferry keygen: a new shared key.
 */
#include "cmd/commands.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/key.h"
#include "base/text.h"
#include "cmd/charset.h"
#include "cmd/senders_file.h"
#include "receiver/senders.h"

struct keygen_options {
	const char *name; /* of a sender; or NULL */
};

static const struct option_row rows[] = {
	{ .name = "name", .arg = "NAME", .kind = OPTION_TEXT,
	  .off = offsetof(struct keygen_options, name),
	  .help = "print the section of ferry.conf(5) for a sender of this "
		  "name with the new key; FILE is NAME.key by default" },
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP,
	  .help = "show this help" },
};
static const struct option_group options = {
	"Options", rows, sizeof(rows) / sizeof(rows[0]), NULL
};
static const struct option_group *const groups[] = { &options, NULL };

/* A value there ends with its line, and blanks at its ends do not count. */
static int check_path(const char *path, struct err *e)
{
	char shown[400];
	const char *c = path;

	while (*c && (unsigned char)*c >= ' ' && *c != 0x7f)
		c++;
	if (!*c && path[strlen(path) - 1] != ' ')
		return 0;
	return err_set(e, ERR_USAGE, "%s cannot stand in ferry.conf, as it has "
		       "a control character, or a blank at its end: choose "
		       "another FILE for the key",
		       text_escape(shown, sizeof(shown), path, strlen(path)));
}

/* The section, to standard output. */
static int print_section(const char *name, const char *path, struct err *e)
{
	char *real = realpath(path, NULL);
	int rc = check_path(real ? real : path, e);

	if (rc == 0)
		printf("[%s]\nkey = %s\n", name, real ? real : path);
	free(real);
	return rc ? rc : cmd_flush_stdout(e);
}

static int keygen_run(int argc, char **argv, struct err *e)
{
	struct keygen_options opts = { .name = NULL };
	char shown[400], ascii[400], own[SENDER_NAME_MAX + sizeof(".key")];
	const char *path;
	int first = options_parse(groups, argc, argv, &opts, e), rc;

	if (first < 0)
		return first;
	if (first == 0)
		return cmd_show_help(&cmd_keygen, e);
	if (opts.name && !senders_file_is_name(opts.name))
		return err_set(e, ERR_USAGE, "--name needs " SENDERS_FILE_NAME);
	if (first == argc && !opts.name)
		return err_set(e, ERR_USAGE,
			       "missing FILE to write the new key to");
	if (argc - first > 1)
		return cmd_extra_operand(argv[first + 1], e);
	if (first == argc) {
		snprintf(own, sizeof(own), "%s.key", opts.name);
		path = own;
	} else {
		path = argv[first];
	}
	if (strcmp(path, "-") == 0 || !*path)
		return err_set(e, ERR_USAGE,
			       "keygen writes to a FILE only (give ./- for a "
			       "file named -)");
	rc = opts.name ? check_path(path, e) : 0;
	if (rc == 0)
		rc = key_generate(path, e);
	if (rc < 0)
		return rc;
	text_escape(shown, sizeof(shown), path, strlen(path));
	fprintf(stderr,
		"ferry: wrote a new key to %s; anyone who has a copy can send "
		"and receive\n",
		charset_is_ascii(STDERR_FILENO) ?
			charset_to_ascii(ascii, sizeof(ascii), shown) : shown);
	return opts.name ? print_section(opts.name, path, e) : 0;
}

const struct cmd cmd_keygen = {
	.name = "keygen",
	.synopsis = "[--name NAME] FILE",
	.summary = "write a new shared key to FILE",
	.about = "Write a new shared key to FILE, which must not exist yet, "
		 "readable only by you (mode 0600). Copy it to the other host "
		 "in a way that nobody else can read, such as scp -p, and give "
		 "it with --key on both hosts. With --name, print the section "
		 "for the receiver's ferry.conf as well.",
	.groups = groups,
	.run = keygen_run,
};
