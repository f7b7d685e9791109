/*
 * Advice for failures.  Both sides print it, so it names no side; but by ssh
 * there is only one user.
 */
#include "session/advice.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define POLICIES "skip, replace, newer, rename or backup"
#define EXISTING "--existing " POLICIES

const char *advice_of(unsigned cause)
{
	switch (cause) {
	case CAUSE_EXISTS:
		return "move or remove the existing file, or receive with "
		       EXISTING " (with --config: existing in its file)";
	case CAUSE_QUOTA:
		return "free some of the quota, or receive into another "
		       "directory, then send again";
	case CAUSE_INODES:
		return "remove files there, or receive into a directory on "
		       "another file system, then send again";
	case CAUSE_TOO_LARGE:
		return "receive without a limit on the size of files (ulimit "
		       "-f), on a file system that can store it";
	case CAUSE_GONE:
		return "create it again, and start the receiver again";
	case CAUSE_NO_ENTRIES:
		return "receive into another directory";
	case CAUSE_NO_SPACE:
		return "free some space or receive into another "
		       "directory, then send again";
	case CAUSE_PERMISSION:
		return "receive as a user who may read and write there";
	case CAUSE_READ_ONLY:
		return "receive into a directory on a writable file system";
	case CAUSE_NAME:
	case CAUSE_RIVAL:
	case CAUSE_NAME_TOO_LONG:
		return "rename it and send again";
	case CAUSE_NOT_DIR:
	case CAUSE_IS_DIR:
		return "move what is in the way";
	case CAUSE_CHANGED:
	case CAUSE_MISMATCH:
	case CAUSE_BUSY:
	case CAUSE_VANISHED:
	case CAUSE_OTHER_BASIS:
		return "send it again";
	case CAUSE_PROTECTED:
		return "take the attribute away (chattr -i -a)";
	case CAUSE_LIMIT:
		return "send less at a time, or receive with a larger "
		       "--max-size or --max-files (with --config: max-size or "
		       "max-files in its file)";
	case CAUSE_RESOURCE:
		return "send less at a time, or raise the receiver's limits "
		       "(ulimit -n for descriptors)";
	default:
		return NULL;
	}
}

const char *advice_by_ssh_of(unsigned cause)
{
	switch (cause) {
	case CAUSE_EXISTS:
		return "move or remove the existing file, or send with "
		       EXISTING;
	case CAUSE_GONE:
		return "create it again, and send again";
	case CAUSE_PERMISSION:
		return "log in as a user who may read and write there";
	default:
		return advice_of(cause);
	}
}

const char *advice_of_named(char *dst, size_t size, unsigned cause,
			    const char *sender)
{
	switch (cause) {
	case CAUSE_EXISTS:
		snprintf(dst, size, "move or remove the existing file, or set "
			 "existing for [%s] in the file of --config: " POLICIES,
			 sender);
		return dst;
	case CAUSE_LIMIT:
		snprintf(dst, size, "send less at a time, or raise max-size or "
			 "max-files for [%s] in the file of --config", sender);
		return dst;
	default:
		return advice_of(cause);
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
		snprintf(space, sizeof(space),
			 cause == CAUSE_TOO_LARGE ? " (needs %s, limit %s)"
						  : " (needs %s, has %s)",
			 text_size(a, sizeof(a), (double)need),
			 text_size(b, sizeof(b), (double)have));
	snprintf(dst, size, "%s%s", wire_cause_text(cause), space);
	return dst;
}

char *advice_rival_text(char *dst, size_t size, const char *rival, size_t len)
{
	char shown[400];

	snprintf(dst, size, "%s: %s", wire_cause_text(CAUSE_RIVAL),
		 text_escape(shown, sizeof(shown), rival, len));
	return dst;
}

const char *advice_deletion_text(unsigned cause)
{
	switch (cause) {
	case CAUSE_EXISTS:
		return "the directory is not empty";
	case CAUSE_CHANGED:
		return "it was made since the session began";
	case CAUSE_BUSY:
		return "it is in use, or a file system is mounted there";
	case CAUSE_IS_DIR:
	case CAUSE_NOT_DIR:
		return "something else has its name now";
	default:
		return wire_cause_text(cause);
	}
}

const char *advice_of_deletion(unsigned cause)
{
	switch (cause) {
	case CAUSE_EXISTS:
		return "what is left in it may be new, protected by a pattern, "
		       "or a temporary file of ferry's";
	case CAUSE_PERMISSION:
		return "receive as a user who may write to its directory";
	case CAUSE_CHANGED:
	case CAUSE_IS_DIR:
	case CAUSE_NOT_DIR:
		return "send again";
	case CAUSE_PROTECTED:
		return advice_of(cause);
	default:
		return NULL;
	}
}
