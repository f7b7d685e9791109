/*
 * Hints on options: of other tools, of the other command, misspelt ones.
 */
#include "cmd/option_hints.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/similar.h"
#include "base/text.h"

enum { SHOWN_MAX = 100, LIST_WORD_MIN = 4 };

static const struct option_row *row_of_letter(
	const struct option_group *const *groups, char letter)
{
	for (; *groups; groups++) {
		for (size_t i = 0; i < (*groups)->count; i++) {
			if ((*groups)->rows[i].letter == letter)
				return &(*groups)->rows[i];
		}
	}
	return NULL;
}

/* Whether name is one of names, which are separated by spaces. */
static int is_among(const char *names, const char *name, size_t len)
{
	while (*names) {
		const size_t n = strcspn(names, " ");

		if (n == len && strncmp(names, name, len) == 0)
			return 1;
		names += n;
		names += strspn(names, " ");
	}
	return 0;
}

static const struct option_habit *find_habit(
	const struct option_group *const *groups, const char *name, size_t len)
{
	for (; *groups; groups++) {
		const struct option_habit *h = (*groups)->habits;

		for (; h && h->names; h++) {
			if (is_among(h->names, name, len))
				return h;
		}
	}
	return NULL;
}

static const struct option_habit *habit_of_letter(
	const struct option_group *const *groups, char letter)
{
	const char name[] = { '-', letter, '\0' };

	return find_habit(groups, name, 2);
}

/*
 * Write to dst the letters of cluster that are options, those with a value
 * last, and without those that are not needed.  Returns whether each letter is
 * one of these.
 */
static int clean_cluster(const struct option_group *const *groups,
			 const char *cluster, char *dst, size_t size)
{
	size_t used = 0;
	char last = 0;

	for (; *cluster && used + 3 < size; cluster++) {
		const struct option_row *row = row_of_letter(groups, *cluster);
		const struct option_habit *h =
			habit_of_letter(groups, *cluster);

		if (row && row->arg && last)
			return 0;
		if (row && row->arg)
			last = *cluster;
		else if (row)
			dst[used++] = *cluster;
		else if (!h || !h->is_needless)
			return 0;
	}
	if (last)
		dst[used++] = last;
	dst[used] = '\0';
	return 1;
}

/* The long option that is nearest to name (up to '='), which is copied to text
 * for *s. */
static void find_nearest(const struct option_group *const *groups,
			 const char *name, char text[SIMILAR_LEN_MAX + 1],
			 struct similar *s)
{
	snprintf(text, SIMILAR_LEN_MAX + 1, "%.*s", (int)strcspn(name, "="),
		 name);
	similar_begin(s, text);
	for (; *groups; groups++) {
		for (size_t i = 0; i < (*groups)->count; i++) {
			if ((*groups)->rows[i].name)
				similar_offer(s, (*groups)->rows[i].name);
		}
	}
}

/* The long option that name (up to '=') is; NULL if there is none. */
static const char *find_name(const struct option_group *const *groups,
			     const char *name)
{
	char text[SIMILAR_LEN_MAX + 1];
	struct similar s;

	find_nearest(groups, name, text, &s);
	return s.distance > 0 ? NULL : s.nearest;
}

/* Offer the long names of a habit.  Returns whether one of them is nearer than
 * what *s had; it is copied to name, for *s. */
static int offer_habit(const char *names, struct similar *s,
		       char name[SIMILAR_LEN_MAX + 1])
{
	char word[SIMILAR_LEN_MAX + 1];
	int is_nearer = 0;

	for (size_t n; *names; names += n + strspn(names + n, " ")) {
		n = strcspn(names, " ");
		if (n < 3 || n - 2 > SIMILAR_LEN_MAX)
			continue; /* a letter, or too long */
		snprintf(word, sizeof(word), "%.*s", (int)(n - 2), names + 2);
		similar_offer(s, word);
		if (s->nearest == word) {
			memcpy(name, word, sizeof(word));
			s->nearest = name;
			is_nearer = 1;
		}
	}
	return is_nearer;
}

/* The habit with the long name that is nearest to what was written; NULL if
 * none is nearer than what *s had.  See offer_habit(). */
static const struct option_habit *nearest_habit(
	const struct option_group *const *groups, struct similar *s,
	char name[SIMILAR_LEN_MAX + 1])
{
	const struct option_habit *nearest = NULL;

	for (; *groups; groups++) {
		const struct option_habit *h = (*groups)->habits;

		for (; h && h->names; h++) {
			if (offer_habit(h->names, s, name))
				nearest = h;
		}
	}
	return nearest;
}

/* A long option that is like none, or like one of ours or of other tools. */
static void hint_at_similar(const struct option_group *const *groups,
			    const char *written, struct err *e)
{
	char text[SIMILAR_LEN_MAX + 1], name[SIMILAR_LEN_MAX + 1];
	const struct option_habit *h;
	struct similar s;

	find_nearest(groups, written, text, &s);
	h = nearest_habit(groups, &s, name);
	if (h)
		err_append(e, "; did you mean --%s? (%s)", name, h->hint);
	else if (s.nearest)
		err_append(e, "; did you mean --%s?", s.nearest);
}

static void hint_at_habit(const struct option_group *const *groups,
			  const struct option_habit *h, const char *element,
			  char letter, struct err *e)
{
	char shown[SHOWN_MAX], clean[SHOWN_MAX] = "";
	const size_t len = strcspn(element, "=");

	text_escape(shown, sizeof(shown), element, len);
	if (letter && len > 2)
		err_append(e, " in '%s'", shown);
	err_append(e, ": %s", h->hint);
	if (!h->is_needless ||
	    (letter && !clean_cluster(groups, element + 1, clean,
				      sizeof(clean))))
		return;
	if (clean[0])
		err_append(e, "; write -%s", clean);
	else
		err_append(e, "; leave out %s", shown);
}

void option_hints_unknown(const struct option_group *const *groups,
			  const char *element, char letter, struct err *e)
{
	const struct option_habit *h;
	const char *name = NULL;
	char shown[SHOWN_MAX];

	if (access(element, F_OK) == 0) {
		err_append(e, "; the file of this name is written ./%s",
		       text_escape(shown, sizeof(shown), element,
				   strlen(element)));
		return;
	}
	/* "-key": a long option with one hyphen */
	if (letter && element[2])
		name = find_name(groups, element + 1);
	h = name ? NULL : letter ? habit_of_letter(groups, letter) :
	    find_habit(groups, element, strcspn(element, "="));
	if (h) {
		hint_at_habit(groups, h, element, letter, e);
		return;
	}
	if (!letter)
		hint_at_similar(groups, element + 2, e);
	else if (name)
		err_append(e, "; did you mean --%s?", name);
}

static const char *nearest_word(const struct option_word *w, const char *value)
{
	struct similar s;

	similar_begin(&s, value);
	for (; w && w->word; w++)
		similar_offer(&s, w->word);
	return s.nearest;
}

/* The list with what is meant by each of its elements. */
static int guess_list(const struct option_row *row, const char *value,
		      char *dst, size_t size)
{
	char element[SHOWN_MAX];
	size_t used = 0;

	for (;;) {
		const size_t n = strcspn(value, ",");
		const char *word;

		if (n >= sizeof(element))
			return 0;
		memcpy(element, value, n);
		element[n] = '\0';
		word = nearest_word(row->words, element);
		/* With three letters everything is near to something. */
		if (!word || (n < LIST_WORD_MIN && strcmp(word, element) != 0))
			return 0;
		used += (size_t)snprintf(dst + used, size - used, "%s%s",
					 used ? "," : "", word);
		if (used >= size)
			return 0;
		if (!value[n])
			return 1;
		value += n + 1;
	}
}

/* The value that was probably meant.  Returns 0 if that is not known. */
static int guess_value(const struct option_row *row, const char *value,
		       char *dst, size_t size)
{
	const char *word;

	if (row->guess)
		return row->guess(dst, size, value);
	if (row->kind == OPTION_SET)
		return guess_list(row, value, dst, size);
	word = nearest_word(row->words, value);
	if (word)
		snprintf(dst, size, "%s", word);
	return word != NULL;
}

void option_hints_setting(const struct option_row *row, const char *value,
			  struct err *e)
{
	char guess[SHOWN_MAX];

	if (guess_value(row, value, guess, sizeof(guess)))
		err_append(e, "; did you mean '%s'?", guess);
}

/* The option with a value, as it is to be written. */
static void show_pair(char *dst, size_t size, const struct option_row *row,
		      int is_long, const char *value)
{
	const int is_optional = row->arg[0] == '[';

	if (is_long)
		snprintf(dst, size, "--%s%s%s", row->name,
			 is_optional ? "=" : " ", value);
	else
		snprintf(dst, size, "-%c%s%s", row->letter,
			 is_optional ? "" : " ", value);
}

void option_hints_value(const struct option_group *const *groups,
			const struct option_row *row, const char *element,
			const char *value, struct err *e)
{
	const int is_long = strncmp(element, "--", 2) == 0;
	char guess[SHOWN_MAX], pair[SHOWN_MAX + 40];
	const char *name = is_long ? NULL : find_name(groups, element + 1);

	if (name) {
		err_append(e, "; did you mean --%s?", name);
	} else if (guess_value(row, value, guess, sizeof(guess))) {
		show_pair(pair, sizeof(pair), row, is_long, guess);
		err_append(e, "; did you mean %s?", pair);
	} else if (!is_long && row->arg[0] == '[' && *value &&
		   clean_cluster(groups, element + 1, guess, sizeof(guess))) {
		err_append(e, "; what follows -%c is its value: write -%s",
		       row->letter, guess);
	}
}

int option_hints_separate(const struct option_row *row, const char *element,
			  const char *next, struct err *e)
{
	const int is_long = strncmp(element, "--", 2) == 0;
	char guess[SHOWN_MAX], pair[SHOWN_MAX + 40];

	if (!next || !row->guess || access(next, F_OK) == 0 ||
	    !row->guess(guess, sizeof(guess), next))
		return 0;
	show_pair(pair, sizeof(pair), row, is_long, guess);
	if (is_long)
		return err_set(e, ERR_USAGE, "--%s takes its value after '=': "
			       "%s", row->name, pair);
	return err_set(e, ERR_USAGE, "-%c takes its value without a space: %s",
		       row->letter, pair);
}
