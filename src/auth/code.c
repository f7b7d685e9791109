/*
 * One-time codes as text.  The parser reads part by part, so that it can say
 * which part is wrong; completion does the same and uses the last.
 */
#include "auth/code.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/similar.h"
#include "base/wipe.h"
#include "os/entropy.h"

#define FORM "a code is four digits and two words, such as 4821-river-anchor"

enum {
	NUMBERS = 10000,
	/* Further words are no help: there are dozens of them. */
	NEAR_DISTANCE = 2,
};

int code_generate(char code[CODE_MAX], struct err *e)
{
	/* From the last multiple of NUMBERS on values are drawn again, or low
	 * numbers would be more likely.  WORDS_COUNT is a power of 2 and needs
	 * no such limit. */
	const uint32_t end = UINT32_MAX - UINT32_MAX % NUMBERS;
	uint32_t r[1 + CODE_WORDS];

	do {
		if (entropy_get(r, sizeof(r)))
			return err_sys(e, ERR_RESOURCE,
				       "cannot get random bytes for a code");
	} while (r[0] >= end);
	snprintf(code, CODE_MAX, "%04u-%s-%s", (unsigned)(r[0] % NUMBERS),
		 words_at(r[1] % WORDS_COUNT), words_at(r[2] % WORDS_COUNT));
	wipe(r, sizeof(r));
	return 0;
}

void code_wipe(char code[CODE_MAX])
{
	wipe(code, CODE_MAX);
}

/* ---- parts ---- */

/* Not isspace(), which depends on the locale; below, not isdigit(). */
static int is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int is_separator(char c)
{
	return c == '-' || is_blank(c);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The digits or a word, in lower case. */
struct part {
	char text[WORDS_LEN_MAX + 1];
	size_t len; /* of the whole part, even if text holds less */
};

/* Read the part that begins at *at, and advance *at to its end. */
static void read_part(const char *text, size_t n, size_t *at, struct part *p)
{
	memset(p, 0, sizeof(*p));
	for (; *at < n && !is_separator(text[*at]); ++*at) {
		if (p->len < WORDS_LEN_MAX)
			p->text[p->len] = lower(text[*at]);
		p->len++;
	}
}

static void skip_separators(const char *text, size_t n, size_t *at)
{
	while (*at < n && is_separator(text[*at]))
		++*at;
}

static int all_digits(const struct part *p)
{
	for (size_t i = 0; i < p->len; i++) {
		if (i >= WORDS_LEN_MAX || p->text[i] < '0' || p->text[i] > '9')
			return 0;
	}
	return 1;
}

/* ---- parsing ---- */

static int check_part(const struct part *p, int index, struct err *e)
{
	static const char *const which[] = { "", "first", "second" };

	if (p->len == 0)
		return err_set(e, ERR_USAGE, "it is incomplete: %s", FORM);
	if (index == 0) {
		if (p->len != CODE_DIGITS || !all_digits(p))
			return err_set(e, ERR_USAGE,
				       "it does not begin with four digits: "
				       "%s",
				       FORM);
	} else if (p->len > WORDS_LEN_MAX || !words_has(p->text, p->len)) {
		return err_set(e, ERR_USAGE,
			       "its %s word is not in the word list: is it "
			       "misspelt?",
			       which[index]);
	}
	return 0;
}

int code_parse(char code[CODE_MAX], const char *text, size_t n, struct err *e)
{
	struct part parts[1 + CODE_WORDS];
	size_t at = 0;
	int rc = 0;

	/* Only blanks: a code does not begin with a hyphen. */
	while (at < n && is_blank(text[at]))
		at++;
	for (int i = 0; i <= CODE_WORDS && rc == 0; i++) {
		read_part(text, n, &at, &parts[i]);
		rc = check_part(&parts[i], i, e);
		if (i < CODE_WORDS)
			skip_separators(text, n, &at);
	}
	while (at < n && is_blank(text[at]))
		at++;
	if (rc == 0 && at < n)
		rc = err_set(e, ERR_USAGE,
			     "it continues after the second word: %s", FORM);
	if (rc == 0)
		snprintf(code, CODE_MAX, "%.4s-%s-%s", parts[0].text,
			 parts[1].text, parts[2].text);
	else
		code[0] = '\0';
	wipe(parts, sizeof(parts));
	return rc;
}

/* Add word i to the near ones, which are sorted by their distance. */
static void add_near(struct code_misspelt *m, unsigned distance[CODE_NEAR_MAX],
		     const char *word)
{
	const unsigned d = similar_distance(m->word, word);
	unsigned at = m->count;

	if (d > NEAR_DISTANCE || !similar_is_near(m->word, word))
		return;
	while (at > 0 && distance[at - 1] > d)
		at--;
	if (at == CODE_NEAR_MAX)
		return;
	if (m->count < CODE_NEAR_MAX)
		m->count++;
	for (unsigned i = m->count - 1; i > at; i--) {
		m->near[i] = m->near[i - 1];
		distance[i] = distance[i - 1];
	}
	m->near[at] = word;
	distance[at] = d;
}

unsigned code_find_misspelt(const char *text, size_t n,
			    struct code_misspelt found[CODE_WORDS])
{
	unsigned count = 0, distance[CODE_NEAR_MAX] = { 0 };
	size_t at = 0;
	struct part p;

	while (at < n && is_blank(text[at]))
		at++;
	for (int i = 0; i <= CODE_WORDS; i++) {
		struct code_misspelt *m = &found[count];
		const size_t begin = at;

		read_part(text, n, &at, &p);
		if (i > 0 && p.len > 0 &&
		    (p.len > WORDS_LEN_MAX || !words_has(p.text, p.len))) {
			memset(m, 0, sizeof(*m));
			for (size_t k = 0; k < p.len; k++) {
				if (k < sizeof(m->word) - 1)
					m->word[k] = lower(text[begin + k]);
			}
			for (unsigned k = 0; k < WORDS_COUNT; k++)
				add_near(m, distance, words_at(k));
			count++;
		}
		skip_separators(text, n, &at);
	}
	wipe(&p, sizeof(p));
	return count;
}

/* ---- completion ---- */

/* Complete the last part, a word; see code_complete(). */
static unsigned complete_word(const struct part *p, int is_last, char *rest,
			      size_t size, unsigned *first)
{
	const char *word, *last;
	unsigned count;
	size_t len = 0;

	if (p->len > WORDS_LEN_MAX)
		return 0;
	*first = words_from(p->text, p->len, &count);
	if (count == 0)
		return 0;
	/* Words are sorted: all of them begin with what the outer two share. */
	word = words_at(*first);
	last = words_at(*first + count - 1);
	while (word[len] && word[len] == last[len])
		len++;
	snprintf(rest, size, "%.*s%s", (int)(len - p->len), word + p->len,
		 count == 1 && !is_last ? "-" : "");
	return count;
}

unsigned code_complete(const char *text, size_t n, char *rest, size_t size,
		       unsigned *first)
{
	struct part p;
	size_t at = 0;
	unsigned count = 0;

	rest[0] = '\0';
	*first = 0;
	while (at < n && is_blank(text[at]))
		at++;
	for (int i = 0; i <= CODE_WORDS; i++) {
		read_part(text, n, &at, &p);
		if (at == n) {
			if (i > 0)
				count = complete_word(&p, i == CODE_WORDS, rest,
						      size, first);
			else if (p.len == CODE_DIGITS && all_digits(&p))
				snprintf(rest, size, "-");
			break;
		}
		skip_separators(text, n, &at);
	}
	wipe(&p, sizeof(p));
	return count;
}
