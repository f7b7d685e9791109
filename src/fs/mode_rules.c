/*
 * Parsing and applying --chmod.
 */
#include "fs/mode_rules.h"

#include <string.h>

#include "base/err.h"

enum { ALL = 0777, EXECUTE = 0111 };

/* The bits that a letter of "ugoa" stands for; 0: another character. */
static uint32_t who_bits(char c)
{
	switch (c) {
	case 'u':
		return 0700;
	case 'g':
		return 0070;
	case 'o':
		return 0007;
	case 'a':
		return ALL;
	default:
		return 0;
	}
}

/* Parse letters of "rwxX" up to the end of the change, for these users. */
static const char *parse_letters(const char *p, uint32_t who, uint32_t *bits,
				 uint32_t *conditional)
{
	for (; *p && *p != ','; p++) {
		switch (*p) {
		case 'r':
			*bits |= 0444 & who;
			break;
		case 'w':
			*bits |= 0222 & who;
			break;
		case 'x':
			*bits |= EXECUTE & who;
			break;
		case 'X':
			*conditional |= EXECUTE & who;
			break;
		default:
			return NULL;
		}
	}
	return p;
}

static const char *parse_symbolic(struct mode_rule *rule, const char *p)
{
	uint32_t who = 0, bits = 0, conditional = 0, w;
	char op;

	while ((w = who_bits(*p)) != 0) {
		who |= w;
		p++;
	}
	op = *p;
	if (!op || !strchr("+-=", op))
		return NULL;
	if (!who) {
		rule->clear_unmasked = op == '-';
		rule->set_unmasked = op != '-';
		who = ALL;
	}
	p = parse_letters(p + 1, who, &bits, &conditional);
	if (op == '-') {
		/* What is not executable has no x to be removed. */
		rule->clear = bits | conditional;
		return p;
	}
	rule->clear = op == '=' ? who : 0;
	rule->set = bits | conditional;
	rule->conditional = conditional & ~bits;
	return p;
}

static const char *parse_octal(struct mode_rule *rule, const char *p)
{
	rule->clear = ALL;
	for (; *p && *p != ','; p++) {
		if (*p < '0' || *p > '7')
			return NULL;
		rule->set = rule->set << 3 | (uint32_t)(*p - '0');
		if (rule->set > ALL)
			return NULL;
	}
	return p;
}

/* Where a word ends that stands at p and is a whole change; NULL: it does
 * not. */
static const char *skip_word(const char *p, const char *word)
{
	const size_t n = strlen(word);

	return strncmp(p, word, n) == 0 && (!p[n] || p[n] == ',') ? p + n :
								     NULL;
}

/* Parse one change.  Returns where it ends, or NULL. */
static const char *parse_rule(struct mode_rule *rule, const char *p)
{
	const char *end;

	rule->for_dirs = *p != 'F';
	rule->for_files = *p != 'D';
	p += *p == 'D' || *p == 'F';
	if (*p >= '0' && *p <= '7')
		return parse_octal(rule, p);
	end = skip_word(p, "keep");
	if (end)
		return end;
	end = skip_word(p, "umask");
	if (end)
		return parse_symbolic(rule, "=rwX") ? end : NULL;
	return parse_symbolic(rule, p);
}

int mode_rules_parse(struct mode_rules *r, const char *text)
{
	const char *p = text;

	do {
		struct mode_rule *rule = &r->v[r->count];

		if (r->count == MODE_RULES_MAX)
			return ERR_RANGE;
		p = parse_rule(rule, p);
		if (!p)
			return ERR_RANGE;
		r->count++;
	} while (*p++ == ',');
	return 0;
}

uint32_t mode_rules_apply(const struct mode_rules *r, uint32_t mode,
			  int is_dir, uint32_t umask)
{
	const int is_executable = is_dir || (mode & EXECUTE) != 0;

	if (!r || r->count == 0)
		return mode & ~umask;
	for (size_t i = 0; i < r->count; i++) {
		const struct mode_rule *rule = &r->v[i];
		uint32_t clear = rule->clear, set = rule->set;

		if (!(is_dir ? rule->for_dirs : rule->for_files))
			continue;
		if (!is_executable)
			set &= ~rule->conditional;
		if (rule->set_unmasked)
			set &= ~umask;
		if (rule->clear_unmasked)
			clear &= ~umask;
		mode = (mode & ~clear) | set;
	}
	return mode;
}
