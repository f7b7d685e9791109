/*
 * ferry keygen: a new shared key.
 */
#include "cmd/commands.h"

#include <errno.h>
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

/* The path of a file that is not there yet, without symlinks; NULL when out of
 * memory.  Where its directory cannot be found, neither can the file be
 * written: key_generate() says why. */
static char *resolve(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) :
			    strdup(".");
	char *real = dir ? realpath(dir, NULL) : NULL;
	const int is_lost = !dir || (!real && errno == ENOMEM);
	char *whole = NULL;

	if (real)
		whole = text_format("%s/%s", strcmp(real, "/") == 0 ? "" : real,
				    slash ? slash + 1 : path);
	else if (!is_lost)
		whole = strdup(path);
	free(real);
	free(dir);
	return whole;
}

/* The section for the key at path, to standard output. */
static int print_section(const char *name, const char *path, struct err *e)
{
	printf("[%s]\nkey = %s\n", name, path);
	return cmd_flush_stdout(e);
}

static int keygen_run(int argc, char **argv, struct err *e)
{
	struct keygen_options opts = { .name = NULL };
	char shown[400], ascii[400], own[SENDER_NAME_MAX + sizeof(".key")];
	char *real = NULL;
	const char *path;
	int first = options_parse(groups, argc, argv, &opts, e), rc = 0;

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
	if (opts.name) {
		real = resolve(path);
		rc = real ? check_path(real, e) :
			    err_set(e, ERR_RESOURCE, "out of memory");
	}
	if (rc == 0)
		rc = key_generate(path, e);
	if (rc < 0) {
		free(real);
		return rc;
	}
	text_escape(shown, sizeof(shown), path, strlen(path));
	fprintf(stderr,
		"ferry: wrote a new key to %s; anyone who has a copy can send "
		"and receive\n",
		charset_is_ascii(STDERR_FILENO) ?
			charset_to_ascii(ascii, sizeof(ascii), shown) : shown);
	rc = real ? print_section(opts.name, real, e) : 0;
	free(real);
	return rc;
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
