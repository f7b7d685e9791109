/*
 * The words, as tables.
 */
#include "cmd/receive_words.h"

#include <string.h>

#include "base/err.h"
#include "receiver/conflict.h"
#include "session/events.h" /* enum wire_request */

const struct option_word receive_words_existing[] = {
	{ "fail", CONFLICT_FAIL },
	{ "skip", CONFLICT_SKIP },
	{ "replace", CONFLICT_REPLACE },
	{ "newer", CONFLICT_NEWER },
	{ "rename", CONFLICT_RENAME },
	{ "backup", CONFLICT_BACKUP },
	{ NULL, 0 },
};

static const struct option_word accept_words[] = {
#define X(id, number, text) { text, id },
	WIRE_REQUESTS(X)
#undef X
	{ NULL, 0 },
};

const uint32_t receive_words_accept_all = 0
#define X(id, number, text) | (uint32_t)id
	WIRE_REQUESTS(X)
#undef X
	;

int receive_words_set_accept(void *field, const char *value)
{
	uint32_t *accept = field;

	for (;;) {
		const size_t n = strcspn(value, ",");
		const struct option_word *w = accept_words;

		while (w->word && (strlen(w->word) != n ||
				   memcmp(w->word, value, n) != 0))
			w++;
		if (!w->word)
			return ERR_RANGE;
		*accept |= (uint32_t)w->value;
		if (!value[n])
			return 0;
		value += n + 1;
	}
}
