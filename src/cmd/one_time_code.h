/*
 * one_time_code.h - where the one-time code of a run comes from.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_ONE_TIME_CODE_H
#define FERRY_CMD_ONE_TIME_CODE_H

#include "base/err.h"
#include "cmd/ask.h"

struct pake;
struct report;

/*
 * The code from file; or, where that is NULL, typed by the user, or generated and
 * given to the report, which shows it.  ask: how to ask, on the side that
 * connects; NULL on the side that listens.  *pake is made from it, and the
 * caller's; NULL on failure.  Blocks as ask_code().  Returns 0, or as
 * pake_new_from_file(), ask_code(), code_generate() and pake_new().
 */
int one_time_code(const char *file, const struct ask *ask,
		  struct report *report, struct pake **pake, struct err *e);

/* A code of ours, and those that follow it after wrong guesses. */
struct one_time_code_made {
	struct pake *pake; /* borrowed */
	struct report *report;
	unsigned count; /* how many followed */
};

/* For struct secure_renewal, with a struct one_time_code_made.  Up to three
 * times. */
int one_time_code_make_another(void *made, const char *peer, struct err *e);

/* Where a code was asked for, it may be asked for again. */
struct one_time_code_asked {
	struct ask ask;
	int tty; /* ask_open(), before the sandbox */
	struct pake *pake; /* borrowed */
	struct report *report;
};

/* For renew_code() of both engines, with a struct one_time_code_asked. */
int one_time_code_ask_again(void *asked, struct err *e);

#endif
