/*
 * Advice for failures.  Both sides print it, so it names no side.
 */
#include "session/advice.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *advice_of(unsigned cause)
{
	switch (cause) {
	case CAUSE_EXISTS:
		return "move or remove the existing file, or receive with "
		       "--existing skip, replace, newer, rename or backup";
	case CAUSE_NO_SPACE:
	case CAUSE_QUOTA:
		return "free some space or receive into another "
		       "directory, then send again";
	case CAUSE_PERMISSION:
		return "receive as a user with write permission";
	case CAUSE_READ_ONLY:
		return "receive into a directory on a writable file system";
	case CAUSE_NAME:
	case CAUSE_NAME_TOO_LONG:
		return "rename it and send again";
	case CAUSE_NOT_DIR:
	case CAUSE_IS_DIR:
		return "move what is in the way";
	case CAUSE_CHANGED:
	case CAUSE_MISMATCH:
	case CAUSE_BUSY:
		return "send it again";
	case CAUSE_LIMIT:
		return "send less at a time, or receive with a larger "
		       "--max-size or --max-files";
	case CAUSE_RESOURCE:
		return "send less at a time, or raise the receiver's limits";
	default:
		return NULL;
	}
}

char *advice_text(char *dst, size_t size, unsigned cause, uint64_t need,
		  uint64_t have)
{
	char a[32], b[32], space[96] = "";

	/* LIMIT without bytes: it is the limit on the number of files */
	if (cause == CAUSE_LIMIT && need == 0)
		snprintf(space, sizeof(space),
			 " (number of files in one session)");
	else if (need > 0)
		snprintf(space, sizeof(space), " (needs %s, has %s)",
			 text_size(a, sizeof(a), (double)need),
			 text_size(b, sizeof(b), (double)have));
	snprintf(dst, size, "%s%s", wire_cause_text(cause), space);
	return dst;
}
