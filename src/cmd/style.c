/*
 * Sequences of ECMA-48, which every terminal has that knows any.
 */
#include "cmd/style.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int style_is_used(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no_color && *no_color) && term && *term &&
	       strcmp(term, "dumb") != 0 && isatty(fd);
}

const char *style_begin(enum style style)
{
	switch (style) {
	case STYLE_CODE:
		return "\033[1m";
	case STYLE_WARNING:
		return "\033[33m";
	case STYLE_ERROR:
		return "\033[31m";
	case STYLE_NONE:
		break;
	}
	return "";
}
