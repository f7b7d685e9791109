/*
 * One line after the other, terminated where it stands.
 */
#include "base/ini.h"

#include <string.h>

#include "base/err.h"

void ini_init(struct ini *p, char *text, size_t n)
{
	p->at = text;
	p->end = text + n;
	p->line = 0;
	p->why = NULL;
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cut blanks off both ends. */
static char *trim(char *s)
{
	char *end;

	while (is_blank(*s))
		s++;
	end = s + strlen(s);
	while (end > s && is_blank(end[-1]))
		end--;
	*end = '\0';
	return s;
}

static int is_control(unsigned char c)
{
	return (c < ' ' && c != '\t') || c == 0x7f;
}

/* The next line, terminated; NULL where it has characters that no text has. */
static char *take_line(struct ini *p)
{
	char *line = p->at;
	char *newline = memchr(line, '\n', (size_t)(p->end - line));
	char *end = newline ? newline : p->end;

	p->at = newline ? newline + 1 : p->end;
	p->line++;
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	for (const char *c = line; c < end; c++) {
		if (is_control((unsigned char)*c))
			return NULL;
	}
	return line;
}

static int fail(struct ini *p, const char *why)
{
	p->why = why;
	return ERR_RANGE;
}

static int take_section(struct ini *p, char *line, struct ini_entry *entry)
{
	char *close = strchr(line, ']');

	if (!close || close[1])
		return fail(p, "a section is written [NAME], on a line of its "
			       "own");
	*close = '\0';
	entry->kind = INI_SECTION;
	entry->name = trim(line + 1);
	return *entry->name ? 1 : fail(p, "the section has no name");
}

static int take_setting(struct ini *p, char *line, struct ini_entry *entry)
{
	char *equals = strchr(line, '=');

	if (!equals)
		return fail(p, "this is neither 'key = value' nor '[NAME]'");
	*equals = '\0';
	entry->kind = INI_SETTING;
	entry->name = trim(line);
	entry->value = trim(equals + 1);
	if (!*entry->name)
		return fail(p, "there is no key before '='");
	return *entry->value ? 1 : fail(p, "there is no value after '='");
}

int ini_next(struct ini *p, struct ini_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	while (p->at < p->end) {
		char *line = take_line(p);

		if (!line)
			return fail(p, "there is a control character in it");
		line = trim(line);
		if (*line == '[')
			return take_section(p, line, entry);
		if (*line && *line != '#' && *line != ';')
			return take_setting(p, line, entry);
	}
	return 0;
}
