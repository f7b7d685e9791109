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

/* Each has its own file, except help, which is in commands.c. */
extern const struct cmd cmd_send, cmd_receive, cmd_keygen, cmd_help;

/* The command with this name or alias, or NULL. */
const struct cmd *commands_find(const char *name);

/* The commands in the order in which help lists them; NULL after the last. */
const struct cmd *commands_at(size_t index);

#endif
