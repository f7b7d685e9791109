/*
 * filter.h - which of the paths found are to be sent: patterns in order, the
 * first that matches decides.
 *
 * Layer: fs.  Uses base.
 * Threads: none while patterns are added; then any.
 *
 * What no pattern matches is sent.  Paths are bytes, as they arrive on the
 * receiver.  A pattern:
 *
 *	name	without a slash: the last component of a path, at any depth
 *	/a/b	with a slash in front: the whole path
 *	a/b	with a slash inside: the whole path, or its end from the
 *		beginning of a component on
 *	x/	with a slash behind (which is then not looked at): directories
 *		only
 *
 *	*	any bytes but slashes, or none
 *	**	any bytes, or none
 *	?	one byte that is no slash
 *	[a-z]	one byte of these and no slash; [!a-z] or [^a-z]: none of these;
 *		a ] that comes first stands for itself
 *	\x	x itself, also in brackets
 */
#ifndef FERRY_FS_FILTER_H
#define FERRY_FS_FILTER_H

struct filter;

struct filter *filter_new(void);
void filter_free(struct filter *f); /* NULL is allowed */

/* Add a pattern (copied) behind the others.  Returns 0; ERR_USAGE for one that
 * is empty, or ends within brackets or behind a backslash; ERR_RESOURCE. */
int filter_add(struct filter *f, int is_exclude, const char *pattern);

/* Whether the path, which is relative and has single slashes, is left out. */
int filter_excludes(const struct filter *f, const char *path, int is_dir);

#endif
