/*
 * complete.h - what a shell needs to complete a command line: the commands, and
 * the options of each, from their tables; and names of hosts.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_COMPLETE_H
#define FERRY_CMD_COMPLETE_H

#include <stdio.h>

#include "cmd/cmd.h"

/*
 * Print the options of a command, an item a line with tabs between its fields:
 *
 *	option LETTER NAME ARG HELP      LETTER, NAME and ARG may be "-": none
 *	value WORD MEANING               of the option before; MEANING may be ""
 *
 * ARG begins with "[" where the value may be left out.  The caller checks
 * ferror().
 */
void complete_print_options(FILE *f, const struct cmd *cmd);

/* Print a command as "command NAME SUMMARY", and its alias likewise. */
void complete_print_command(FILE *f, const struct cmd *cmd);

/* Print the names of hosts that are known here (remote/host_names.h), each once
 * in a line.  Returns 0 or ERR_RESOURCE. */
int complete_print_hosts(FILE *f, struct err *e);

#endif
