/*
 * Patterns against paths.  Matching goes back to the last star only: what an
 * earlier one could take more of, the later one can take as well, so a path
 * costs at most its length times the pattern's.
 */
#include "fs/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "fs/name.h"

struct rule {
	char *pattern; /* without slashes at its ends */
	int is_exclude;
	int is_anchored; /* begins at the beginning of the path */
	int has_slash;   /* inside */
	int only_dirs;
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

/* The end of the brackets that p opens: behind "]", or NULL. */
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

static int reserve(struct filter *f)
{
	size_t cap = f->cap ? f->cap * 2 : 8;
	struct rule *rules;

	if (f->count < f->cap)
		return 0;
	rules = reallocarray(f->rules, cap, sizeof(*rules));
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
	if (reserve(f))
		return ERR_RESOURCE;
	r.pattern = strndup(pattern, len);
	if (!r.pattern)
		return ERR_RESOURCE;
	/* As it is used: of "a\/" a backslash is left. */
	if (!is_well_formed(r.pattern)) {
		free(r.pattern);
		return ERR_USAGE;
	}
	r.has_slash = strchr(r.pattern, '/') != NULL;
	f->rules[f->count++] = r;
	return 0;
}

/* One byte of a set, and how far the set goes. */
static const char *set_byte(const char *p, unsigned char *c)
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

		p = set_byte(p, &from);
		to = from;
		if (p + 1 < end && *p == '-')
			p = set_byte(p + 1, &to);
		found |= c >= from && c <= to;
	}
	return found != is_negated && c != '/';
}

/* One byte of the path against one step of the pattern that is no star.
 * Returns what is behind the step, or NULL. */
static const char *step(const char *p, char c)
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

/* Where to go on when what follows a star did not match. */
struct retry {
	const char *pattern; /* behind the star, or NULL: there was none */
	const char *path;    /* the first byte that it did not take */
};

/* Let a star take one byte more. */
static int take_more(struct retry *r, const char **p, const char **s,
		     int is_deep)
{
	if (!r->pattern || !*r->path || (*r->path == '/' && !is_deep))
		return 0;
	*p = r->pattern;
	*s = ++r->path;
	return 1;
}

static int matches(const char *p, const char *s)
{
	struct retry star = { NULL, NULL }, deep = { NULL, NULL };

	for (;;) {
		const char *next;

		if (p[0] == '*' && p[1] == '*') {
			p += strspn(p, "*");
			deep = (struct retry){ p, s };
			star.pattern = NULL;
			continue;
		}
		if (p[0] == '*') {
			star = (struct retry){ ++p, s };
			continue;
		}
		if (!*p && !*s)
			return 1;
		next = *s ? step(p, *s) : NULL;
		if (next) {
			p = next;
			s++;
			continue;
		}
		if (take_more(&star, &p, &s, 0))
			continue;
		star.pattern = NULL;
		if (!take_more(&deep, &p, &s, 1))
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
