/*
 * command.h - the command of --stdin-from-command, whose output is sent.
 *
 * Layer: sender.
 * Threads: command_new() before there are any; command_take_result() by one
 * thread at a time; the rest from the caller's.
 *
 * The command is the child of a helper (os/helper.h), as the sandbox allows
 * neither to start a program nor to send a signal to one outside.  The helper
 * runs the command once, passes signals on to it, and reports how it ended.
 * When the sender is gone, however that ended, it sends SIGTERM to the command.
 *
 * The command has this process's standard input and error.  There is no shell.
 */
#ifndef FERRY_SENDER_COMMAND_H
#define FERRY_SENDER_COMMAND_H

#include "base/err.h"

struct command;

/* Start the helper for this command (the program, looked up in PATH, and
 * its arguments; ends with NULL; borrowed until command_free()).  NULL with
 * ERR_RESOURCE. */
struct command *command_new(char *const *argv, struct err *e);

/* Run the command.  Returns 0; ERR_LOCAL with errno where it cannot be started;
 * ERR_RESOURCE. */
int command_start(struct command *c, struct err *e);

/* Where its output can be read; borrowed. */
int command_output_fd(const struct command *c);

/* A socket: signals that are written to it, each as an int32_t, are sent to the
 * command.  Borrowed. */
int command_signal_fd(const struct command *c);

/* Readable once command_take_result() has the result; borrowed. */
int command_result_fd(const struct command *c);

/* Whether the command has succeeded.  Does not block.  Returns 0; ERR_AGAIN
 * while it runs (nothing recorded in e); ERR_LOCAL with a text that names the
 * command and how it ended. */
int command_take_result(struct command *c, struct err *e);

/* Close its output; a command that still runs gets SIGTERM, and about a second
 * to end.  NULL is allowed. */
void command_free(struct command *c);

#endif
