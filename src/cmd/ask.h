/*
 * ask.h - asks the user for a one-time code.
 *
 * Layer: cmd.
 * Threads: main's only.
 *
 * Always at the controlling terminal (/dev/tty), whatever standard input is.
 * Without one it fails.
 */
#ifndef FERRY_CMD_ASK_H
#define FERRY_CMD_ASK_H

#include "auth/code.h"
#include "base/err.h"

struct ask {
	const char *command; /* that shows the code, such as "ferry receive" */
	const char *host;    /* where it runs; escaped here */
	int cancel_fd;
};

/* Check for a terminal to ask at.  Returns 0, or ERR_USAGE with a text that
 * names the alternatives, with our command and its operands. */
int ask_check(const char *command, const char *operands, struct err *e);

/*
 * Ask for the code until a valid one was typed.  Tab completes words;
 * Backspace, ^W and ^U correct the line.  The terminal's settings are restored
 * before return.
 *
 * Blocks until then or until cancel_fd is readable.  Returns 0;
 * ERR_INTERRUPTED; ERR_USAGE if there is no terminal or the user typed ^D;
 * ERR_LOCAL.
 */
int ask_code(const struct ask *a, char code[CODE_MAX], struct err *e);

/*
 * The terminal, to be opened before a sandbox for ask_again(); the caller
 * closes it.  -1 where there is none.
 */
int ask_open(void);

/* Ask again, for another code; why: a sentence.  The terminal's settings are
 * left as they are, which the sandbox does not let be changed: so there is no
 * completion.  Blocks and returns as ask_code(). */
int ask_again(int tty, const struct ask *a, const char *why,
	      char code[CODE_MAX], struct err *e);

#endif
