/*
 * cmd.h - the interface of a subcommand, and functions that all of them use.
 * Each subcommand has its own file; commands.h lists them.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_CMD_H
#define FERRY_CMD_CMD_H

#include <stdio.h>

#include "base/err.h"
#include "cmd/options.h"

/* Defined by the Makefile. */
#ifndef FERRY_VERSION
#define FERRY_VERSION "(unnamed version)"
#endif

struct cmd {
	const char *name;
	const char *alias;    /* another name, or NULL */
	const char *synopsis; /* what follows "ferry NAME " */
	const char *summary;  /* one line */
	const char *about;    /* a paragraph for --help */
	/* ends with NULL */
	const struct option_group *const *groups;
	/*
	 * argv[0] is the command's name or alias.  Returns 0 or an enum
	 * err_code with a text in e, which for ERR_USAGE may have several
	 * lines.
	 */
	int (*run)(int argc, char **argv, struct err *e);
};

/* Print a command's help to f. */
void cmd_print_help(FILE *f, const struct cmd *cmd);

/* Print a command's help to standard output.  Returns 0 or ERR_LOCAL. */
int cmd_show_help(const struct cmd *cmd, struct err *e);

/* Flush standard output.  Returns 0, or ERR_LOCAL if part of it could not
 * be written. */
int cmd_flush_stdout(struct err *e);

/* Write a command line to dst, each word escaped, and quoted for a shell where
 * it needs that.  Returns dst. */
char *cmd_show_words(char *dst, size_t size, char *const *words, int count);

/* Fail with ERR_USAGE for an extra operand. */
int cmd_extra_operand(const char *operand, struct err *e);

#endif
