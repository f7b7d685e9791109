/*
 * Matching of patterns, without recursion.  After a mismatch only the last "*"
 * is retried, with one byte more, and after that the last "**": the later of
 * two stars can take every byte that an earlier one of its kind could.  So the
 * time is at most the pattern's length times the square of the path's, and
 * linear in the path without "**" and "*" in one pattern.
 */
#include "fs/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "fs/name.h"

struct rule {
	char *pattern; /* without slashes at its ends */
	int is_exclude;
	int is_anchored; /* matches from the start of the path only */
	int has_slash;   /* inside the pattern */
	int only_dirs;   /* matches directories only */
};

struct filter {
	struct rule *rules;
	size_t count;
	size_t cap;
};

struct filter *filter_new(void)
{
	return calloc(1, sizeof(struct filter));
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->count; i++)
		free(f->rules[i].pattern);
	free(f->rules);
	free(f);
}

/* The byte after the "]" that ends the brackets at p, or NULL for none. */
static const char *brackets_end(const char *p)
{
	p++;
	if (*p == '!' || *p == '^')
		p++;
	for (int first = 1; *p && (*p != ']' || first); first = 0, p++) {
		if (*p == '\\' && !*++p)
			return NULL;
	}
	return *p ? p + 1 : NULL;
}

static int is_well_formed(const char *p)
{
	while (p && *p) {
		if (*p == '[')
			p = brackets_end(p);
		else if (*p == '\\')
			p = p[1] ? p + 2 : NULL;
		else
			p++;
	}
	return p != NULL;
}

/* Make room for one more rule. */
static int reserve_rule(struct filter *f)
{
	size_t cap = f->cap ? f->cap * 2 : 8;
	struct rule *rules;

	if (f->count < f->cap)
		return 0;
	rules = mem_resize(f->rules, cap, sizeof(*rules));
	if (!rules)
		return ERR_RESOURCE;
	f->rules = rules;
	f->cap = cap;
	return 0;
}

int filter_add(struct filter *f, int is_exclude, const char *pattern)
{
	struct rule r = { .is_exclude = is_exclude };
	size_t len;

	r.is_anchored = pattern[0] == '/';
	pattern += strspn(pattern, "/");
	len = strlen(pattern);
	r.only_dirs = len > 0 && pattern[len - 1] == '/';
	while (len > 0 && pattern[len - 1] == '/')
		len--;
	if (len == 0)
		return ERR_USAGE;
	if (reserve_rule(f))
		return ERR_RESOURCE;
	r.pattern = strndup(pattern, len);
	if (!r.pattern)
		return ERR_RESOURCE;
	/* Check what is left of it: "a\/" has lost its slash and now ends with
	 * a backslash. */
	if (!is_well_formed(r.pattern)) {
		free(r.pattern);
		return ERR_USAGE;
	}
	r.has_slash = strchr(r.pattern, '/') != NULL;
	f->rules[f->count++] = r;
	return 0;
}

/* Read one byte of a set to *c.  Returns where the set goes on. */
static const char *read_set_byte(const char *p, unsigned char *c)
{
	if (*p == '\\')
		p++;
	*c = (unsigned char)*p;
	return p + 1;
}

/* Whether c is in the brackets at p. */
static int in_brackets(const char *p, unsigned char c)
{
	const char *end = brackets_end(p) - 1;
	int is_negated = p[1] == '!' || p[1] == '^', found = 0;

	p += 1 + is_negated;
	while (p < end) {
		unsigned char from, to;

		p = read_set_byte(p, &from);
		to = from;
		if (p + 1 < end && *p == '-')
			p = read_set_byte(p + 1, &to);
		found |= c >= from && c <= to;
	}
	return found != is_negated && c != '/';
}

/* Match one byte of the path against the pattern at p, where there is no star.
 * Returns where the pattern goes on, or NULL for a mismatch. */
static const char *match_byte(const char *p, char c)
{
	switch (*p) {
	case '\0':
		return NULL;
	case '?':
		return c != '/' ? p + 1 : NULL;
	case '[':
		return in_brackets(p, (unsigned char)c) ? brackets_end(p) :
							   NULL;
	case '\\':
		return p[1] == c ? p + 2 : NULL;
	default:
		return *p == c ? p + 1 : NULL;
	}
}

/* The last star, where matching is retried after a mismatch. */
struct star {
	const char *pattern; /* after the star; NULL: there was none */
	const char *path;    /* the first byte that the star did not match */
};

/* Let the star match one byte more, and set *p and *s to where matching goes
 * on.  is_deep: it is a "**", which matches slashes.  Returns whether it
 * could. */
static int extend_star(struct star *star, const char **p, const char **s,
		       int is_deep)
{
	if (!star->pattern || !*star->path || (*star->path == '/' && !is_deep))
		return 0;
	*p = star->pattern;
	*s = ++star->path;
	return 1;
}

static int matches(const char *p, const char *s)
{
	struct star star = { NULL, NULL }, deep = { NULL, NULL };

	for (;;) {
		const char *next;

		if (p[0] == '*' && p[1] == '*') {
			p += strspn(p, "*");
			deep = (struct star){ p, s };
			/* "**" can match whatever this one could. */
			star.pattern = NULL;
			continue;
		}
		if (p[0] == '*') {
			star = (struct star){ ++p, s };
			continue;
		}
		if (!*p && !*s)
			return 1;
		next = *s ? match_byte(p, *s) : NULL;
		if (next) {
			p = next;
			s++;
			continue;
		}
		if (extend_star(&star, &p, &s, 0))
			continue;
		star.pattern = NULL;
		if (!extend_star(&deep, &p, &s, 1))
			return 0;
	}
}

static int rule_matches(const struct rule *r, const char *path, int is_dir)
{
	if (r->only_dirs && !is_dir)
		return 0;
	if (!r->is_anchored && !r->has_slash)
		return matches(r->pattern, name_last(path));
	if (matches(r->pattern, path))
		return 1;
	if (r->is_anchored)
		return 0;
	/* With a slash inside, but not in front: try each component. */
	while ((path = strchr(path, '/')) != NULL) {
		if (matches(r->pattern, ++path))
			return 1;
	}
	return 0;
}

int filter_excludes(const struct filter *f, const char *path, int is_dir)
{
	for (size_t i = 0; i < f->count; i++) {
		if (rule_matches(&f->rules[i], path, is_dir))
			return f->rules[i].is_exclude;
	}
	return 0;
}
