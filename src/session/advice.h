/*
 * advice.h - short texts that tell a user what to do about a failure.
 *
 * Layer: session.  Pure.
 */
#ifndef FERRY_SESSION_ADVICE_H
#define FERRY_SESSION_ADVICE_H

#include <stddef.h>
#include <stdint.h>

#include "wire/msg.h"

/* The advice for a cause (enum wire_cause), a fixed text; NULL where there is
 * none. */
const char *advice_of(unsigned cause);

/* The same for a sender by ssh, whose user has no receiver to start. */
const char *advice_by_ssh_of(unsigned cause);

/* The same for a receiver with --config, which refuses the options that are in
 * its file instead.  sender: whose section it is.  What is not a fixed text is
 * written to dst (size bytes, ADVICE_MAX is enough). */
enum { ADVICE_MAX = 240 };

const char *advice_of_named(char *dst, size_t size, unsigned cause,
			    const char *sender);

/*
 * Write the text of a verdict to dst (size bytes): the cause, and where need is
 * not 0 the bytes needed and the bytes there are, as in "no space left on the
 * disk (needs 5.0 GiB, has 1.2 GiB)".  Returns dst.
 */
char *advice_text(char *dst, size_t size, unsigned cause, uint64_t need,
		  uint64_t have);

/* The same for CAUSE_RIVAL, with the path of the other item. */
char *advice_rival_text(char *dst, size_t size, const char *rival, size_t len);

/* The same where something was to be deleted: why it is still there, and what
 * to do about it, or NULL. */
const char *advice_deletion_text(unsigned cause);
const char *advice_of_deletion(unsigned cause);

#endif
