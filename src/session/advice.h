/*
 * advice.h - what a user can do about a failure.
 *
 * Layer: session.  Pure.
 */
#ifndef FERRY_SESSION_ADVICE_H
#define FERRY_SESSION_ADVICE_H

#include <stddef.h>
#include <stdint.h>

#include "wire/msg.h"

/* A short advice for a cause, or NULL where there is none. */
const char *advice_of(unsigned cause);

/*
 * "no space left on the disk (needs 5.0 GiB, has 1.2 GiB); free some space
 * ..." for a verdict.  Returns dst.
 */
char *advice_text(char *dst, size_t size, unsigned cause, uint64_t need,
		  uint64_t have);

#endif
