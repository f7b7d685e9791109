/*
 * one_time_code.h - where the one-time code of a run comes from.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_ONE_TIME_CODE_H
#define FERRY_CMD_ONE_TIME_CODE_H

#include "base/err.h"

struct ask;
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

#endif
