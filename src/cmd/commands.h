/*
 * commands.h - the list of subcommands.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_COMMANDS_H
#define FERRY_CMD_COMMANDS_H

#include <stddef.h>

#include "cmd/cmd.h"

/* Each has its own file, except help and version, which are in commands.c. */
extern const struct cmd cmd_send, cmd_receive, cmd_keygen, cmd_remote,
	cmd_help, cmd_version;

/* The command with this name or alias, or NULL. */
const struct cmd *commands_find(const char *name);

/* The commands in the order in which help lists them; NULL after the last. */
const struct cmd *commands_at(size_t index);

/* Fail with ERR_USAGE for argv[0], which is no command, with a hint where it is
 * known what was meant. */
int commands_unknown(int argc, char **argv, struct err *e);

#endif
