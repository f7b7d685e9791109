/*
 * operand_hints.h - operands that are written as for other tools: what to write
 * instead.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_OPERAND_HINTS_H
#define FERRY_CMD_OPERAND_HINTS_H

#include "base/err.h"

/*
 * Operands of ferry send: PATHs and, last, the HOST; at least two.  Returns
 * ERR_USAGE with the right command where the last is a port, a URL or a user's
 * host without a path, or where the first is the host.  Otherwise 0, also if
 * the HOST is wrong in another way.
 */
int operand_hints_send(char *const *args, int count, struct err *e);

/* Operands of ferry receive: ERR_USAGE where one is a port or a host. */
int operand_hints_receive(char *const *args, int count, struct err *e);

/* Append to e's text how to send what comes out of path, if it is a FIFO or a
 * device. */
void operand_hints_special(const char *path, const char *host, struct err *e);

#endif
