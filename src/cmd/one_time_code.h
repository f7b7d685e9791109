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
#include "net/role.h"

struct pake;
struct report;
struct secure_code;

/* The code of a run. */
struct one_time_code {
	/* Set by the caller; borrowed. */
	const char *file; /* --code-file; NULL: none */
	enum net_role role;
	struct ask ask; /* connecting, without a file */
	struct report *report;
	/* Set by one_time_code_prepare(). */
	struct pake *pake;
	int tty; /* ask_open(), before the sandbox; -1: none.  At first -1 */
	unsigned renewals;
};

/*
 * Get the code: from the file; without one, from the user where this side
 * connects, and where it listens generated and given to the report, which shows
 * it.  *out becomes what the engine needs, borrowed from c.  Without a file, up
 * to three codes follow one that was guessed wrong.
 *
 * To be called before the sandbox.  Blocks as ask_code().  Returns 0, or as
 * pake_new_from_file(), ask_code(), code_generate() and pake_new().
 */
int one_time_code_prepare(struct one_time_code *c, struct secure_code *out,
			  struct err *e);

/* Free what was prepared, if anything. */
void one_time_code_release(struct one_time_code *c);

#endif
