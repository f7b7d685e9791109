/*
 * filter.h - which of the paths found are sent: a list of patterns, of which
 * the first that matches decides.
 *
 * Layer: fs.
 * Threads: one thread adds the patterns; after that any may match.
 *
 * A path that no pattern matches is sent.  Paths are bytes, as the receiver
 * gets them.  A pattern:
 *
 *	name	without a slash: matches the last component, at any depth
 *	/a/b	with a leading slash: matches the whole path
 *	a/b	with a slash inside: matches the whole path, or the end of it
 *		from the beginning of a component on
 *	x/	with a trailing slash, which is then ignored: matches
 *		directories only
 *
 *	*	any number of bytes except slashes, or none
 *	**	any number of bytes, or none
 *	?	one byte except a slash
 *	[a-z]	one byte of this set except a slash; [!a-z] or [^a-z]: one byte
 *		that is not in the set; a ] in first place is part of the set
 *	\x	x itself, also in brackets
 */
#ifndef FERRY_FS_FILTER_H
#define FERRY_FS_FILTER_H

struct filter;

struct filter *filter_new(void);
void filter_free(struct filter *f); /* NULL is allowed */

/* Append a pattern, which is copied.  Returns 0; ERR_USAGE for a pattern that
 * is empty (slashes do not count), or ends within brackets or after a
 * backslash; ERR_RESOURCE. */
int filter_add(struct filter *f, int is_exclude, const char *pattern);

/* Whether path is left out; it is relative, with single slashes. */
int filter_excludes(const struct filter *f, const char *path, int is_dir);

#endif
