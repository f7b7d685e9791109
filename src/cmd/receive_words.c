/*
 * The words, as tables.
 */
#include "cmd/receive_words.h"

#include <string.h>

#include "base/err.h"
#include "receiver/conflict.h"
#include "session/events.h" /* enum wire_request */

const struct option_word receive_words_existing[] = {
#define X(word, id, meaning) { word, CONFLICT_##id, meaning },
	RECEIVE_WORDS_EXISTING(X)
#undef X
	{ NULL, 0, NULL },
};

const struct option_word receive_words_preserve[] = {
#define X(id, number, word, with, archive, meaning) { word, id, meaning },
	FILE_META_PRESERVE(X)
#undef X
	{ NULL, 0, NULL },
};

#define X(id, number, word, meaning) { word, 0, meaning },
#define ACCEPTED(id, number, word, with, archive, meaning) { word, 0, meaning },
const struct option_word receive_words_accept[] = {
	WIRE_REQUESTS(X)
	FILE_META_ACCEPTED(ACCEPTED)
	{ "all", 0, "all that a sender can ask for" },
	{ NULL, 0, NULL },
};
#undef ACCEPTED
#undef X

const struct accept receive_words_accept_all = {
	0
#define X(id, number, word, meaning) | (uint32_t)id
	WIRE_REQUESTS(X)
#undef X
	, PRESERVE_KNOWN
};

static int is_word(const char *word, const char *text, size_t n)
{
	return word && strlen(word) == n && memcmp(word, text, n) == 0;
}

int receive_words_set_preserve(void *field, const char *value)
{
	unsigned *preserve = field;

	for (;;) {
		const size_t n = strcspn(value, ",");
		const struct option_word *w = receive_words_preserve;

		while (w->word && !is_word(w->word, value, n))
			w++;
		if (!w->word)
			return ERR_RANGE;
		*preserve |= (unsigned)w->value;
		if (!value[n])
			return 0;
		value += n + 1;
	}
}

/* The kinds that are accepted together with this one. */
static uint32_t accepted_with(unsigned kind)
{
	static const struct {
		unsigned bit, with;
	} rows[] = {
#define X(id, number, word, with, archive, meaning) { id, with },
		FILE_META_PRESERVE(X)
#undef X
	};
	uint32_t all = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].with == kind)
			all |= rows[i].bit;
	}
	return all;
}

/* What the word of n bytes at text accepts; nothing where it is none. */
static struct accept accepted_by(const char *text, size_t n)
{
	struct accept a = { 0, 0 };

	if (is_word("all", text, n))
		return receive_words_accept_all;
#define X(id, number, word, meaning)                                           \
	if (is_word(word, text, n))                                            \
		a.requests |= (uint32_t)id;
	WIRE_REQUESTS(X)
#undef X
#define X(id, number, word, with, archive, meaning)                            \
	if (is_word(word, text, n))                                            \
		a.preserve |= accepted_with(id);
	FILE_META_ACCEPTED(X)
#undef X
	return a;
}

int receive_words_set_accept(void *field, const char *value)
{
	struct accept *accept = field;

	for (;;) {
		const size_t n = strcspn(value, ",");
		const struct accept a = accepted_by(value, n);

		if (!a.requests && !a.preserve)
			return ERR_RANGE;
		accept->requests |= a.requests;
		accept->preserve |= a.preserve;
		if (!value[n])
			return 0;
		value += n + 1;
	}
}
