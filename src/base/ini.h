/*
 * ini.h - reading the lines of a configuration file.
 *
 *	# a comment
 *	key = value
 *	[section]
 *	key = value
 *
 * Layer: base.  Pure.
 * Threads: any; a struct ini belongs to one.
 *
 * Blanks around keys, values and names do not count.  A comment has a line of
 * its own, which begins with # or ;.  There are no quotes, escapes or continued
 * lines: a value is what stands there, up to the end of the line.
 */
#ifndef FERRY_BASE_INI_H
#define FERRY_BASE_INI_H

#include <stddef.h>

enum ini_kind { INI_SETTING, INI_SECTION };

struct ini {
	char *at, *end; /* what is still to be read */
	unsigned line;  /* of what was read last, from 1 */
	const char *why; /* what is wrong with it, after an error */
};

/* Both are terminated and lie in the text that was given to ini_init(). */
struct ini_entry {
	enum ini_kind kind;
	const char *name;  /* the key, or the section's name; not empty */
	const char *value; /* of a setting; not empty */
};

/* Begin to read n bytes of text, which is borrowed and will be changed; text[n]
 * is there, and is NUL. */
void ini_init(struct ini *p, char *text, size_t n);

/* Read the next section or setting.  Returns 1; 0 at the end; ERR_RANGE for a
 * line that is neither, with p->why, a text for the user. */
int ini_next(struct ini *p, struct ini_entry *entry);

#endif
