/*
 * Patterns of --exclude and --include, against a matcher that tries everything
 * (a table of which of the pattern's ends match which of the path's).
 *
 * Input: a byte (1: the path is a directory's), the path, then patterns, each
 * after a NUL; one that begins with "+" includes.  The path is made relative,
 * with single slashes.
 */
#include "fuzz.h"

#include "base/err.h"
#include "fs/filter.h"

enum { PATTERNS_MAX = 8, PATTERN_MAX = 128, PATH_LIMIT = 512 };

/* ---- the model ---- */

enum kind { LITERAL, ANY, SET, STAR, DEEP };

/* A step of a pattern. */
struct step {
	enum kind kind;
	unsigned char byte;   /* LITERAL */
	unsigned char in[32]; /* SET: a bit for each byte */
};

struct steps {
	struct step v[PATTERN_MAX];
	size_t n;
};

/* One byte of a set at *p; -1 at the end of the pattern. */
static int read_byte(const char **p)
{
	if (**p == '\\')
		++*p;
	return **p ? (unsigned char)*(*p)++ : -1;
}

/* A set; *p is after its "[".  Returns 0, or -1 if it has no end. */
static int read_set(const char **p, struct step *st)
{
	int negated = **p == '!' || **p == '^', first = 1;

	st->kind = SET;
	*p += negated;
	while (**p != ']' || first) {
		int from = read_byte(p), to = from;

		if (from < 0)
			return -1;
		/* a range, unless its "-" is the last */
		if (**p == '-' && (*p)[1] && (*p)[1] != ']') {
			++*p;
			to = read_byte(p);
		}
		for (int c = from; c <= to; c++)
			st->in[c / 8] |= (unsigned char)(1 << c % 8);
		first = 0;
	}
	++*p;
	for (int i = 0; negated && i < 32; i++)
		st->in[i] = (unsigned char)~st->in[i];
	st->in['/' / 8] &= (unsigned char)~(1 << '/' % 8);
	return 0;
}

/* Returns 0, or -1 for a pattern that is none. */
static int read_steps(const char *p, struct steps *out)
{
	out->n = 0;
	while (*p) {
		struct step *st = &out->v[out->n++];

		memset(st, 0, sizeof(*st));
		if (*p == '*' && p[1] == '*') {
			st->kind = DEEP;
			p += strspn(p, "*");
		} else if (*p == '*' || *p == '?') {
			st->kind = *p++ == '*' ? STAR : ANY;
		} else if (*p == '[') {
			p++;
			if (read_set(&p, st))
				return -1;
		} else {
			int c = read_byte(&p);

			if (c < 0)
				return -1;
			st->byte = (unsigned char)c;
		}
	}
	return 0;
}

static int takes(const struct step *st, unsigned char c)
{
	switch (st->kind) {
	case LITERAL:
		return c == st->byte;
	case SET:
		return st->in[c / 8] >> c % 8 & 1;
	case DEEP:
		return 1;
	case ANY:
	case STAR:
	default:
		return c != '/';
	}
}

/* From the ends: can[i] says whether the steps from one on match the path from
 * i on. */
static int model_matches(const struct steps *p, const char *path)
{
	unsigned char can[PATH_LIMIT + 1] = { 0 };
	size_t n = strlen(path);

	can[n] = 1;
	for (size_t k = p->n; k-- > 0;) {
		const struct step *st = &p->v[k];
		const int stays = st->kind == STAR || st->kind == DEEP;

		for (size_t i = 0; !stays && i < n; i++)
			can[i] = can[i + 1] &&
				 takes(st, (unsigned char)path[i]);
		if (!stays)
			can[n] = 0;
		for (size_t i = n; stays && i-- > 0;)
			can[i] |= can[i + 1] &&
				  takes(st, (unsigned char)path[i]);
	}
	return can[0];
}

/* Whether the pattern matches at some place where it may; -1 if it is none. */
static int model_pattern(const char *pattern, const char *path, int is_dir)
{
	struct steps steps;
	const int is_anchored = *pattern == '/';
	const char *end = path + strlen(path);
	char text[PATTERN_MAX];
	size_t len;
	int found = 0, only_dirs, has_slash;

	if (read_steps(pattern, &steps))
		return -1;
	snprintf(text, sizeof(text), "%s", pattern + strspn(pattern, "/"));
	len = strlen(text);
	only_dirs = len > 0 && text[len - 1] == '/';
	while (len > 0 && text[len - 1] == '/')
		text[--len] = '\0';
	if (len == 0)
		return -1;
	has_slash = strchr(text, '/') != NULL;
	/* "\\/" at the end has lost its slash */
	if (read_steps(text, &steps))
		return -1;
	for (const char *at = path; at == path || at < end; at++) {
		const int is_last = !strchr(at, '/');

		if (at > path && at[-1] != '/')
			continue;
		if (is_anchored ? at == path : has_slash || is_last)
			found |= model_matches(&steps, at);
	}
	return found && (is_dir || !only_dirs);
}

/* ---- an input ---- */

/* To a relative path with single slashes. */
static void make_path(char *path)
{
	char *to = path;

	for (const char *from = path; *from && to < path + PATH_LIMIT; from++) {
		if (*from != '/' || (to > path && to[-1] != '/'))
			*to++ = *from;
	}
	*to = '\0';
	if (to > path && to[-1] == '/')
		to[-1] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter *f = filter_new();
	char *text, *path, *at;
	int is_dir, want = 0, is_decided = 0;

	CHECK(f);
	if (size < 1) {
		filter_free(f);
		return 0;
	}
	is_dir = data[0] & 1;
	text = fuzz_string(data + 1, size - 1);
	path = fuzz_string(text, strlen(text));
	make_path(path);
	at = text + strlen(text) + 1;
	for (int i = 0; i < PATTERNS_MAX && at < text + size - 1; i++) {
		int is_exclude = *at != '+', matches, rc;

		at += !is_exclude;
		if (strlen(at) >= PATTERN_MAX)
			at[PATTERN_MAX - 1] = '\0';
		matches = model_pattern(at, path, is_dir);
		rc = filter_add(f, is_exclude, at);
		CHECK(rc == (matches < 0 ? ERR_USAGE : 0));
		if (matches > 0 && !is_decided) {
			want = is_exclude;
			is_decided = 1;
		}
		at += strlen(at) + 1;
	}
	CHECK(filter_excludes(f, path, is_dir) == want);
	filter_free(f);
	free(text);
	free(path);
	return 0;
}
