/*
 * options.h - one table of options for parsing, checking and --help.
 *
 * Layer: cmd.
 * Threads: getopt_long() is not thread-safe; called before there are threads.
 *
 * Each command has one const table of groups of rows.  It drives both the
 * parser and --help, so the two cannot drift apart.
 */
#ifndef FERRY_CMD_OPTIONS_H
#define FERRY_CMD_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum option_kind {
	OPTION_HELP,   /* ends the parsing: options_parse() returns 0 */
	OPTION_FLAG,   /* int: the bits of value are set */
	OPTION_TEXT,   /* const char *: borrowed from argv, never empty */
	OPTION_NUMBER, /* uint64_t: min..max */
	OPTION_SIZE,   /* uint64_t: min..max, with an optional K, M, G, T */
	OPTION_TIME,   /* uint64_t: min..max seconds, or with s, m, h, d, w */
	OPTION_WORD,   /* int: the value of one of words */
	OPTION_SET,    /* whatever set() makes of it */
	OPTION_FORWARD, /* struct option_forwards: kept as it is for another
			   command line */
};

struct option_word {
	const char *word; /* NULL ends a list */
	int value;
	const char *meaning; /* in a few words, for completion by a shell */
};

enum { OPTION_FORWARDS_MAX = 256 };

/* The options of kind OPTION_FORWARD, in their order. */
struct option_forwards {
	size_t count;
	struct {
		const char *name;  /* without "--" */
		const char *value; /* borrowed from argv; NULL: none */
	} list[OPTION_FORWARDS_MAX];
};

struct option_row {
	char letter;      /* short name, or 0 */
	const char *name; /* long name, or NULL */
	const char *arg;  /* name of the value; NULL: takes none; "[=...]": the
			     value is optional and follows without a space */
	const char *help;
	enum option_kind kind;
	size_t off;       /* of the field in the command's options */
	int value;
	uint64_t min, max;
	/* With OPTION_SET: of which the value is a list, or with which it
	 * begins.  They are completed, and what is near to one is guessed. */
	const struct option_word *words;
	/* The allowed values, for the message, where "WORDS" stands for the
	 * words; NULL: made from the kind, limits or words. */
	const char *wants;
	/* Returns nonzero if value (NULL: left out) is not allowed. */
	int (*set)(void *field, const char *value);
	/* Write to dst what was probably meant by value.  Returns nonzero if
	 * that is known.  NULL: what is near to one of words. */
	int (*guess)(char *dst, size_t size, const char *value);
};

/* Options that people bring along from other tools, or from the other command,
 * and what to tell them. */
struct option_habit {
	const char *names; /* separated by spaces; NULL ends a list */
	const char *hint;
	int is_needless;   /* it is right to leave them out */
};

struct option_group {
	const char *title;
	const struct option_row *rows;
	size_t count;
	const struct option_habit *habits; /* or NULL */
};

enum { OPTIONS_MAX = 80 }; /* rows in all groups of a command */

/*
 * Parse argv (argv[0] is the command's name) into opts, whose fields the rows
 * name.  Operands may be anywhere; they are moved to the end of argv.  "--"
 * ends the options.  Long names cannot be abbreviated.  groups ends with NULL.
 *
 * Returns the index of the first operand (argc if there is none); 0 if help
 * was requested; or ERR_USAGE with a text for the user, escaped.
 */
int options_parse(const struct option_group *const *groups, int argc,
		  char **argv, void *opts, struct err *e);

/* Set the field of opts that row names to value, which is called name in the
 * message.  Returns 0, or ERR_USAGE with a text for the user, escaped. */
int options_set(const struct option_row *row, const char *name, void *opts,
		const char *value, struct err *e);

/* Print every group with its rows, at most 80 columns wide.  The caller
 * checks ferror(). */
void options_print(FILE *f, const struct option_group *const *groups);

/* Print text wrapped to 80 columns, each line but the first indented by
 * `indent`; column is where the first begins.  Ends with a newline. */
void options_wrap(FILE *f, const char *text, int column, int indent);

#endif
