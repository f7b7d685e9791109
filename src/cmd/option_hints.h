/*
 * option_hints.h - what to write in place of an option that is not understood.
 *
 * Layer: cmd.
 * Threads: main's only.
 *
 * Each function appends its hint, which has the right form, to the text of e.
 * Without one the text stays as it is.
 */
#ifndef FERRY_CMD_OPTION_HINTS_H
#define FERRY_CMD_OPTION_HINTS_H

#include "cmd/options.h"

/* An unknown option: `letter` in element, such as 'a' in "-avz"; or, if letter
 * is 0, the long one that element is. */
void option_hints_unknown(const struct option_group *const *groups,
			  const char *element, char letter, struct err *e);

/* A value that is not allowed.  element: the option as the user wrote it, such
 * as "-zv", "--port=x" or "-p". */
void option_hints_value(const struct option_group *const *groups,
			const struct option_row *row, const char *element,
			const char *value, struct err *e);

/* A value that is not allowed, of a key in a file. */
void option_hints_setting(const struct option_row *row, const char *value,
			  struct err *e);

/*
 * An option whose value is optional and was left out, before the argument next
 * (NULL: there is none).  Returns ERR_USAGE with a text where that can only be
 * meant as the value: it has its form, and is no file.  Otherwise 0.
 */
int option_hints_separate(const struct option_row *row, const char *element,
			  const char *next, struct err *e);

#endif
