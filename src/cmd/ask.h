/*
 * ask.h - the one question that ferry asks: for a one-time code.
 *
 * Layer: cmd.  Uses base, auth/code.h.
 * Threads: main's only.
 *
 * Always at the process's terminal (/dev/tty), whatever standard input is, and
 * never where there is none.
 */
#ifndef FERRY_CMD_ASK_H
#define FERRY_CMD_ASK_H

#include "base/err.h"
#include "auth/code.h"

/* Whether there is a terminal to ask at: 0, or ERR_USAGE with a text that says
 * how to do without. */
int ask_check(struct err *e);

/*
 * Ask for the code that the receiver on host (escaped here) shows, until what
 * was typed is one.  Tab completes words; the line can be corrected by
 * Backspace, ^W and ^U.  The terminal is as it was before on return.
 *
 * Blocks until then or until cancel_fd is readable.  Returns 0;
 * ERR_INTERRUPTED; ERR_USAGE where there is no terminal or the user typed ^D;
 * ERR_LOCAL.
 */
int ask_code(const char *host, int cancel_fd, char code[CODE_MAX],
	     struct err *e);

#endif
