/*
 * os_lacks.h - what this build does without, as it was made for any POSIX
 * system (make OS=posix); nothing in a build for Linux.
 */
#ifndef FERRY_TEST_OS_LACKS_H
#define FERRY_TEST_OS_LACKS_H

#include <string.h>

#include "os/lacks.h"

/* what: as ferry --version says it. */
static inline int os_lacks(const char *what)
{
	const char *text = lacks_text();

	return text && strstr(text, what);
}

/* Skip the test, with the reason, where the build lacks it. */
static inline void skip_without(const char *what)
{
	if (!os_lacks(what))
		return;
	print_message("# needs a build that has: %s\n", what);
	skip();
}

#endif
