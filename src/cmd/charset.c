/*
 * The locale is read from the environment and not by setlocale(), as what
 * counts is what the terminal understands, not whether this host has the
 * locale.
 */
#include "cmd/charset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static int is_utf8_locale(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value = NULL;
	size_t len;

	for (size_t i = 0; i < 3 && (!value || !*value); i++)
		value = getenv(names[i]);
	if (!value)
		return 0;
	value = strchr(value, '.');
	if (!value)
		return 0;
	len = strcspn(++value, "@");
	return (len == 5 && strncasecmp(value, "UTF-8", len) == 0) ||
	       (len == 4 && strncasecmp(value, "UTF8", len) == 0);
}

int charset_is_ascii(int fd)
{
	return isatty(fd) && !is_utf8_locale();
}

char *charset_to_ascii(char *dst, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text && used + 4 < size; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c < 0x80)
			dst[used++] = *text;
		else
			used += (size_t)snprintf(dst + used, size - used,
						 "\\x%02x", c);
	}
	dst[used] = '\0';
	return dst;
}
