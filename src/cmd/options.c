/*
 * The two users of the option tables: getopt_long() and --help.  getopt's own
 * messages are replaced, because they name neither the command nor the allowed
 * values.  Abbreviations, which getopt allows, are refused, because the next
 * new option could change their meaning.
 */
#include "cmd/options.h"

#include <getopt.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "cmd/option_hints.h"

enum {
	LONG_BASE = 256, /* getopt's value for a long option: this + index */
	HELP_COLUMN = 30,
	WIDTH = 80,
	SHOWN_MAX = 100, /* of a user's argument in a message */
	WORDS_MAX = 160, /* of all words of an option */
	WANTS_MAX = WORDS_MAX + 100,
};

/* A table in the form that getopt_long() wants. */
struct parser {
	const struct option_group *const *groups;
	const struct option_row *rows[OPTIONS_MAX];
	size_t count;
	struct option longs[OPTIONS_MAX + 1];
	char shorts[1 + 3 * OPTIONS_MAX + 1];
};

static int has_optional_arg(const struct option_row *row)
{
	return row->arg && row->arg[0] == '[';
}

static void add_row(struct parser *p, const struct option_row *row,
		    size_t *longs, size_t *shorts)
{
	if (row->letter) {
		p->shorts[(*shorts)++] = row->letter;
		if (row->arg)
			p->shorts[(*shorts)++] = ':';
		if (has_optional_arg(row))
			p->shorts[(*shorts)++] = ':';
	}
	if (row->name) {
		struct option *o = &p->longs[(*longs)++];

		o->name = row->name;
		o->has_arg = !row->arg ? no_argument :
			     has_optional_arg(row) ? optional_argument :
						     required_argument;
		o->val = LONG_BASE + (int)p->count;
	}
	p->rows[p->count++] = row;
}

static int parser_init(struct parser *p,
		       const struct option_group *const *groups,
		       struct err *e)
{
	size_t longs = 0, shorts = 0;

	memset(p, 0, sizeof(*p));
	p->groups = groups;
	/* with ':' getopt distinguishes a missing value from an unknown
	 * option */
	p->shorts[shorts++] = ':';
	for (; *groups; groups++) {
		for (size_t i = 0; i < (*groups)->count; i++) {
			if (p->count == OPTIONS_MAX)
				return err_set(e, ERR_INTERNAL,
					       "too many options");
			add_row(p, &(*groups)->rows[i], &longs, &shorts);
		}
	}
	return 0;
}

/* The row for what getopt returned or left in optopt; NULL if there is
 * none. */
static const struct option_row *find_row(const struct parser *p, int c)
{
	if (c >= LONG_BASE)
		return p->rows[c - LONG_BASE];
	for (size_t i = 0; i < p->count; i++) {
		if (c && p->rows[i]->letter == c)
			return p->rows[i];
	}
	return NULL;
}

/* "-p" or "--port", as the user wrote it. */
static void show_name(char *dst, size_t size, const struct option_row *row,
		      int c)
{
	if (c >= LONG_BASE)
		snprintf(dst, size, "--%s", row->name);
	else
		snprintf(dst, size, "-%c", row->letter);
}

/* "keep, follow or skip" */
static void join_words(char *dst, size_t size, const struct option_word *w)
{
	size_t used = 0;

	dst[0] = '\0';
	for (const struct option_word *i = w; i->word && used < size; i++) {
		const char *sep = i == w ? "" : i[1].word ? ", " : " or ";
		int n = snprintf(dst + used, size - used, "%s%s", sep,
				 i->word);

		used += n > 0 ? (size_t)n : 0;
	}
}

/* Describe the allowed values of this option. */
static void describe_values(char *dst, size_t size, const struct option_row *row)
{
	const char *at = row->wants ? strstr(row->wants, "WORDS") : NULL;
	char words[WORDS_MAX] = "";

	if (row->words)
		join_words(words, sizeof(words), row->words);
	if (at)
		snprintf(dst, size, "%.*s%s%s", (int)(at - row->wants),
			 row->wants, words, at + strlen("WORDS"));
	else if (row->wants)
		snprintf(dst, size, "%s", row->wants);
	else if (row->kind == OPTION_WORD)
		snprintf(dst, size, "%s", words);
	else if (row->words)
		snprintf(dst, size, "a list of %s, separated by commas", words);
	else if (row->kind == OPTION_TEXT)
		snprintf(dst, size, "a non-empty %s", row->arg);
	else
		snprintf(dst, size, "a number from %llu to %llu",
			 (unsigned long long)row->min,
			 (unsigned long long)row->max);
}

static int bad_value(const struct option_row *row, const char *name,
		     const char *value, struct err *e)
{
	char wants[WANTS_MAX], shown[SHOWN_MAX];

	describe_values(wants, sizeof(wants), row);
	if (!value)
		return err_set(e, ERR_USAGE, "%s needs a value: "
					     "%s", name, wants);
	text_escape(shown, sizeof(shown), value, strlen(value));
	return err_set(e, ERR_USAGE, "%s must be %s, not '%s'", name, wants,
		       shown);
}

/* Keep the option for another command line. */
static int forward(const struct option_row *row,
		   struct option_forwards *forwards, const char *value)
{
	if (forwards->count == OPTION_FORWARDS_MAX)
		return ERR_RANGE;
	forwards->list[forwards->count].name = row->name;
	forwards->list[forwards->count++].value = value;
	return 0;
}

/* Store a value.  Returns nonzero if it is not allowed. */
static int store_value(const struct option_row *row, void *opts, const char *value)
{
	void *field = (char *)opts + row->off;
	const struct option_word *w;
	int *number = field;

	/* getopt sees to it, but the analyzers do not know that. */
	if (!value && row->kind != OPTION_FLAG && row->kind != OPTION_SET &&
	    row->kind != OPTION_FORWARD)
		return ERR_INTERNAL;
	switch (row->kind) {
	case OPTION_FLAG:
		*number |= row->value;
		return 0;
	case OPTION_TEXT:
		*(const char **)field = value;
		return *value ? 0 : ERR_RANGE;
	case OPTION_NUMBER:
		return num_parse(value, row->min, row->max, field);
	case OPTION_SIZE:
		return num_parse_size(value, row->min, row->max, field);
	case OPTION_TIME:
		return num_parse_time(value, row->min, row->max, field);
	case OPTION_WORD:
		for (w = row->words; w->word && strcmp(w->word, value) != 0; w++)
			;
		*number = w->word ? w->value : *number;
		return w->word ? 0 : ERR_RANGE;
	case OPTION_SET:
		return row->set(field, value);
	case OPTION_FORWARD:
		return forward(row, field, value);
	case OPTION_HELP:
		break;
	}
	return ERR_INTERNAL;
}

int options_set(const struct option_row *row, const char *name, void *opts,
		const char *value, struct err *e)
{
	if (store_value(row, opts, value) == 0)
		return 0;
	return bad_value(row, name, value, e);
}

/* Whether element names the long option in full. */
static int is_full_name(const char *element, const char *name)
{
	const size_t len = strlen(name);

	return strncmp(element, "--", 2) == 0 &&
	       strncmp(element + 2, name, len) == 0 &&
	       (element[2 + len] == '\0' || element[2 + len] == '=');
}

/* The argument with the letter that getopt has just read: it has advanced
 * optind only after the last letter of an argument. */
static const char *cluster_of(char **argv, char letter)
{
	const char *element = argv[optind - 1];
	const size_t len = strlen(element);

	if (element[0] == '-' && len > 1 && element[1] != '-' &&
	    element[len - 1] == letter)
		return element;
	return argv[optind] ? argv[optind] : element;
}

static int bad_option(const struct parser *p, int c, char **argv,
		      struct err *e)
{
	const struct option_row *row = find_row(p, optopt);
	char name[SHOWN_MAX], shown[SHOWN_MAX];
	const char *element = argv[optind - 1];

	if (row) {
		show_name(name, sizeof(name), row, optopt);
		if (c == ':')
			return bad_value(row, name, NULL, e);
		return err_set(e, ERR_USAGE, "%s takes no value%s%s", name,
			       row->wants ? ": " : "",
			       row->wants ? row->wants : "");
	}
	if (optopt) {
		const char letter = (char)optopt;

		text_escape(shown, sizeof(shown), &letter, 1);
		err_set(e, ERR_USAGE, "unknown option '-%s'", shown);
		option_hints_unknown(p->groups, cluster_of(argv, letter),
				     letter, e);
		return ERR_USAGE;
	}
	text_escape(shown, sizeof(shown), element, strcspn(element, "="));
	err_set(e, ERR_USAGE, "unknown option '%s'", shown);
	option_hints_unknown(p->groups, element, '\0', e);
	return ERR_USAGE;
}

/* Handle what getopt returned.  Returns 1 if help is wanted, 0, or
 * ERR_USAGE. */
static int take_option(const struct parser *p, int c, char **argv, void *opts,
		struct err *e)
{
	const struct option_row *row = find_row(p, c);
	const int is_separate = optarg && optind > 1 &&
				optarg == argv[optind - 1];
	/* What getopt has just parsed: the option, not the separate element
	 * that may follow it with the value. */
	const char *element = argv[optind - 1 - is_separate];
	char name[SHOWN_MAX], shown[SHOWN_MAX];

	if (c == '?' || c == ':' || !row)
		return bad_option(p, c, argv, e);
	if (c >= LONG_BASE && !is_full_name(element, row->name)) {
		text_escape(shown, sizeof(shown), element,
			    strcspn(element, "="));
		return err_set(e, ERR_USAGE,
			       "unknown option '%s' (option names cannot be "
			       "abbreviated; did you mean --%s?)",
			       shown, row->name);
	}
	if (row->kind == OPTION_HELP)
		return 1;
	if (has_optional_arg(row) && !optarg) {
		const int rc = option_hints_separate(row, element,
						     argv[optind], e);

		if (rc < 0)
			return rc;
	}
	if (store_value(row, opts, optarg) == 0)
		return 0;
	show_name(name, sizeof(name), row, c);
	bad_value(row, name, optarg, e);
	if (optarg)
		option_hints_value(p->groups, row, element, optarg, e);
	return ERR_USAGE;
}

int options_parse(const struct option_group *const *groups, int argc,
		  char **argv, void *opts, struct err *e)
{
	struct parser p;
	int rc = parser_init(&p, groups, e), c;

	if (rc < 0)
		return rc;
	optind = 0; /* GNU: reinitialize */
	while ((c = getopt_long(argc, argv, p.shorts, p.longs, NULL)) != -1) {
		rc = take_option(&p, c, argv, opts, e);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	return optind;
}

void options_wrap(FILE *f, const char *text, int column, int indent)
{
	int at_start = 1;

	while (*text) {
		const int len = (int)strcspn(text, " ");

		if (!at_start && column + 1 + len > WIDTH) {
			fprintf(f, "\n%*s", indent, "");
			column = indent;
			at_start = 1;
		}
		fprintf(f, "%s%.*s", at_start ? "" : " ", len, text);
		column += len + !at_start;
		at_start = 0;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

static void print_row(FILE *f, const struct option_row *row)
{
	char left[WIDTH];
	int n;

	n = snprintf(left, sizeof(left), "  %c%c%s%s%s%s%s",
		     row->letter ? '-' : ' ', row->letter ? row->letter : ' ',
		     row->letter && row->name ? ", " : "  ",
		     row->name ? "--" : "", row->name ? row->name : "",
		     row->arg && !has_optional_arg(row) ? " " : "",
		     row->arg ? row->arg : "");
	fputs(left, f);
	if (n > HELP_COLUMN - 2) {
		fputc('\n', f);
		n = 0;
	}
	fprintf(f, "%*s", HELP_COLUMN - n, "");
	options_wrap(f, row->help, HELP_COLUMN, HELP_COLUMN);
}

void options_print(FILE *f, const struct option_group *const *groups)
{
	for (; *groups; groups++) {
		fprintf(f, "\n%s:\n", (*groups)->title);
		for (size_t i = 0; i < (*groups)->count; i++)
			print_row(f, &(*groups)->rows[i]);
	}
}
